"""Letters, events and lists of readers (docs/protocol.md, sections 5, 6 and 8), and a server between two devices.

What stands in `protocol.py` seals and opens bytes; here is the JSON around it, as it goes through a homeserver.
"""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol import (
    Device,
    Group,
    Session,
    b64,
    canonical,
    digest,
    labelled,
    open_direct,
    room_aad,
    seal_direct,
    unb64,
)

DIRECT, GROUP = "org.sealpost.ratchet.v1", "org.sealpost.sender_key.v1"


# 8. Identities


def unsigned(signed):
    return {key: value for key, value in signed.items() if key not in ("signatures", "unsigned")}


def sign(signed, user_id, name, private):
    signature = b64(private.sign(canonical(unsigned(signed))))
    signed.setdefault("signatures", {}).setdefault(user_id, {})["ed25519:" + name] = signature


def check(signed, user_id, name, public):
    signature = unb64(signed["signatures"][user_id]["ed25519:" + name])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(unsigned(signed)))


def cross_signing_key(user_id, usage, private):
    public = b64(private.public_key().public_bytes_raw())
    return {"user_id": user_id, "usage": [usage], "keys": {"ed25519:" + public: public}}


def only_key(signed):
    ((_, public),) = signed["keys"].items()
    return unb64(public)


class Person:
    """A device with its user's identity, which vouches for it."""

    def __init__(self, user_id, device_id):
        self.device = Device(user_id, device_id)
        master, self_signing = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        name = b64(master.public_key().public_bytes_raw())
        self.master = cross_signing_key(user_id, "master", master)
        self.self_signing = cross_signing_key(user_id, "self_signing", self_signing)
        sign(self.self_signing, user_id, name, master)
        identity = self.device.identity()
        self.keys = {
            "user_id": user_id,
            "device_id": device_id,
            "algorithms": [DIRECT, GROUP],
            "keys": {
                f"curve25519:{device_id}": b64(identity["x25519"]),
                f"ed25519:{device_id}": b64(identity["ed25519"]),
            },
        }
        sign(self.keys, user_id, device_id, self.device.ed25519)
        sign(self.keys, user_id, b64(self_signing.public_key().public_bytes_raw()), self_signing)


def reader(server, user_id, device_id):
    """A device as the audience has it, if its identity vouches for it."""
    keys = server.devices[user_id][device_id]
    master, self_signing = (server.identities[user_id][name] for name in ("master_key", "self_signing_key"))
    master_key, signer = only_key(master), only_key(self_signing)
    check(self_signing, user_id, b64(master_key), master_key)
    ed25519 = unb64(keys["keys"][f"ed25519:{device_id}"])
    check(keys, user_id, device_id, ed25519)
    check(keys, user_id, b64(signer), signer)
    assert keys["algorithms"] == [DIRECT, GROUP]
    return (user_id, master_key, device_id, ed25519, unb64(keys["keys"][f"curve25519:{device_id}"]))


# 6. Audience


def audience(readers):
    encoded = [
        labelled("org.sealpost.reader.v1", user.encode(), master, device.encode(), ed25519, x25519)
        for user, master, device, ed25519, x25519 in sorted(readers, key=lambda one: (one[0].encode(), one[2].encode()))
    ]
    return digest("org.sealpost.audience.v1", *encoded)


def told(readers):
    rows = [[part if isinstance(part, str) else b64(part) for part in one] for one in readers]
    return {"audience": b64(audience(readers)), "part": 0, "parts": 1, "readers": rows}


def list_of(content):
    rows = [(row[0], unb64(row[1]), row[2], unb64(row[3]), unb64(row[4])) for row in content["readers"]]
    assert (content["part"], content["parts"]) == (0, 1)
    assert audience(rows) == unb64(content["audience"]), "the list is another"
    return rows


# 5. Letters, and 6. events


