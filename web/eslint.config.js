import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";

import svelteConfig from "./svelte.config.js";

// main → app → features → { matrix, ui }: what each folder must not import.
const message = "main → app → features → { matrix, ui }";
const not = (...group) => [{ group, message }];
/** `../timeline/rows` in a file `depth` folders below `features/`. */
const otherFeature = (depth) => ({
  regex: `^(\\.\\./){${depth}}(?!\\.\\./)[^/]+/`,
  message: "A feature imports no other feature: what two share goes to ui or matrix.",
});
const layers = {
  "src/app/**": not("**/main"),
  "src/features/*": not("**/main", "**/app/**"),
  "src/features/*/*": [...not("**/main", "**/app/**"), otherFeature(1)],
  "src/features/*/*/*": [...not("**/main", "**/app/**"), otherFeature(2)],
  "src/matrix/**": not("**/main", "**/app/**", "**/features/**", "**/ui/**", "svelte", "svelte/*"),
  "src/service-worker/**": not("**/main", "**/app/**", "**/features/**", "**/ui/**", "svelte", "svelte/*"),
  "src/ui/**": not("**/main", "**/app/**", "**/features/**", "**/matrix/**"),
};

export default ts.config(
  { ignores: ["dist/", "generated/", "node_modules/"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: {
      parserOptions: { extraFileExtensions: [".svelte"], parser: ts.parser, svelteConfig },
    },
  },
  ...Object.entries(layers).map(([files, patterns]) => ({
    files: [files],
    rules: { "no-restricted-imports": ["error", { patterns }] },
  })),
);
