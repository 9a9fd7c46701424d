"""A person with a client: requests, and a sync that is read until what is awaited has come."""

import asyncio
import itertools
import json
import uuid
from urllib.parse import quote

from yarl import URL

CLIENT = "/_matrix/client/v3/"
FILTER = json.dumps({"room": {"timeline": {"limit": 200}}})


def path(*parts):
    return "/".join(quote(part, safe="") for part in parts)


class Refused(Exception):
    """An error in the form of the specification."""

    def __init__(self, asked, status, answer):
        super().__init__(f"{asked}: {status} {answer}")
        self.status, self.answer = status, answer
        self.code = answer.get("errcode") if isinstance(answer, dict) else None


class User:
    def __init__(self, http, server):
        self.http, self.server = http, server
        self.id = self.token = self.device = self.since = None
        self.news = []
        self.waiting = asyncio.Lock()

    @classmethod
    async def register(cls, http, server, name):
        body = {"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}}
        user = cls(http, server)
        answer = await user.post("register", body)
        user.id, user.token, user.device = (
            answer[key] for key in ("user_id", "access_token", "device_id")
        )
        return user

    async def raw(self, method, where, /, *, data=None, kind=None, **query):
        """Status, headers and bytes of an answer."""
        headers = {"Content-Type": kind} if kind else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        url = self.server.url + (where if where.startswith("/") else CLIENT + where)
        query = [(key, v) for key, value in query.items() for v in listed(value)]
        if query:
            url += "?" + "&".join(f"{key}={quote(str(v), safe='')}" for key, v in query)
        async with self.http.request(
            method, URL(url, encoded=True), data=data, headers=headers
        ) as answer:
            return answer.status, answer.headers, await answer.read()

    async def call(self, method, where, /, body=None, **query):
        data = None if body is None else json.dumps(body)
        status, _, answer = await self.raw(method, where, data=data, kind="application/json", **query)
        try:
            answer = json.loads(answer)
        except ValueError:
            pass
        if status != 200:
            raise Refused(f"{method} {where}", status, answer)
        return answer

    async def get(self, where, **query):
        return await self.call("GET", where, **query)

    async def put(self, where, body, **query):
        return await self.call("PUT", where, body, **query)

    async def post(self, where, body, **query):
        return await self.call("POST", where, body, **query)

    # Rooms.

    async def make_room(self, version, **more):
        return (await self.post("createRoom", {"room_version": version, **more}))["room_id"]

    async def join(self, room, *via):
        return (await self.post(path("join", room), {}, via=via, server_name=via))["room_id"]

    async def membership(self, room, verb, user=None, **more):
        """`invite`, `kick`, `ban`, `unban` somebody, or `leave`."""
        target = {} if user is None else {"user_id": user.id}
        await self.post(f"{path('rooms', room)}/{verb}", {**target, **more})

    async def event(self, room, kind, content):
        sent = await self.put(path("rooms", room, "send", kind, uuid.uuid4().hex), content)
        return sent["event_id"]

    async def say(self, room, body, **more):
        content = {"msgtype": "m.text", "body": body, **more}
        return await self.event(room, "m.room.message", content)

    async def redact(self, room, event_id, **more):
        where = path("rooms", room, "redact", event_id, uuid.uuid4().hex)
        return (await self.put(where, more))["event_id"]

    async def set_state(self, room, kind, content, key=""):
        return (await self.put(path("rooms", room, "state", kind, key), content))["event_id"]

    async def state(self, room, kind, key=""):
        return await self.get(path("rooms", room, "state", kind, key))

    async def whole_state(self, room):
        return await self.get(f"{path('rooms', room)}/state")

    async def history(self, room, limit=25):
        """Every event that this user may read, the newest first."""
        events, token = [], None
        while True:
            more = {"from": token} if token else {}
            page = await self.get(f"{path('rooms', room)}/messages", dir="b", limit=limit, **more)
            events += page["chunk"]
            token = page.get("end")
            if not token:
                return events

    # What comes by sync.

    async def sync(self, timeout=5000):
        async with self.waiting:
            since = {"since": self.since} if self.since else {}
            answer = await self.get("sync", timeout=timeout, filter=FILTER, **since)
            self.since = answer["next_batch"]
            self.news.append(answer)
            return answer

    async def until(self, found):
        """Reads sync, from the first on, until this finds something in one of the answers."""
        for number in itertools.count():
            while number >= len(self.news):
                await self.sync(0 if self.since is None else 5000)
            if result := found(self.news[number]):
                return result

    async def sees(self, room, wanted):
        """The first event of the room's timeline that is wanted: an id, a text or a question."""

        def is_wanted(event):
            if callable(wanted):
                return wanted(event)
            return wanted in (event["event_id"], event.get("content", {}).get("body"))

        def found(answer):
            joined = answer.get("rooms", {}).get("join", {}).get(room, {})
            state, timeline = joined.get("state", {}), joined.get("timeline", {})
            events = state.get("events", []) + timeline.get("events", [])
            return next((event for event in events if is_wanted(event)), None)

        return await self.until(found)

    @staticmethod
    def timeline(answer, room):
        """The events of the room's timeline in an answer of sync."""
        joined = answer.get("rooms", {}).get("join", {}).get(room, {})
        return joined.get("timeline", {}).get("events", [])

    async def sees_member(self, room, user, membership):
        return await self.sees(
            room,
            lambda event: event["type"] == "m.room.member"
            and event["state_key"] == user.id
            and event["content"]["membership"] == membership,
        )

    async def sees_invite(self, room):
        """The stripped state of an invitation."""

        def found(answer):
            invited = answer.get("rooms", {}).get("invite", {}).get(room)
            return invited and invited["invite_state"]["events"]

        return await self.until(found)

    async def sees_ephemeral(self, room, kind, wanted):
        def found(answer):
            joined = answer.get("rooms", {}).get("join", {}).get(room, {})
            return any(
                event["type"] == kind and wanted(event["content"])
                for event in joined.get("ephemeral", {}).get("events", [])
            )

        return await self.until(found)


def listed(value):
    return value if isinstance(value, (tuple, list)) else [value]
