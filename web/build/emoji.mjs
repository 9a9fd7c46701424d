// Writes the German names of emoji: `node build/emoji.mjs FOLDER`, with the unpacked package `emojibase-data` in FOLDER
// (docs/decisions/0072-german-names-of-emoji.md). One line an emoji: its name, then words to find it by that are not in the name.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { gemoji } from "gemoji";

const [folder = "emojibase-data"] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
/** The two write a sign that is drawn as a picture by itself with and without saying so. */
const bare = (emoji) => emoji.replaceAll("\ufe0f", "");
const named = new Map(read("de/compact.json").map((one) => [bare(one.unicode), one]));

const lines = gemoji.map(({ emoji }) => {
  const one = named.get(bare(emoji));
  if (!one) throw new Error(`${emoji} has no German name`);
  const words = (one.tags ?? []).filter((word) => !one.label.toLowerCase().includes(word.toLowerCase()));
  return `${JSON.stringify(emoji)}:${JSON.stringify([one.label, ...words].join("|"))}`;
});
writeFileSync(new URL("../src/ui/emoji/de.json", import.meta.url), `{\n${lines.join(",\n")}\n}\n`);
console.log(`${lines.length} names of emojibase-data ${read("package.json").version}`);
