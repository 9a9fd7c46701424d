"""What the themes are made of: steps in the order in which they are written, each one fact."""

import asyncio
import time

from user import Refused, User

LIMIT = 40


class World:
    """Both servers, and whoever talks to them."""

    def __init__(self, http, sealpost, synapse, second):
        self.http, self.sealpost, self.synapse, self.second = http, sealpost, synapse, second
        self.people = 0

    async def user(self, server, name):
        self.people += 1
        return await User.register(self.http, server, f"{name}{self.people}")

    async def users(self, server, *names):
        return [await self.user(server, name) for name in names]


class Theme:
    """Steps are the methods without an underscore; one stands on those before it."""

    def __init__(self, world, home, away):
        self.world, self.home, self.away = world, home, away

    def __str__(self):
        return f"{type(self).__name__}, room on {self.home.kind}"

    @property
    def steps(self):
        return [
            getattr(self, name)
            for kind in reversed(type(self).__mro__)
            if issubclass(kind, Theme) and kind is not Theme
            for name in vars(kind)
            if not name.startswith("_")
        ]

    async def _end(self):
        """Closes what the steps have opened."""

    async def run(self):
        """How many steps passed and failed; one that is not reached has failed."""
        print(f"# {self}")
        passed = 0
        for step in self.steps:
            started = time.monotonic()
            try:
                await asyncio.wait_for(step(), LIMIT)
            except Exception as error:
                print(f"not ok - {step.__name__}: {type(error).__name__}: {error}")
                break
            passed += 1
            print(f"ok - {step.__name__} ({time.monotonic() - started:.1f} s)")
        await self._end()
        return passed, len(self.steps) - passed


async def refused(asked, *codes):
    """The request is refused with one of these codes."""
    try:
        answer = await asked
    except Refused as error:
        assert error.code in codes, error
        return error
    raise AssertionError(f"not refused: {answer}")


async def becomes(ask, wanted, describe=str):
    """Asks again until the answer is as wanted."""
    for _ in range(200):
        answer = await ask()
        if wanted(answer):
            return answer
        await asyncio.sleep(0.05 if _ < 40 else 0.2)
    raise AssertionError(f"it stays {describe(answer)}")


def by_key(events):
    return {(event["type"], event["state_key"]): event for event in events}


async def same_state(room, *users):
    """The state of the room is the same for all of them, event for event; the state."""

    async def ask():
        return [by_key(await user.whole_state(room)) for user in users]

    def essence(state):
        return {key: (e["event_id"], e["sender"], e["content"]) for key, e in state.items()}

    def different(states):
        first, others = essence(states[0]), [essence(state) for state in states[1:]]
        return [
            (key, first.get(key), other.get(key))
            for other in others
            for key in first.keys() | other.keys()
            if first.get(key) != other.get(key)
        ]

    states = await becomes(ask, lambda states: not different(states), lambda s: str(different(s)))
    return states[0]


async def same_history(room, *users):
    """The room's past, paged back to its beginning, is the same for all of them."""
    pasts = [await user.history(room) for user in users]
    for past in pasts:
        assert past[-1]["type"] == "m.room.create", past[-1]
        ids = [event["event_id"] for event in past]
        assert len(ids) == len(set(ids)), "an event came twice"
    told = [
        [(e["event_id"], e["type"], e["sender"], e["content"], e["origin_server_ts"]) for e in past]
        for past in pasts
    ]
    for other in told[1:]:
        missing = [event for event in told[0] if event not in other]
        more = [event for event in other if event not in told[0]]
        assert not missing and not more, f"missing {missing}, more {more}"
        assert told[0] == other, "another order"
    return pasts[0]
