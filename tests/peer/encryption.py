"""matrix-nio on both servers, with its own encryption: the servers carry keys and secrets and read none of them."""

import logging
import tempfile

from nio import (
    AsyncClient,
    AsyncClientConfig,
    RoomMessageText,
    RoomSendResponse,
    SyncResponse,
)

from theme import Theme
from user import path

# It warns of each message that it cannot read yet.
logging.getLogger("nio").setLevel(logging.ERROR)

ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


def answered(answer, kind):
    assert isinstance(answer, kind), answer
    return answer


class Encryption(Theme):
    def __init__(self, *place):
        super().__init__(*place)
        self._clients, self._folders = [], []

    async def _end(self):
        for client in self._clients:
            await client.close()
        for folder in self._folders:
            folder.cleanup()

    def _client(self, user):
        folder = tempfile.TemporaryDirectory()
        config = AsyncClientConfig(encryption_enabled=True, max_limit_exceeded=0, max_timeouts=0)
        client = AsyncClient(user.server.url, user.id, store_path=folder.name, config=config)
        client.restore_login(user.id, user.device, user.token)
        self._clients.append(client)
        self._folders.append(folder)
        return client

    async def _sync(self, *clients):
        """One sync of each, with what the client has to do after it."""
        for client in clients:
            answered(await client.sync(timeout=100), SyncResponse)
            if client.should_upload_keys:
                await client.keys_upload()
            if client.should_query_keys:
                await client.keys_query()
            if client.should_claim_keys:
                await client.keys_claim(client.get_users_for_key_claiming())
            await client.send_to_device_messages()

    async def _reads(self, client, room, body):
        while True:
            answer = answered(await client.sync(timeout=5000), SyncResponse)
            joined = answer.rooms.join.get(room)
            for event in joined.timeline.events if joined else []:
                if isinstance(event, RoomMessageText) and event.body == body:
                    return event

    async def _talk(self, speakers):
        for (speaker, sender), (listener, reader) in speakers:
            body = f"a secret of {speaker.id}"
            answer = await sender.room_send(
                self.room,
                "m.room.message",
                {"msgtype": "m.text", "body": body},
                ignore_unverified_devices=True,
            )
            sent = answered(answer, RoomSendResponse).event_id
            got = await self._reads(reader, self.room, body)
            assert got.decrypted and got.event_id == sent, got
            raw = await listener.get(path("rooms", self.room, "event", sent))
            assert raw["type"] == "m.room.encrypted" and body not in str(raw), raw

    async def each_learns_of_the_device_on_the_other_server(self):
        (self.owner,) = await self.world.users(self.home, "cipher")
        (self.guest,) = await self.world.users(self.away, "secret")
        self.ours, self.theirs = self._client(self.owner), self._client(self.guest)
        await self._sync(self.ours, self.theirs)
        self.room = await self.owner.make_room(
            "12", preset="private_chat", initial_state=[ENCRYPTION], invite=[self.guest.id]
        )
        await self.guest.sees_invite(self.room)
        await self.guest.join(self.room, self.home.name)
        await self.owner.sees_member(self.room, self.guest, "join")
        while not (
            self.guest.device in self.ours.device_store[self.guest.id]
            and self.owner.device in self.theirs.device_store[self.owner.id]
        ):
            await self._sync(self.ours, self.theirs)
        assert self.ours.rooms[self.room].encrypted and self.theirs.rooms[self.room].encrypted

    async def what_each_says_is_read_by_the_other_and_by_no_server(self):
        ours, theirs = (self.owner, self.ours), (self.guest, self.theirs)
        await self._talk([(ours, theirs), (theirs, ours), (ours, theirs)])

    async def both_go_on_after_each_server_was_restarted(self):
        ours, theirs = (self.owner, self.ours), (self.guest, self.theirs)
        for server in (self.home, self.away):
            await server.stop()
            await server.start()
            await self._talk([(ours, theirs), (theirs, ours)])
