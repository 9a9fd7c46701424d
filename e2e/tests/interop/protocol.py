"""The message path of Sealpost's encryption, written from docs/protocol.md alone and not from the Rust code.

It keeps states as it likes and is not meant to be used: it shows that the document is enough.
"""

import base64
import hashlib
import hmac
import json
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import cbor

ZEROS = bytes(32)


# 1. Notation


def labelled(label, *fields):
    return b"".join(struct.pack(">I", len(f)) + f for f in (label.encode(), *fields))


def digest(label, *fields):
    return hashlib.sha256(labelled(label, *fields)).digest()


def hkdf(salt, ikm, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(ikm)


def step(key, which):
    return hmac.digest(key, bytes([which]), "sha256")


def b64(data):
    return base64.b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def agree(private, public):
    return private.exchange(X25519PublicKey.from_public_bytes(public))


def _sealing_keys(label, secret):
    keys = hkdf(ZEROS, secret, labelled(label), 76)
    return AESGCM(keys[:32]), keys[32:44], keys[44:]


def seal(label, secret, aad, plaintext):
    cipher, nonce, commitment = _sealing_keys(label, secret)
    return commitment + cipher.encrypt(nonce, plaintext, aad)


def unseal(label, secret, aad, sealed):
    cipher, nonce, commitment = _sealing_keys(label, secret)
    if not hmac.compare_digest(commitment, sealed[:32]):
        raise ValueError("another key")
    return cipher.decrypt(nonce, sealed[32:], aad)


# 2. Devices and prekeys


class Device:
    def __init__(self, user_id, device_id):
        self.user_id, self.device_id = user_id, device_id
        self.ed25519, self.x25519 = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        self.prekeys = {}

    def identity(self):
        return {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "ed25519": self.ed25519.public_key().public_bytes_raw(),
            "x25519": self.x25519.public_key().public_bytes_raw(),
        }

    def publish(self, fallback=False):
        x25519, kem, key_id = X25519PrivateKey.generate(), MLKEM768PrivateKey.generate(), os.urandom(8)
        signed = {
            "alg": "org.sealpost.pqxdh.v1",
            "key": b64(x25519.public_key().public_bytes_raw()),
            "kem": b64(kem.public_key().public_bytes_raw()),
        }
        if fallback:
            signed["fallback"] = True
        signature = b64(self.ed25519.sign(canonical(signed)))
        self.prekeys[key_id] = (x25519, kem, hashlib.sha256(canonical(signed)).digest())
        name = "org.sealpost.pqxdh.v1:" + base64.urlsafe_b64encode(key_id).decode().rstrip("=")
        signatures = {self.user_id: {f"ed25519:{self.device_id}": signature}}
        return name, {**signed, "signatures": signatures}


def encoded(identity):
    return labelled(
        "org.sealpost.device.v1",
        identity["user_id"].encode(),
        identity["device_id"].encode(),
        identity["ed25519"],
        identity["x25519"],
    )


def canonical(signed):
    return json.dumps(signed, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def claim(identity, name, published):
    signed = {key: value for key, value in published.items() if key not in ("signatures", "unsigned")}
    signature = published["signatures"][identity["user_id"]]["ed25519:" + identity["device_id"]]
    public = Ed25519PublicKey.from_public_bytes(identity["ed25519"])
    public.verify(unb64(signature), canonical(signed))
    prefix, key_id = name.split(":")
    assert prefix == signed["alg"] == "org.sealpost.pqxdh.v1"
    key_id = base64.urlsafe_b64decode(key_id + "=")
    return key_id, unb64(signed["key"]), unb64(signed["kem"]), hashlib.sha256(canonical(signed)).digest()


# 3. Handshake


def _secrets(initiator, recipient, object_hash, generation, ephemeral, ciphertext, dhs, shared):
    ad = digest(
        "org.sealpost.pqxdh.v1 ad",
        encoded(initiator),
        encoded(recipient),
        object_hash,
        struct.pack(">I", generation),
        ephemeral,
        ciphertext,
    )
    ikm = b"\xff" * 32 + b"".join(dhs) + shared
    keys = hkdf(ZEROS, ikm, labelled("org.sealpost.pqxdh.v1 secret", ad), 64)
    return ad, keys[:32], keys[32:]


def initiate(own, recipient, prekey, generation):
    key_id, key, kem, object_hash = prekey
    ephemeral = X25519PrivateKey.generate()
    shared, ciphertext = MLKEM768PublicKey.from_public_bytes(kem).encapsulate()
    dhs = [agree(own.x25519, key), agree(ephemeral, recipient["x25519"]), agree(ephemeral, key)]
    public = ephemeral.public_key().public_bytes_raw()
    secrets = _secrets(
        own.identity(), recipient, object_hash, generation, public, ciphertext, dhs, shared
    )
    return secrets, [key_id, generation, public, ciphertext]


def accept(own, initiator, header):
    key_id, generation, ephemeral, ciphertext = header
    x25519, kem, object_hash = own.prekeys[key_id]
    dhs = [agree(x25519, initiator["x25519"]), agree(own.x25519, ephemeral), agree(x25519, ephemeral)]
    shared = kem.decapsulate(ciphertext)
    return _secrets(
        initiator, own.identity(), object_hash, generation, ephemeral, ciphertext, dhs, shared
    )


# 4. Ratchet


def offer_id(key):
    return digest("org.sealpost.ratchet.v1 offer", key)[:16]


class Ratchet:
    def __init__(self, ad, root, chain, first_key=None):
        self.ad, self.root = ad, root
        self.skipped, self.messages, self.previous = {}, 0, 0
        self.offered, self.pending = None, None
        self.their, self.receiving, self.received = None, None, 0
        self.own, self.sending, self.sent, self.carries = None, None, 0, None
        if first_key is None:
            self.own, self.sending = X25519PrivateKey.generate(), chain
        else:
            self.their, self.receiving = first_key, chain

    def _turn(self, secret):
        keys = hkdf(self.root, secret, labelled("org.sealpost.ratchet.v1 root"), 64)
        self.root = keys[:32]
        return keys[32:]

    def encrypt(self, plaintext):
        if self.sending is None:
            self.own, self.carries = X25519PrivateKey.generate(), None
            secret = agree(self.own, self.their)
            if self.pending:
                shared, ciphertext = MLKEM768PublicKey.from_public_bytes(self.pending).encapsulate()
                self.carries = [1, [offer_id(self.pending), ciphertext]]
                secret, self.pending, self.messages = secret + shared, None, 0
            elif self.messages >= 50:
                self.offered = MLKEM768PrivateKey.generate()
                self.carries = [0, [self.offered.public_key().public_bytes_raw()]]
            self.sending, self.sent = self._turn(secret), 0
        nonce = os.urandom(16)
        header = [self.own.public_key().public_bytes_raw(), self.sent, self.previous, nonce]
        header = cbor.encode(header + ([self.carries] if self.carries else []))
        secret = step(self.sending, 1) + nonce
        sealed = seal("org.sealpost.ratchet.v1 message", secret, self.ad + header, plaintext)
        self.sending, self.sent, self.messages = step(self.sending, 2), self.sent + 1, self.messages + 1
        return cbor.encode([header, sealed])

    def decrypt(self, message):
        header_bytes, sealed = cbor.decode(message)
        header = cbor.decode(header_bytes)
        key, number, previous, nonce, carries = (*header, None)[:5]
        if (key, number) not in self.skipped:
            if key != self.their:
                self._follow(key, previous, carries)
            self._pass_over(number + 1)
        secret = self.skipped.pop((key, number)) + nonce
        self.messages += 1
        return unseal("org.sealpost.ratchet.v1 message", secret, self.ad + header_bytes, sealed)

    def _follow(self, key, previous, carries):
        secret = agree(self.own, key)
        if self.offered:
            kind, (offer, ciphertext) = carries
            assert kind == 1 and offer == offer_id(self.offered.public_key().public_bytes_raw())
            secret, self.offered, self.messages = secret + self.offered.decapsulate(ciphertext), None, 0
        else:
            assert not carries or carries[0] == 0
        if self.their:
            self._pass_over(previous)
        if carries and carries[0] == 0:
            self.pending = carries[1][0]
        self.receiving, self.their, self.received = self._turn(secret), key, 0
        self.sending, self.previous = None, self.sent

    def _pass_over(self, until):
        while self.received < until:
            self.skipped[self.their, self.received] = step(self.receiving, 1)
            self.receiving, self.received = step(self.receiving, 2), self.received + 1


# 5. Envelopes: one session


class Session:
    def __init__(self, own, other):
        self.own, self.other, self.header, self.ratchet = own, other, None, None

    def begin(self, name, published):
        prekey = claim(self.other, name, published)
        (ad, root, chain), self.header = initiate(self.own, self.other, prekey, 1)
        self._start(ad, Ratchet(ad, root, chain))

    def _start(self, ad, ratchet):
        self.id, self.ratchet = digest("org.sealpost.pqxdh.v1 session", ad)[:16], ratchet

    def write(self, plaintext):
        message = self.ratchet.encrypt(plaintext)
        body = [0, [self.header, message]] if self.header else [1, [self.id, message]]
        return b"\x01" + cbor.encode(body)

    def read(self, envelope):
        assert envelope[0] == 1
        kind, (which, message) = cbor.decode(envelope[1:])
        if kind == 0 and self.ratchet is None:
            ad, root, chain = accept(self.own, self.other, which)
            first_key = cbor.decode(cbor.decode(message)[0])[0]
            self._start(ad, Ratchet(ad, root, chain, first_key))
        elif kind == 1:
            assert which == self.id
        plaintext = self.ratchet.decrypt(message)
        self.header = None
        return plaintext


# 6. Messages of rooms


def pad(content):
    length = len(content) + 4
    if length <= 1024:
        padded = max(128, -(-length // 128) * 128)
    else:
        exponent = length.bit_length() - 1
        unit = 1 << (exponent - (exponent.bit_length() - 1) - 1)
        padded = -(-length // unit) * unit
    return (struct.pack(">I", len(content)) + content).ljust(padded, b"\0")


def unpad(padded):
    content = padded[4 : 4 + struct.unpack(">I", padded[:4])[0]]
    assert pad(content) == padded
    return content


def room_aad(room, place=b""):
    fields = (room["room_id"].encode(), room["sender"].encode(), room["device_id"].encode())
    return labelled("org.sealpost.room.v1 aad", *fields, room["audience"], place)


def seal_direct(room, content):
    key, aad = os.urandom(32), room_aad(room)
    sealed = seal("org.sealpost.direct.v1 content", key, aad, pad(content))
    return b"\x01" + sealed, key + digest("org.sealpost.room.v1 message", aad, b"", sealed)


def open_direct(room, message, wrap):
    sealed, aad = message[1:], room_aad(room)
    assert digest("org.sealpost.room.v1 message", aad, b"", sealed) == wrap[32:]
    return unpad(unseal("org.sealpost.direct.v1 content", wrap[:32], aad, sealed))


def chain_id(room_id, owner, signing):
    user_id, device_id, ed25519 = owner
    fields = (room_id.encode(), user_id.encode(), device_id.encode(), ed25519, signing)
    return digest("org.sealpost.sender_key.v1 chain", *fields)[:16]


class Group:
    """A sender key: an own one, or one from a distribution."""

    def __init__(self, room_id, owner, signing, iteration, key, private=None):
        self.room_id, self.owner, self.signing, self.private = room_id, owner, signing, private
        self.iteration, self.key = iteration, key
        self.id = chain_id(room_id, owner, signing)

    @classmethod
    def begin(cls, device, room_id):
        private, identity = Ed25519PrivateKey.generate(), device.identity()
        owner = [identity["user_id"], identity["device_id"], identity["ed25519"]]
        public = private.public_key().public_bytes_raw()
        return cls(room_id, owner, public, 0, os.urandom(32), private)

    @classmethod
    def learn(cls, distribution):
        assert distribution[0] == 1
        room_id, owner, signing, (iteration, key) = cbor.decode(distribution[1:])
        return cls(room_id, owner, signing, iteration, key)

    def distribution(self):
        return b"\x01" + cbor.encode([self.room_id, self.owner, self.signing, [self.iteration, self.key]])

    def _room(self, audience):
        user_id, device_id, _ = self.owner
        return {
            "room_id": self.room_id,
            "sender": user_id,
            "device_id": device_id,
            "audience": audience,
        }

    def seal(self, audience, content):
        nonce = os.urandom(16)
        header = cbor.encode([self.id, self.iteration, nonce])
        aad = room_aad(self._room(audience), self.id + struct.pack(">I", self.iteration))
        secret = step(self.key, 1) + nonce
        sealed = seal("org.sealpost.sender_key.v1 message", secret, aad, pad(content))
        message_id = digest("org.sealpost.room.v1 message", aad, header, sealed)
        signature = self.private.sign(labelled("org.sealpost.sender_key.v1 signature", message_id))
        self.iteration, self.key = self.iteration + 1, step(self.key, 2)
        return b"\x01" + cbor.encode([header, sealed, signature]), message_id

    def open(self, audience, message):
        header_bytes, sealed, signature = cbor.decode(message[1:])
        named, iteration, nonce = cbor.decode(header_bytes)
        assert named == self.id
        aad = room_aad(self._room(audience), self.id + struct.pack(">I", iteration))
        message_id = digest("org.sealpost.room.v1 message", aad, header_bytes, sealed)
        signed = labelled("org.sealpost.sender_key.v1 signature", message_id)
        Ed25519PublicKey.from_public_bytes(self.signing).verify(signature, signed)
        key = self.key
        for _ in range(iteration - self.iteration):
            key = step(key, 2)
        secret = step(key, 1) + nonce
        return unpad(unseal("org.sealpost.sender_key.v1 message", secret, aad, sealed)), message_id