class Client:
    """A person's device that writes to one other device, in a room."""

    def __init__(self, server, person, other, room_id):
        self.server, self.person, self.room_id = server, person, room_id
        self.readers = [reader(server, *one) for one in (other, self.name)]
        user_id, _, device_id, ed25519, x25519 = self.readers[0]
        self.other = other
        identity = {"user_id": user_id, "device_id": device_id, "ed25519": ed25519, "x25519": x25519}
        self.session = Session(person.device, identity)
        self.groups, self.wraps, self.chain, self.last_wrap = {}, {}, None, None

    @property
    def name(self):
        return self.person.device.user_id, self.person.device.device_id

    def seal_inside(self, plaintext):
        if self.session.ratchet is None:
            self.session.begin(*self.server.claim(*self.other))
        return b64(self.session.write(plaintext))

    def letter(self, plaintext):
        content = {"algorithm": DIRECT, "device_id": self.name[1], "ciphertext": self.seal_inside(plaintext)}
        return {"type": "m.room.encrypted", "sender": self.name[0], "content": content}

    def take(self, content):
        """Reads a letter of the other device's; answers what is asked for, if that is what it says."""
        assert (content["algorithm"], content["device_id"]) == (DIRECT, self.other[1])
        return self.take_inside(self.session.read(unb64(content["ciphertext"])))

    def take_inside(self, plaintext):
        kind, rest = plaintext[0], plaintext[1:]
        if kind == 0:
            assert rest == b""
        elif kind == 1:
            self.wraps[rest[32:]] = rest
        elif kind == 2:
            group = Group.learn(rest)
            _, _, device_id, ed25519, _ = self.readers[0]
            assert group.owner == [self.other[0], device_id, ed25519], "of the device that the session is with"
            assert group.room_id == self.room_id
            self.groups[group.id] = group
        elif kind == 4:
            return rest
        else:
            raise ValueError(f"a type that is not due: {kind}")
        return None

    def inside(self, kind, content, relates_to):
        said = {"type": kind, "content": content}
        return json.dumps({**said, "relates_to": b64(relates_to)} if relates_to else said).encode()

    def event(self, algorithm, message, wraps=None):
        content = {
            "algorithm": algorithm,
            "device_id": self.name[1],
            "audience": b64(audience(self.readers)),
            "ciphertext": b64(message),
        }
        return {**content, "wraps": wraps} if wraps else content

    def place(self, content, sender):
        return {
            "room_id": self.room_id,
            "sender": sender,
            "device_id": content["device_id"],
            "audience": unb64(content["audience"]),
        }

    def seal_direct(self, kind, content, relates_to=None):
        place = {"room_id": self.room_id, "sender": self.name[0], "device_id": self.name[1]}
        place["audience"] = audience(self.readers)
        message, wrap = seal_direct(place, self.inside(kind, content, relates_to))
        self.last_wrap, (user_id, device_id) = wrap, self.other
        wraps = {user_id: {device_id: self.seal_inside(b"\x01" + wrap)}}
        return self.event(DIRECT, message, wraps), wrap[32:]

    def seal_group(self, kind, content, relates_to=None):
        message, message_id = self.chain.seal(audience(self.readers), self.inside(kind, content, relates_to))
        return self.event(GROUP, message), message_id

    def open(self, sender, content):
        """What an event of the other's says, and its message's id."""
        assert sender == self.other[0] and content["device_id"] == self.other[1]
        place, message = self.place(content, sender), unb64(content["ciphertext"])
        if content["algorithm"] == DIRECT:
            envelope = content["wraps"][self.name[0]][self.name[1]]
            self.take_inside(self.session.read(unb64(envelope)))
            message_id = digest("org.sealpost.room.v1 message", room_aad(place), b"", message[1:])
            said = open_direct(place, message, self.wraps[message_id])
        else:
            (group,) = self.groups.values()
            said, message_id = group.open(place["audience"], message)
        said = json.loads(said)
        if said["type"] == "org.sealpost.audience":
            assert sorted(list_of(said["content"])) == sorted(self.readers)
        assert place["audience"] == audience(self.readers)
        return said, message_id


class Server:
    """What a homeserver answers, and what it keeps for a device that does not ask by itself."""

    def __init__(self):
        self.devices, self.identities, self.prekeys, self.letters = {}, {}, {}, []

    def add(self, person):
        user_id, device_id = person.device.user_id, person.device.device_id
        self.devices[user_id] = {device_id: person.keys}
        self.identities[user_id] = {"master_key": person.master, "self_signing_key": person.self_signing}
        self.prekeys[user_id, device_id] = dict([person.device.publish(), person.device.publish()])

    def claim(self, user_id, device_id):
        left = self.prekeys[user_id, device_id]
        name = next(iter(left))
        return name, left.pop(name)

    def answer(self, user_id, device_id, request):
        return getattr(self, request["kind"])(user_id, device_id, request["body"])

    def keys_upload(self, user_id, device_id, body):
        if "device_keys" in body:
            self.devices.setdefault(user_id, {})[device_id] = body["device_keys"]
        self.prekeys.setdefault((user_id, device_id), {}).update(body.get("one_time_keys", {}))
        for name, published in body.get("one_time_keys", {}).items():
            algorithm, key_id = name.split(":")
            assert algorithm == published["alg"] and len(base64.urlsafe_b64decode(key_id + "=")) == 8
        return {"one_time_key_counts": {"org.sealpost.pqxdh.v1": len(self.prekeys[user_id, device_id])}}

    def signing_keys_upload(self, user_id, _device_id, body):
        self.identities[user_id] = body
        return {}

    def signatures_upload(self, _user_id, _device_id, body):
        for user_id, objects in body.items():
            for name, signed in objects.items():
                for by, signatures in signed["signatures"].items():
                    known = self.devices[user_id][name].setdefault("signatures", {})
                    known.setdefault(by, {}).update(signatures)
        return {}

    def keys_query(self, _user_id, _device_id, body):
        answer = {"device_keys": {}, "master_keys": {}, "self_signing_keys": {}, "user_signing_keys": {}}
        for user_id in body["device_keys"]:
            answer["device_keys"][user_id] = self.devices.get(user_id, {})
            for kind, key in self.identities.get(user_id, {}).items():
                answer[kind + "s"][user_id] = key
        return answer

    def keys_claim(self, _user_id, _device_id, body):
        claimed = {}
        for user_id, devices in body["one_time_keys"].items():
            for device_id, algorithm in devices.items():
                assert algorithm == "org.sealpost.pqxdh.v1"
                name, published = self.claim(user_id, device_id)
                claimed.setdefault(user_id, {})[device_id] = {name: published}
        return {"one_time_keys": claimed}

    def to_device(self, _user_id, _device_id, body):
        for user_id, devices in body["messages"].items():
            for device_id, content in devices.items():
                self.letters.append((user_id, device_id, content))
        return {}


# 7. Files


def file_context(room_id, role):
    return labelled("org.sealpost.file.v2", room_id.encode(), role.encode())


def hashes(ciphertext):
    """The list of segments' hashes, and the hash that the event names."""
    size = 1 << 20
    parts = [ciphertext[at : at + size] for at in range(0, len(ciphertext), size)]
    segments = b"".join(hashlib.sha256(part).digest() for part in parts)
    return segments, hashlib.sha256(segments).digest()
