import { expect, test } from "vitest";

import type { JsonObject } from "../json";
import { pollEnd, pollOf, pollResponse, pollStart, type About } from "./poll";

const about = (sender: string, ts: number, content: JsonObject): About => {
  return { event: { event_id: `$${ts}`, type: "t", sender, origin_server_ts: ts, content }, content };
};
const vote = (sender: string, ts: number, ...ids: string[]) => about(sender, ts, pollResponse("$p", ids));
const counted = (start: JsonObject, responses: About[], ends: About[] = []) => {
  const poll = pollOf(start, "@lena:a", responses, ends, (id) => id === "@admin:a");
  return poll && [poll.answers.map(({ voters }) => voters.length), poll.hasEnded, poll.votes];
};

test("the last vote of each counts, until the poll is ended by who may", () => {
  const start = pollStart("Paint?", ["Red", "Blue"], 1, true);
  const votes = [vote("@a", 1, "0"), vote("@a", 3, "1"), vote("@b", 2, "1", "0"), vote("@c", 4, "7"), vote("@d", 9, "0")];
  expect(counted(start, votes)).toEqual([[1, 2], false, 3]);
  const poll = pollOf(start, "@lena:a", votes, [], () => false);
  const end = poll ? pollEnd("$p", poll) : {};
  expect(end["m.poll.results"]).toEqual({ 0: 1, 1: 2 });
  expect(counted(start, votes, [about("@eve:a", 1, end)])).toEqual([[1, 2], false, 3]);
  expect(counted(start, votes, [about("@admin:a", 5, end)])).toEqual([[0, 2], true, 2]);
});

test("older forms are read too; what is none is none", () => {
  const start = {
    "org.matrix.msc3381.poll.start": {
      question: { "org.matrix.msc1767.text": "Paint?" },
      max_selections: 2,
      answers: [{ id: "r", "org.matrix.msc1767.text": "Red" }, { id: "b", "org.matrix.msc1767.text": "Blue" }],
    },
  };
  expect(counted(start, [about("@a", 1, { "org.matrix.msc3381.poll.response": { answers: ["r", "b"] } })])).toEqual([[1, 1], false, 1]);
  const twice = pollStart("Paint?", ["Red", "Blue"], 1, true);
  const { answers } = twice["m.poll"] as { answers: JsonObject[] };
  for (const answer of answers) answer["m.id"] = "same";
  expect(counted(twice, [])?.[0]).toEqual([0]);
  for (const odd of [{}, { "m.poll": 3 }, { "m.poll": { question: { "m.text": [{ body: "?" }] }, answers: [{}] } }]) {
    expect(pollOf(odd as JsonObject, "@a", [], [], () => false)).toBeUndefined();
  }
});
