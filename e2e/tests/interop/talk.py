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


def files_are_read_both_ways(program):
    _, rust, _ = meet(program)
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
