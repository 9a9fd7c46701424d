import { expect, test } from "vitest";

import { COMMANDS, parsed } from "./commands";

test("every command that is offered is known", () => {
  for (const { name } of COMMANDS) expect(parsed(`/${name} x`)).not.toMatchObject({ why: "unknown" });
});

test("what is said is told apart from what is done, and from slips", () => {
  expect(parsed("a / b")).toEqual({ kind: "say", words: "a / b" });
  expect(parsed("//etc is a folder")).toEqual({ kind: "say", words: "/etc is a folder" });
  expect(parsed("/etc/passwd")).toEqual({ kind: "say", words: "/etc/passwd" });
  expect(parsed("/me waves")).toEqual({ kind: "say", words: "waves", isEmote: true });
  expect(parsed("/shrug well")).toMatchObject({ words: "well ¯\\_(ツ)_/¯", isPlain: true });
  expect(parsed("/invite lena")).toEqual({ kind: "wrong", why: "person", name: "invite" });
  expect(parsed("/kick @lena:garden.example too loud")).toMatchObject({ kind: "do" });
  expect(parsed("/join garden")).toMatchObject({ why: "room" });
  expect(parsed("/dance")).toMatchObject({ why: "unknown" });
});
