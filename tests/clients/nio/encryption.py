"""matrix-nio's own encryption through our endpoints: Olm and Megolm between two users, verification by emoji, a
second device that asks for keys, an encrypted file.

Run by `cargo xtask test clients` with the server's address as the argument.
"""

import asyncio
import io
import logging
import sys
import tempfile

from nio import (
    AsyncClient,
    AsyncClientConfig,
    EncryptionError,
    JoinResponse,
    KeyVerificationKey,
    KeyVerificationMac,
    KeyVerificationStart,
    LoginResponse,
    MegolmEvent,
    MemoryDownloadResponse,
    RegisterResponse,
    RoomCreateResponse,
    RoomEncryptedImage,
    RoomMessageText,
    RoomSendResponse,
    SyncResponse,
    UploadResponse,
)
from nio.crypto import decrypt_attachment

from users import PASSWORD, is_a, run_steps

# It warns of each message that it cannot read yet.
logging.disable(logging.ERROR)

ENCRYPTION = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


class Story:
    def __init__(self, homeserver):
        self._folders = [tempfile.TemporaryDirectory() for _ in range(3)]
        config = AsyncClientConfig(encryption_enabled=True, max_limit_exceeded=0, max_timeouts=0)
        names = ("nio-e2e-alice", "nio-e2e-bob", "nio-e2e-alice")
        self.alice, self.bob, self.second = (
            AsyncClient(homeserver, name, store_path=folder.name, config=config)
            for name, folder in zip(names, self._folders)
        )
        self.room = ""

    async def close(self):
        for client in (self.alice, self.bob, self.second):
            await client.close()
        for folder in self._folders:
            folder.cleanup()

    async def _sync(self, *clients):
        """One sync of each, with what the client has to do after it."""
        for client in clients:
            is_a(await client.sync(timeout=100), SyncResponse)
            if client.should_upload_keys:
                await client.keys_upload()
            if client.should_query_keys:
                await client.keys_query()
            if client.should_claim_keys:
                await client.keys_claim(client.get_users_for_key_claiming())
            await client.send_to_device_messages()

    async def _event(self, client, fits):
        """Syncs until the room brings an event that fits."""
        while True:
            answer = is_a(await client.sync(timeout=10_000), SyncResponse)
            joined = answer.rooms.join.get(self.room)
            for event in joined.timeline.events if joined else []:
                if fits(event):
                    return event

    async def _say(self, client, body):
        content = {"msgtype": "m.text", "body": body}
        sent = await client.room_send(
            self.room, "m.room.message", content, ignore_unverified_devices=True
        )
        return is_a(sent, RoomSendResponse).event_id

    async def both_register_and_upload_their_keys(self):
        for client in (self.alice, self.bob):
            is_a(await client.register(client.user, PASSWORD), RegisterResponse)
            await self._sync(client)
            assert not client.should_upload_keys

    async def each_learns_of_the_other_device(self):
        made = await self.alice.room_create(invite=[self.bob.user_id], initial_state=[ENCRYPTION])
        self.room = is_a(made, RoomCreateResponse).room_id
        await self._sync(self.alice, self.bob)
        is_a(await self.bob.join(self.room), JoinResponse)
        while not (
            self.bob.user_id in self.alice.device_store.users
            and self.alice.user_id in self.bob.device_store.users
        ):
            await self._sync(self.alice, self.bob)
        assert self.alice.rooms[self.room].encrypted and self.bob.rooms[self.room].encrypted

    async def messages_are_read_by_the_other_and_not_by_the_server(self):
        for sender, reader in ((self.alice, self.bob), (self.bob, self.alice)):
            body = f"a secret of {sender.user}"
            sent = await self._say(sender, body)
            got = await self._event(reader, lambda event: getattr(event, "body", "") == body)
            assert is_a(got, RoomMessageText).decrypted and got.event_id == sent
            path = f"/_matrix/client/v3/rooms/{self.room}/event/{sent}"
            headers = {"Authorization": f"Bearer {reader.access_token}"}
            raw = await reader.send("GET", path, headers=headers)
            text = await raw.text()
            assert "m.room.encrypted" in text and body not in text, text

    async def the_two_verify_each_other_by_emoji(self):
        device = self.alice.device_store[self.bob.user_id][self.bob.device_id]
        done = []

        def answers(client):
            async def on_to_device(event):
                transaction = event.transaction_id
                if isinstance(event, KeyVerificationStart):
                    await client.accept_key_verification(transaction)
                elif isinstance(event, KeyVerificationKey):
                    await client.send_to_device_messages()
                    await client.confirm_short_auth_string(transaction)
                elif isinstance(event, KeyVerificationMac):
                    done.append(client.key_verifications[transaction].get_emoji())

            client.add_to_device_callback(
                on_to_device, (KeyVerificationStart, KeyVerificationKey, KeyVerificationMac)
            )

        answers(self.alice)
        answers(self.bob)
        await self.alice.start_key_verification(device)
        while len(done) < 2:
            await self._sync(self.bob, self.alice)
        assert done[0] == done[1], done
        for client, other in ((self.alice, self.bob), (self.bob, self.alice)):
            assert client.device_store[other.user_id][other.device_id].verified

    async def a_new_device_is_noticed_and_cannot_read_the_past(self):
        is_a(await self.second.login(PASSWORD, device_name="second"), LoginResponse)
        await self._sync(self.second)
        for client in (self.alice, self.bob):
            while self.second.device_id not in client.device_store[self.alice.user_id]:
                await self._sync(client)
        page = await self.second.room_messages(self.room, limit=20)
        assert any(isinstance(event, MegolmEvent) for event in page.chunk), page
        sent = await self._say(self.bob, "all three can read this")
        got = await self._event(self.second, lambda event: event.event_id == sent)
        assert is_a(got, RoomMessageText).body == "all three can read this"

    async def a_device_that_is_asked_shares_the_keys_of_the_past(self):
        page = await self.second.room_messages(self.room, limit=30)
        locked = next(event for event in page.chunk if isinstance(event, MegolmEvent))
        while self.alice.device_id not in self.second.device_store[self.alice.user_id]:
            await self._sync(self.second)
        for one, other in ((self.alice, self.second), (self.second, self.alice)):
            one.verify_device(one.device_store[self.alice.user_id][other.device_id])
        await self.second.request_room_key(locked)
        while True:
            await self._sync(self.alice, self.second)
            try:
                assert self.second.decrypt_event(locked).body.startswith("a secret of")
                break
            except EncryptionError:
                continue

    async def an_encrypted_file_is_opened_by_the_other(self):
        content = b"\x89PNG no picture at all" * 1000
        uploaded, keys = await self.alice.upload(
            lambda *_: io.BytesIO(content),
            content_type="image/png",
            filename="secret.png",
            encrypt=True,
            filesize=len(content),
        )
        file = {"url": is_a(uploaded, UploadResponse).content_uri, **keys}
        message = {"msgtype": "m.image", "body": "secret.png", "info": {}, "file": file}
        await self.alice.room_send(
            self.room, "m.room.message", message, ignore_unverified_devices=True
        )
        event = await self._event(self.bob, lambda event: isinstance(event, RoomEncryptedImage))
        got = is_a(await self.bob.download(mxc=event.url), MemoryDownloadResponse)
        assert got.body != content
        opened = decrypt_attachment(
            got.body, event.key["k"], event.hashes["sha256"], event.iv
        )
        assert opened == content


async def main(homeserver):
    return await run_steps(Story(homeserver))


sys.exit(asyncio.run(main(sys.argv[1])))
