"""The implementation of protocol.py talks with the Rust library, in both directions.

Run by `cargo xtask test interop` with the program `peer` (e2e/examples/peer.rs) as the argument: a line of JSON
asks, a line answers. Each function is one fact; the last line counts them.
"""

import json
import os
import random
import subprocess
import sys
import traceback

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor

import cbor
from letters import DIRECT, GROUP, Client, Person, Server, file_context, hashes, told
from protocol import Device, Group, Session, b64, open_direct, seal_direct, unb64

ROOM, AUDIENCE = "!room:a.test", bytes(range(32))


class Rust:
    """A device of the Rust library, in a process of its own."""

    def __init__(self, program, other):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = {key: b64(v) if isinstance(v, bytes) else v for key, v in other.identity().items()}
        answer = self("meet", **told)
        self.identity = {
            key: unb64(value) if key.endswith("25519") else value for key, value in answer.items()
        }

    def __call__(self, do, **arguments):
        arguments = {k: b64(v) if isinstance(v, bytes) else v for k, v in arguments.items()}
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def bytes(self, do, answer, **arguments):
        answered = self(do, **arguments)
        assert answer in answered, answered
        return unb64(answered[answer])

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


def meet(program):
    device = Device("@python:p.test", "SNAKE")
    rust = Rust(program, device)
    return device, rust, Session(device, rust.identity)


def converse(rust, session, turns, draw):
    """Both write by chance, some messages arrive late; each is read once and says what was written."""
    late, longest = [], {True: 0, False: 0}
    for turn in range(turns):
        text = f"message {turn}".encode()
        if draw.random() < 0.5:
            late.append((True, text, session.write(text)))
        else:
            late.append((False, text, rust.bytes("write", "envelope", plaintext=text)))
        to_rust, _, envelope = late[-1]
        longest[to_rust] = max(longest[to_rust], len(envelope))
        while late and draw.random() < 0.6:
            to_rust, text, envelope = late.pop(draw.randrange(len(late)))
            read = rust.bytes("read", "plaintext", envelope=envelope) if to_rust else session.read(envelope)
            assert read == text, (read, text)
    # An encapsulation key or a ciphertext went along: both sides took part in a re-key.
    assert min(longest.values()) > 1088, longest


def python_begins_and_both_talk_through_re_keys(program):
    _, rust, session = meet(program)
    for fallback in (False, True):
        published = rust("publish", fallback=fallback)
        session = Session(session.own, rust.identity)
        session.begin(published["name"], published["object"])
        first = session.write(b"hello")
        assert rust.bytes("read", "plaintext", envelope=first) == b"hello"
        assert session.read(rust.bytes("write", "envelope", plaintext=b"welcome")) == b"welcome"
        converse(rust, session, 400, random.Random(1))
        rust("forget")
    rust.close()


def rust_begins_and_both_talk_through_re_keys(program):
    device, rust, session = meet(program)
    name, published = device.publish()
    rust("begin", name=name, object=published)
    assert session.read(rust.bytes("write", "envelope", plaintext=b"hello")) == b"hello"
    second = rust.bytes("write", "envelope", plaintext=b"not answered yet")
    assert session.read(second) == b"not answered yet"
    assert rust.bytes("read", "plaintext", envelope=session.write(b"welcome")) == b"welcome"
    converse(rust, session, 400, random.Random(2))
    rust.close()


def groups_are_read_both_ways(program):
    device, rust, _ = meet(program)
    mine = Group.begin(device, ROOM)
    rust("learn", distribution=mine.distribution())
    theirs = Group.learn(rust.bytes("distribution", "distribution", room_id=ROOM))
    for length in (0, 1, 123, 124, 125, 1020, 1021, 5000, 24 * 1024):
        content = os.urandom(length)
        message, message_id = mine.seal(AUDIENCE, content)
        answer = rust("open_group", audience=AUDIENCE, message=message)
        assert (unb64(answer["content"]), unb64(answer["id"])) == (content, message_id)
        answer = rust("seal_group", audience=AUDIENCE, content=content)
        assert theirs.open(AUDIENCE, unb64(answer["message"])) == (content, unb64(answer["id"]))
    message, _ = mine.seal(AUDIENCE, b"for others")
    assert "error" in rust("open_group", audience=bytes(32), message=message)
    rust.close()


def direct_messages_are_read_both_ways(program):
    device, rust, _ = meet(program)
    room = {"room_id": ROOM, "audience": AUDIENCE}
    mine = {**room, "sender": device.user_id, "device_id": device.device_id}
    theirs = {
        **room,
        "sender": rust.identity["user_id"],
        "device_id": rust.identity["device_id"],
    }
    message, wrap = seal_direct(mine, b"for two")
    assert rust.bytes("open_direct", "content", **room, message=message, wrap=wrap) == b"for two"
    answer = rust("seal_direct", **room, content=b"for two again")
    assert open_direct(theirs, unb64(answer["message"]), unb64(answer["wrap"])) == b"for two again"
    _, other = seal_direct(mine, b"other words")
    assert "error" in rust("open_direct", **room, message=message, wrap=other)
    rust.close()


