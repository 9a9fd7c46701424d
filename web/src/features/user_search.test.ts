import { expect, test, vi } from "vitest";

import { Unreachable } from "../matrix/api/error";
import { t } from "../ui/words.svelte";
import { UserSearch } from "./user_search.svelte";

test("a server that does not answer found not nobody; asked again it may", async () => {
  vi.useFakeTimers();
  const lena = { userId: "@lena:a", name: "Lena", avatarUrl: undefined };
  const searchUsers = vi.fn(async () => [lena, lena]);
  searchUsers.mockRejectedValueOnce(new Unreachable(undefined));
  const search = new UserSearch({ searchUsers });
  search.look("l");
  await vi.advanceTimersByTimeAsync(1000);
  expect(searchUsers).not.toHaveBeenCalled();
  search.look("len");
  await vi.advanceTimersByTimeAsync(1000);
  expect([search.isAnswered, search.asking.error]).toEqual([false, t.unreachable]);
  search.ask();
  expect([search.asking.error, search.asking.busy]).toEqual([t.unreachable, true]);
  await vi.advanceTimersByTimeAsync(0);
  expect([search.found, search.isAnswered, search.asking.error]).toEqual([[lena], true, undefined]);
  search.look("lenar");
  expect(search.isAnswered).toBe(false);
  vi.useRealTimers();
});
