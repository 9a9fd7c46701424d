import { expect, test } from "vitest";

import { MatrixError, Unreachable } from "../../matrix/api/error";
import { t } from "../../ui/words.svelte";
import { isShut, whyNotIn } from "./not_in";

const refused = (status: number, errcode?: string, error?: string) =>
  new MatrixError(status, { ...(errcode !== undefined && { errcode }), ...(error !== undefined && { error }) });

test("who can't come in hears why: nobody is there, no such room, banned, not invited, or what the server says", () => {
  expect(whyNotIn(refused(502, "M_UNKNOWN", "two.example: timed out"))).toBe(t.joinUnanswered);
  expect(whyNotIn(refused(504, "M_UNKNOWN"))).toBe(t.joinUnanswered);
  expect(whyNotIn(refused(502))).toBe(t.serverTrouble);
  expect(whyNotIn(new Unreachable("x"))).toBe(t.unreachable);
  expect(whyNotIn(refused(404, "M_NOT_FOUND"))).toBe(t.joinNotFound);
  expect(whyNotIn(refused(404, "M_UNKNOWN", "No known servers"))).toBe(t.joinNotFound);
  expect(whyNotIn(refused(403, "M_FORBIDDEN", "banned user cannot join room"))).toBe(t.joinBanned);
  expect(whyNotIn(refused(403, "M_FORBIDDEN", "You are not invited to this room."))).toBe(t.joinForbidden);
  expect(whyNotIn(refused(403, "M_FORBIDDEN", "cannot join a room that is not `public`"))).toBe(t.joinForbidden);
  expect(whyNotIn(refused(403, "M_FORBIDDEN"))).toBe(t.joinForbidden);
  const reason = "This server does not federate with two.example";
  expect(whyNotIn(refused(403, "M_FORBIDDEN", reason))).toBe(t.serverSays(t.codes.M_FORBIDDEN, reason));
  expect(whyNotIn(refused(400, "M_UNKNOWN", "No"))).toBe(t.serverSays(t.refusedAny, "No"));
});

test("who is banned need not ask to come in", () => {
  expect(isShut(refused(403, "M_FORBIDDEN", "You are not invited to this room."))).toBe(true);
  expect(isShut(refused(403, "M_FORBIDDEN", "@lena:one.example is banned from the room"))).toBe(false);
  expect(isShut(refused(404, "M_NOT_FOUND"))).toBe(false);
});
