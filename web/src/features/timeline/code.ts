// Colours for code: strings, comments, numbers and the commonest words, whatever the language is.

const WORDS =
  "abstract as async await bool boolean break case catch char class const continue crate def default del delete do double " +
  "elif else end enum export extends extern false finally float fn for from func function go if impl implements import in " +
  "int interface is lambda let long loop match mod module move mut namespace new nil none not null of or and package pass " +
  "private protected pub public raise ref return self static str string struct super switch then this throw trait true try " +
  "type typeof undefined union unsafe use using val var void when where while with yield select insert update create table";

const KNOWN = new Set(WORDS.split(" "));
const LONGEST = 20_000;
/** Languages in which `#` begins a comment. */
const HASH = new Set(["bash", "sh", "shell", "zsh", "python", "py", "ruby", "rb", "toml", "yaml", "yml", "perl", "r", "make", "dockerfile"]);

export interface Piece {
  kind: "plain" | "string" | "comment" | "number" | "word";
  text: string;
}

export function pieces(code: string, language = ""): Piece[] {
  if (code.length > LONGEST || language === "text" || language === "plain") return [{ kind: "plain", text: code }];
  const line = HASH.has(language) ? "#[^\n]*" : language === "sql" || language === "lua" ? "--[^\n]*" : "//[^\n]*|<!--[\\s\\S]*?-->";
  const strings = `"(?:\\\\.|[^"\\\\\n])*"|'(?:\\\\.|[^'\\\\\n])*'|\`(?:\\\\.|[^\`\\\\])*\``;
  const pattern = new RegExp(
    `(?<comment>/\\*[\\s\\S]*?\\*/|${line})|(?<string>${strings})|(?<number>\\b0x[\\da-f]+\\b|\\b\\d[\\d_]*(?:\\.\\d+)?\\b)|(?<word>[A-Za-z_]\\w*)`,
    "gi",
  );
  const found: Piece[] = [];
  const add = (kind: Piece["kind"], text: string) => {
    const last = found.at(-1);
    if (last?.kind === kind) last.text += text;
    else if (text) found.push({ kind, text });
  };
  let from = 0;
  for (const match of code.matchAll(pattern)) {
    add("plain", code.slice(from, match.index));
    const { comment, string, number } = match.groups ?? {};
    const isWord = !comment && !string && !number;
    const kind = comment ? "comment" : string ? "string" : number ? "number" : "word";
    add(isWord && !KNOWN.has(match[0].toLowerCase()) ? "plain" : kind, match[0]);
    from = match.index + match[0].length;
  }
  add("plain", code.slice(from));
  return found;
}
