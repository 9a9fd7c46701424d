import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";

import svelteConfig from "./svelte.config.js";

// main → app → features → { matrix, ui }: what each folder must not import.
const layers = {
  "src/app": ["**/main"],
  "src/features": ["**/main", "**/app/**"],
  "src/matrix": ["**/main", "**/app/**", "**/features/**", "**/ui/**", "svelte", "svelte/*"],
  "src/ui": ["**/main", "**/app/**", "**/features/**", "**/matrix/**"],
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
  ...Object.entries(layers).map(([folder, group]) => ({
    files: [`${folder}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group, message: "main → app → features → { matrix, ui }" }] },
      ],
    },
  })),
);
