"""One of the two servers: its users, what they ask, and what was noted of the answers."""

import http.client
import json
from urllib.parse import quote, urlsplit

from names import Names

PASSWORD = "correct horse battery staple"


class Refused(Exception):
    """An answer that the scenario cannot go on with."""


class User:
    def __init__(self, server, name, answer):
        self.server, self.name = server, name
        self.id, self.device = answer["user_id"], answer["device_id"]
        self.token = answer["access_token"]
        self.since = {}
        self.transactions = 0

    def ask(self, method, path, body=None):
        """Status and body of an answer; the path begins below the client-server API."""
        return self.server.ask(method, f"/_matrix/client/{path}", body, self.token)

    def must(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        if status != 200:
            raise Refused(f"{self.server.label}: {self.name}: {method} {path}: {status} {answer}")
        return answer

    def see(self, label, path, method="GET", body=None):
        """Asks, and notes the answer for the comparison."""
        status, answer = self.ask(method, path, body)
        self.server.note(label, status, answer)
        return answer

    def send(self, room, kind, content, name=None):
        """Sends an event, which is called by this name from now on."""
        self.transactions += 1
        path = f"v3/rooms/{q(room)}/send/{q(kind)}/{self.name}-{self.transactions}"
        event = self.must("PUT", path, content)["event_id"]
        self.server.names.give(event, f"${name or content.get('body', kind)}")
        return event

    def say(self, room, body, **more):
        return self.send(room, "m.room.message", {"msgtype": "m.text", "body": body, **more})

    def set(self, room, kind, content, key="", name=None):
        path = f"v3/rooms/{q(room)}/state/{q(kind)}/{q(key)}"
        event = self.must("PUT", path, content)["event_id"]
        if name:
            self.server.names.give(event, f"${name}")
        return event

    def redact(self, room, event, reason, name):
        self.transactions += 1
        path = f"v3/rooms/{q(room)}/redact/{q(event)}/{self.name}-{self.transactions}"
        redaction = self.must("PUT", path, {"reason": reason})["event_id"]
        self.server.names.give(redaction, f"${name}")

    def room(self, called, **options):
        """Makes a room and names it and the events that it begins with."""
        options = {"room_version": "11", **options}
        room = self.must("POST", "v3/createRoom", options)["room_id"]
        self.server.names.give(room, f"!{called}")
        self.learn(room)
        return room

    def learn(self, room):
        """Names the events of a room that have no name yet, by kind and number."""
        page = self.must("GET", f"v3/rooms/{q(room)}/messages?dir=f&limit=500")
        counts = {}
        for event in page["chunk"]:
            kind = event["type"].removeprefix("m.room.")
            if event.get("state_key"):
                kind += " " + self.server.names.replaced(event["state_key"])
            counts[kind] = counts.get(kind, 0) + 1
            name = f"${self.server.names.of(room)} {kind} {counts[kind]}"
            self.server.names.give(event["event_id"], name)

    def sync(self, label, since=None, **query):
        """A sync that is noted, without waiting. With `since` it goes on from the sync of that name."""
        arguments = {"timeout": 0, **query}
        if since is not None and since in self.since:
            arguments["since"] = self.since[since]
        text = "&".join(f"{name}={q(value)}" for name, value in arguments.items())
        answer = self.see(label, f"v3/sync?{text}")
        if since is not None:
            self.since[since] = answer.get("next_batch")
        return answer


class Server:
    def __init__(self, label, url):
        self.label, self.address = label, urlsplit(url)
        self.names = Names()
        self.notes = {}
        self.connection = None

    def ask(self, method, path, body=None, token=None):
        headers = {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "image/png"
        else:
            data = None if body is None else json.dumps(body)
            headers["Content-Type"] = "application/json"
        for attempt in (1, 2):
            try:
                if self.connection is None:
                    address = (self.address.hostname, self.address.port)
                    self.connection = http.client.HTTPConnection(*address, timeout=60)
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, ConnectionError):
                self.connection = None
                if attempt == 2:
                    raise
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, {"not JSON": len(text)}

    def note(self, label, status, answer):
        if label in self.notes:
            raise ValueError(f"two notes are called {label}")
        self.notes[label] = {"status": status, "body": answer}

    def register(self, name):
        body = {"username": name, "password": PASSWORD, "device_id": f"{name.upper()}1"}
        body["auth"] = {"type": "m.login.dummy"}
        status, answer = self.ask("POST", "/_matrix/client/v3/register", body)
        if status != 200:
            raise Refused(f"{self.label}: register: {status} {answer}")
        if not self.names.server:
            self.names.server = answer["user_id"].split(":", 1)[1]
        return User(self, name, answer)


def q(text):
    return quote(text if isinstance(text, str) else json.dumps(text), safe="")
