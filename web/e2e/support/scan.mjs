// Looks for words where they must not be: as they are, in base64 at each of three shifts, escaped in JSON.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";

/** A word, or the bytes of a key. */
function forms(word) {
  const bytes = Buffer.from(word);
  const shifted = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64").replace(/=+$/, "");
    // The first and the last characters depend on what stands beside.
    return encoded.slice(shift === 0 ? 0 : shift + 1, -2);
  });
  const urlSafe = shifted.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
  const escape = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const escaped = typeof word === "string" ? [[...word].map(escape).join("")] : [];
  const all = [...shifted, ...urlSafe, ...escaped, bytes.toString("hex")].map((form) => Buffer.from(form));
  return [bytes, ...new Map(all.map((form) => [form.toString(), form])).values()];
}

/** The bytes, and what they are when decompressed, if they are compressed as a whole. */
function unpacked(bytes) {
  const found = [bytes];
  for (const open of [gunzipSync, inflateSync, brotliDecompressSync]) {
    try {
      found.push(open(bytes));
    } catch {
      // Not compressed in this way.
    }
  }
  return found;
}

/** Which of the words are in the bytes. */
export function found(words, bytes) {
  const all = unpacked(bytes).map((one) => one.toString("latin1"));
  return words.filter((word) => forms(word).some((form) => all.some((one) => one.includes(form.toString("latin1")))));
}

/** All files of a server: database, log, media. */
export function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}

/** Which of the words are in what a server has on its disk or what passed. */
export function foundAt(words, server) {
  const passed = [server.proxy, server.federation].flatMap((proxy) => proxy?.traffic ?? []);
  const everywhere = [...filesOf(server.folder), ...passed];
  const hits = new Set(everywhere.flatMap((bytes) => found(words, bytes)));
  return words.filter((word) => hits.has(word));
}