class Whole:
    """A whole machine of the Rust library in a room with one other person, a server in Python between them."""

    def __init__(self, program, algorithm):
        person = Person("@python:p.test", "SNAKE")
        self.rust, self.server = Rust(program, person.device), Server()
        self.server.add(person)
        self.name, self.count = ("@crab:r.test", "SHELL"), 0
        self("create", user_id=self.name[0], device_id=self.name[1])
        self("bootstrap")
        self.flush()
        member = {"type": "m.room.member", "content": {"membership": "join"}, "origin_server_ts": 1}
        users = (self.name[0], person.device.user_id)
        state = [{**member, "state_key": user} for user in users]
        state.append({"type": "m.room.encryption", "state_key": "", "content": {"algorithm": algorithm}})
        if algorithm == GROUP:
            # Somebody without a device: left out, but no chat of two any more.
            state.append({**member, "state_key": "@third:t.test"})
        assert self("push_state", room_id=ROOM, events=state)["is_encrypted"]
        self.flush()
        self.other = Client(self.server, person, self.name, ROOM)

    def __call__(self, operation, **arguments):
        answer = self.rust("machine", operation=operation, **arguments)
        assert "result" in answer or operation == "create", answer
        return answer.get("result")

    def flush(self):
        """Sends what the machine wants to be sent; answers what its letters ask for."""
        asked = []
        while requests := self("requests"):
            for request in requests:
                self("mark_sent", id=request["id"], answer=self.server.answer(*self.name, request))
        for user_id, device_id, content in self.server.letters:
            assert (user_id, device_id) == self.other.name
            asked.append(self.other.take(content))
        self.server.letters.clear()
        return [one for one in asked if one]

    def push(self, *letters):
        synced = self("push_sync", sync={"to_device": {"events": letters}})
        assert synced["unread"] == 0, synced
        return synced

    def put(self, sender, content):
        self.count += 1
        return {
            "type": "m.room.encrypted",
            "event_id": f"$event{self.count}",
            "room_id": ROOM,
            "sender": sender,
            "origin_server_ts": 2_000_000_000_000,
            "content": content,
        }

    def rust_says(self, kind, content):
        """What the Python side reads of it: the last event, its message id."""
        while not self("prepare", room_id=ROOM):
            self.flush()
        sealed = self("encrypt", room_id=ROOM, type=kind, content=content)
        assert sealed["not_reached"] == []
        self.flush()
        for event in sealed["events"]:
            said, message_id = self.other.open(self.name[0], event["content"])
            assert message_id == unb64(event["message_id"])
            put = self.put(self.name[0], event["content"])
            assert self("decrypt", room_id=ROOM, event=put)["status"] == "read"
        assert said["type"] == kind and said["content"] == content, said
        return put["event_id"], message_id, said, len(sealed["events"])

    def rust_reads(self, content):
        event = self.put(self.other.name[0], content)
        return event["event_id"], self("decrypt", room_id=ROOM, event=event)

    def both_talk(self, seal):
        """Each tells the list of readers, says something, and reacts to what the other said."""
        event_id, message_id, _, count = self.rust_says("m.room.message", {"body": "from rust"})
        assert count == 2, "the list of readers goes first"
        listed, _ = seal("org.sealpost.audience", told(self.other.readers))
        assert self.rust_reads(listed)[1]["status"] == "read"
        related = {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": "x"}}
        content, own_id = seal("m.reaction", related, message_id)
        own_event, outcome = self.rust_reads(content)
        assert (outcome["status"], outcome["type"], outcome["content"]) == ("read", "m.reaction", related), outcome
        assert outcome["relation"] == {"state": "checked"} and outcome["message_id"] == b64(own_id)
        assert outcome["audience_is_known"] and outcome["warnings"] == [] and outcome["sender"]["is_proven"]
        # A relation that means another message than the event holds is not applied.
        content, _ = seal("m.reaction", related, own_id)
        assert self.rust_reads(content)[1]["relation"] == {"state": "wrong"}
        related["m.relates_to"]["event_id"] = own_event
        _, _, said, count = self.rust_says("m.reaction", related)
        assert (unb64(said["relates_to"]), count) == (own_id, 1)
        # For other readers than it says, or in another's name, it is not read.
        content, _ = seal("m.room.message", {"body": "for others"})
        assert self.rust_reads({**content, "audience": b64(bytes(32))})[1]["status"] != "read"
        # Whoever stands in a list and is vouched for by nobody is warned of.
        readers = list(self.other.readers)
        self.other.readers.append(("@ghost:g.test", bytes(32), "GHOST", bytes(32), readers[0][4]))
        for kind, said in (("org.sealpost.audience", told(self.other.readers)), ("m.room.message", {"body": "x"})):
            outcome = self.rust_reads(seal(kind, said)[0])[1]
        assert [one["user_id"] for one in outcome["warnings"]] == ["@ghost:g.test"], outcome
        self.other.readers = readers


def letters_and_audiences_of_two_are_read_both_ways(program):
    # Who writes first begins the session.
    for python_begins in (False, True):
        whole = Whole(program, DIRECT)
        if python_begins:
            whole.push(whole.other.letter(b"\x00"))
            content, _ = whole.other.seal_direct("m.room.message", {"body": "first"})
            outcome = whole.rust_reads(content)[1]
            assert outcome["content"] == {"body": "first"} and not outcome["audience_is_known"]
        whole.both_talk(whole.other.seal_direct)
        # What was said to be for others is asked for, too: it could not be opened.
        assert len(whole.flush()) == 1
        # Without a wrap in the event it is asked for, and comes in a letter.
        content, message_id = whole.other.seal_direct("m.room.message", {"body": "late"})
        wrap = whole.other.last_wrap
        content = {**content, "wraps": {}}
        event = whole.put(whole.other.name[0], content)
        assert whole("decrypt", room_id=ROOM, event=event)["status"] == "missing_key"
        assert whole.flush() == [cbor.encode([ROOM, [1, [message_id]]])]
        assert whole.push(whole.other.letter(b"\x01" + wrap))["rooms_with_keys"] == [ROOM]
        assert whole("decrypt", room_id=ROOM, event=event)["content"] == {"body": "late"}
        whole.rust.close()


def audiences_of_groups_are_read_both_ways(program):
    whole = Whole(program, GROUP)
    other = whole.other
    other.chain = Group.begin(other.person.device, ROOM)
    distribution = b"\x02" + other.chain.distribution()
    # Before the chain comes, it is asked for.
    content, _ = other.seal_group("m.room.message", {"body": "before the key"})
    event = whole.put(other.name[0], content)
    assert whole("decrypt", room_id=ROOM, event=event)["status"] == "missing_key"
    assert whole.flush() == [cbor.encode([ROOM, [0, [other.chain.id, 0]]])]
    assert whole.push(other.letter(distribution))["rooms_with_keys"] == [ROOM]
    assert whole("decrypt", room_id=ROOM, event=event)["content"] == {"body": "before the key"}
    whole.both_talk(other.seal_group)
    # The machine answers such a question from the iteration that it gave.
    (theirs,) = other.groups.values()
    held, iteration = theirs.id, theirs.iteration
    other.groups.clear()
    whole.push(other.letter(b"\x04" + cbor.encode([ROOM, [0, [held, iteration]]])))
    whole.flush()
    (again,) = other.groups.values()
    assert (again.id, again.iteration, again.key) == (held, theirs.iteration, theirs.key)
    whole.rust.close()


def files_are_read_both_ways(program):
    _, rust, _ = meet(program)
    context = file_context(ROOM, "thumbnail")
    for length in (0, 16 * 1024, (1 << 20) + 77):
        content, key = os.urandom(length), os.urandom(32)
        encryptor = Cobblestone256Encryptor(key, context=context)
        file = encryptor.update(content) + encryptor.finalize()
        segments, named = hashes(file)
        place = {"room_id": ROOM, "role": "thumbnail", "key": key, "hash": named}
        assert rust.bytes("stream_file", "content", **place, blob=segments + file) == content
        assert "error" in rust("stream_file", **{**place, "role": "file"}, blob=segments + file)
        answer = rust("seal_file", context=context, content=content)
        assert hashes(unb64(answer["file"])) == (unb64(answer["list"]), unb64(answer["hash"]))
    for length in (0, 1, 16 * 1024, 100_000):
        content, key = os.urandom(length), os.urandom(32)
        encryptor = Cobblestone256Encryptor(key, context=b"room and role")
        file = encryptor.update(content) + encryptor.finalize()
        opened = rust.bytes("open_file", "content", key=key, context=b"room and role", file=file)
        assert opened == content
        answer = rust("seal_file", context=b"room and role", content=content)
        decryptor = Cobblestone256Decryptor(unb64(answer["key"]), context=b"room and role")
        assert decryptor.update(unb64(answer["file"])) + decryptor.finalize() == content
    rust.close()


def main(program):
    facts = [
        python_begins_and_both_talk_through_re_keys,
        rust_begins_and_both_talk_through_re_keys,
        groups_are_read_both_ways,
        direct_messages_are_read_both_ways,
        letters_and_audiences_of_two_are_read_both_ways,
        audiences_of_groups_are_read_both_ways,
        files_are_read_both_ways,
    ]
    failed = 0
    for fact in facts:
        try:
            fact(program)
            print(f"ok - {fact.__name__}")
        except Exception:
            failed += 1
            print(f"not ok - {fact.__name__}")
            traceback.print_exc()
    print(f"{len(facts) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
