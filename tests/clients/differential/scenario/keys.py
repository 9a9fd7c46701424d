"""Device keys, cross-signing, key backup, to-device: opaque to the server, but signed."""

from server import PASSWORD, q
from signedjson.key import generate_signing_key, get_verify_key
from signedjson.sign import sign_json
from unpaddedbase64 import encode_base64


class Pair:
    """A signing key; its id is its public part, as cross-signing wants it, or a device's name."""

    def __init__(self, names, name, device=None):
        self.signing = generate_signing_key("x")
        self.public = encode_base64(get_verify_key(self.signing).encode())
        self.signing.version = device or self.public
        self.id = f"ed25519:{self.signing.version}"
        names.give(self.public, f"key {name}")

    def sign(self, user, value):
        signed = sign_json(dict(value), user, self.signing)
        return signed


def device_keys(world, user):
    names = world.server.names
    pair = Pair(names, user.name, user.device)
    keys = {f"ed25519:{user.device}": pair.public, f"curve25519:{user.device}": pair.public}
    algorithms = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]
    unsigned = {"user_id": user.id, "device_id": user.device, "algorithms": algorithms, "keys": keys}
    return pair, pair.sign(user.id, unsigned)


def name_signatures(names, signed):
    for user, signatures in signed["signatures"].items():
        for key, signature in signatures.items():
            names.give(signature, f"signature {names.replaced(user)} {names.replaced(key)}")


def exchange(world):
    alice, bob, carol = world.everybody
    names = world.server.names
    alice.see("encryption", f"v3/rooms/{q(world.shed)}/state/m.room.encryption", "PUT",
              {"algorithm": "m.megolm.v1.aes-sha2"})
    alice.learn(world.shed)
    for user in (alice, bob):
        pair, keys = device_keys(world, user)
        name_signatures(names, keys)
        one_time = {}
        for number in range(3):
            value = {"key": f"{user.name}{number:039}"}
            one_time[f"signed_curve25519:AAAA{number}"] = pair.sign(user.id, value)
        fallback = {"signed_curve25519:FALL": pair.sign(user.id, {"key": "f" * 43, "fallback": True})}
        for signed in (*one_time.values(), *fallback.values()):
            for signature in signed["signatures"][user.id].values():
                names.give(signature, "one-time signature")
        body = {"device_keys": keys, "one_time_keys": one_time, "fallback_keys": fallback}
        user.see(f"keys of {user.name}", "v3/keys/upload", "POST", body)
        user.pair = pair
        user.keys = keys
    other = {"one_time_keys": {"signed_curve25519:AAAA0": {"key": "different" * 4}}}
    alice.see("another key of the same id", "v3/keys/upload", "POST", other)
    alice.see("keys of a device that is not this", "v3/keys/upload", "POST", {"device_keys": bob.keys})
    cross_sign(world)
    query = {"device_keys": {alice.id: [], bob.id: [bob.device], carol.id: []}}
    bob.see("ask for keys", "v3/keys/query", "POST", query)
    alice.see("ask for one's own keys", "v3/keys/query", "POST", {"device_keys": {alice.id: []}})
    claim = {"one_time_keys": {bob.id: {bob.device: "signed_curve25519", "NONE": "signed_curve25519"}}}
    for number in range(4):
        alice.see(f"claim a key, {number}", "v3/keys/claim", "POST", claim)
    bob.see("keys that changed", f"v3/keys/changes?from={q(bob.since['other'])}&to={q(bob.since['plain'])}")
    to_device(world)
    backup(world)


def cross_sign(world):
    alice = world.alice
    names = world.server.names
    master, own, others = (Pair(names, name) for name in ("master", "self", "users"))
    parts = {"master": (master, master), "self_signing": (own, master), "user_signing": (others, master)}
    body = {}
    for name, (pair, signer) in parts.items():
        key = {"user_id": alice.id, "usage": [name], "keys": {pair.id: pair.public}}
        body[f"{name}_key"] = key if name == "master" else signer.sign(alice.id, key)
        if name != "master":
            name_signatures(names, body[f"{name}_key"])
    alice.see("cross-signing keys without a master key", "v3/keys/device_signing/upload", "POST",
              {"self_signing_key": body["self_signing_key"]})
    alice.see("cross-signing keys", "v3/keys/device_signing/upload", "POST", body)
    alice.see("the same cross-signing keys", "v3/keys/device_signing/upload", "POST", body)
    bare = {key: value for key, value in alice.keys.items() if key != "signatures"}
    signed = own.sign(alice.id, bare)
    name_signatures(names, signed)
    wrong = others.sign(alice.id, bare)
    upload = {alice.id: {alice.device: signed, "NONE": signed}}
    alice.see("signatures", "v3/keys/signatures/upload", "POST", upload)
    wrong = {alice.id: {alice.device: wrong}}
    answer = alice.see("signature of the wrong key", "v3/keys/signatures/upload", "POST", wrong)
    del answer


def to_device(world):
    alice, bob, _ = world.everybody

    def send(label, transaction, user, device, number):
        body = {"messages": {user.id: {device: {"number": number}}}}
        alice.see(label, f"v3/sendToDevice/org.example.number/{transaction}", "PUT", body)

    send("to one device", "t1", bob, bob.device, 1)
    send("to all devices", "t2", bob, "*", 2)
    send("the same transaction", "t2", bob, "*", 2)
    send("to a device that is not there", "t3", bob, "NONE", 3)
    alice.see("to-device without messages", "v3/sendToDevice/org.example.number/t4", "PUT", {})


def backup(world):
    alice = world.alice
    version = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "k"}}
    alice.see("no backup", "v3/room_keys/version")
    made = alice.see("new backup", "v3/room_keys/version", "POST", version)
    number = made.get("version", "1")
    session = {"first_message_index": 1, "forwarded_count": 0, "is_verified": False, "session_data": {"x": 1}}
    path = f"v3/room_keys/keys/{q(world.shed)}"
    alice.see("back up a session", f"{path}/session1?version={number}", "PUT", session)
    better = {**session, "is_verified": True, "forwarded_count": 3}
    alice.see("a better one", f"{path}/session1?version={number}", "PUT", better)
    worse = {**session, "first_message_index": 2, "forwarded_count": 5}
    alice.see("a worse one", f"{path}/session1?version={number}", "PUT", worse)
    alice.see("many", f"v3/room_keys/keys?version={number}", "PUT",
              {"rooms": {world.shed: {"sessions": {"session2": session, "session3": session}}}})
    alice.see("to a wrong version", f"{path}/session1?version=99", "PUT", session)
    alice.see("one session", f"{path}/session1?version={number}")
    alice.see("one session that is not there", f"{path}/none?version={number}")
    alice.see("sessions of a room", f"{path}?version={number}")
    alice.see("all sessions", f"v3/room_keys/keys?version={number}")
    alice.see("the backup", "v3/room_keys/version")
    alice.see("delete one session", f"{path}/session2?version={number}", "DELETE")
    alice.see("change the algorithm", f"v3/room_keys/version/{number}", "PUT",
              {**version, "algorithm": "other", "version": number})
    alice.see("change the backup", f"v3/room_keys/version/{number}", "PUT", {**version, "version": number})
    alice.see("delete the backup", f"v3/room_keys/version/{number}", "DELETE")
    alice.see("the backup that is gone", "v3/room_keys/version")
