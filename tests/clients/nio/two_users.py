"""Two users of matrix-nio: register, room, invite, join, messages both ways, history, logout.

Run by `cargo xtask test clients` with the server's address as the argument. Each step is one fact; the
last line counts them.
"""

import asyncio
import struct
import sys
import zlib

from nio import (
    AsyncClient,
    AsyncClientConfig,
    ContentRepositoryConfigResponse,
    DownloadError,
    InviteMemberEvent,
    JoinedMembersResponse,
    JoinError,
    JoinResponse,
    LoginResponse,
    LogoutResponse,
    MemoryDownloadResponse,
    RegisterResponse,
    ResizingMethod,
    RoomCreateResponse,
    RoomInviteResponse,
    RoomMessagesResponse,
    RoomMessageText,
    RoomRedactResponse,
    RoomSendResponse,
    SyncResponse,
    ThumbnailResponse,
    UploadResponse,
    WhoamiError,
    WhoamiResponse,
)

from users import PASSWORD, is_a, run_steps


def png(width, height):
    """A red picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff\0\0" * width) * height
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Conversation:
    def __init__(self, homeserver):
        config = AsyncClientConfig(encryption_enabled=False, max_limit_exceeded=0, max_timeouts=0)
        self.alice = AsyncClient(homeserver, "nio-alice", config=config)
        self.bob = AsyncClient(homeserver, "nio-bob", config=config)
        self.second = AsyncClient(homeserver, "nio-bob", config=config)
        self.room = ""

    async def close(self):
        for client in (self.alice, self.bob, self.second):
            await client.close()

    async def _text(self, client, body):
        """Syncs until the room's timeline brings a message with this body."""
        while True:
            answer = is_a(await client.sync(timeout=10_000), SyncResponse)
            joined = answer.rooms.join.get(self.room)
            for event in joined.timeline.events if joined else []:
                if isinstance(event, RoomMessageText) and event.body == body:
                    return event

    async def _send(self, client, body):
        content = {"msgtype": "m.text", "body": body}
        sent = await client.room_send(self.room, "m.room.message", content)
        return is_a(sent, RoomSendResponse).event_id

    async def both_register(self):
        for client in (self.alice, self.bob):
            answer = is_a(await client.register(client.user, PASSWORD), RegisterResponse)
            assert answer.user_id.startswith(f"@{client.user}:"), answer.user_id
            who = is_a(await client.whoami(), WhoamiResponse)
            assert (who.user_id, who.device_id) == (answer.user_id, answer.device_id)

    async def the_first_sync_of_a_new_account_is_empty(self):
        for client in (self.alice, self.bob):
            answer = is_a(await client.sync(timeout=0), SyncResponse)
            assert not answer.rooms.join and not answer.rooms.invite

    async def alice_makes_a_private_room(self):
        made = await self.alice.room_create(name="Garden house", topic="Roof and gutters")
        self.room = is_a(made, RoomCreateResponse).room_id

    async def nobody_joins_without_an_invitation(self):
        answer = is_a(await self.bob.join(self.room), JoinError)
        assert answer.status_code == "M_FORBIDDEN", answer

    async def bob_sees_the_invitation_with_the_name_of_the_room(self):
        invited = await self.alice.room_invite(self.room, self.bob.user_id)
        is_a(invited, RoomInviteResponse)
        while True:
            answer = is_a(await self.bob.sync(timeout=10_000), SyncResponse)
            if self.room in answer.rooms.invite:
                break
        state = answer.rooms.invite[self.room].invite_state
        own = [event for event in state if isinstance(event, InviteMemberEvent)]
        assert any(
            event.state_key == self.bob.user_id and event.sender == self.alice.user_id
            for event in own
        ), state
        assert self.bob.invited_rooms[self.room].name == "Garden house"

    async def bob_joins_and_both_are_members(self):
        is_a(await self.bob.join(self.room), JoinResponse)
        members = is_a(await self.alice.joined_members(self.room), JoinedMembersResponse)
        assert {member.user_id for member in members.members} == {
            self.alice.user_id,
            self.bob.user_id,
        }

    async def messages_arrive_both_ways(self):
        sent = await self._send(self.alice, "The carpenter was here.")
        got = await self._text(self.bob, "The carpenter was here.")
        assert (got.event_id, got.sender) == (sent, self.alice.user_id)
        sent = await self._send(self.bob, "I'll bring the paint. 🎨")
        got = await self._text(self.alice, "I'll bring the paint. 🎨")
        assert (got.event_id, got.sender) == (sent, self.bob.user_id)

    async def a_waiting_poll_is_woken_by_a_message(self):
        is_a(await self.bob.sync(timeout=0), SyncResponse)
        waiting = asyncio.create_task(self._text(self.bob, "Are you there?"))
        await self._send(self.alice, "Are you there?")
        await waiting

    async def one_transaction_id_makes_one_event(self):
        content = {"msgtype": "m.text", "body": "once"}
        ids = set()
        for _ in range(2):
            sent = await self.alice.room_send(self.room, "m.room.message", content, tx_id="once")
            ids.add(is_a(sent, RoomSendResponse).event_id)
        assert len(ids) == 1, ids

    async def a_redacted_message_has_no_text_left(self):
        event_id = await self._send(self.alice, "wrong room")
        redacted = is_a(await self.alice.room_redact(self.room, event_id), RoomRedactResponse)
        assert redacted.event_id != event_id
        answer = await self.bob.room_get_event(self.room, event_id)
        assert "wrong room" not in str(answer.event.source), answer.event.source

    async def a_second_device_reads_the_history_back_to_the_beginning(self):
        is_a(await self.second.login(PASSWORD, device_name="second"), LoginResponse)
        assert self.second.device_id != self.bob.device_id
        for number in range(25):
            await self._send(self.alice, f"line {number}")
        first = is_a(await self.second.sync(timeout=0, full_state=True), SyncResponse)
        timeline = first.rooms.join[self.room].timeline
        assert timeline.limited
        seen = [event.event_id for event in timeline.events]
        bodies = [e.body for e in timeline.events if isinstance(e, RoomMessageText)]
        assert bodies and bodies[-1] == "line 24", bodies
        token, types = timeline.prev_batch, []
        while token:
            page = await self.second.room_messages(self.room, start=token, limit=10)
            is_a(page, RoomMessagesResponse)
            seen = [event.event_id for event in reversed(page.chunk)] + seen
            types += [event.source["type"] for event in page.chunk]
            token = page.end if page.chunk else None
        assert types[-1] == "m.room.create", types
        assert len(seen) == len(set(seen)), "an event came twice"

    async def a_file_is_uploaded_downloaded_and_made_smaller(self):
        limits = is_a(await self.alice.content_repository_config(), ContentRepositoryConfigResponse)
        picture = png(200, 100)
        assert limits.upload_size > len(picture)
        uploaded, _ = await self.alice.upload(
            lambda *_: picture, content_type="image/png", filename="a red ä.png", filesize=len(picture)
        )
        uri = is_a(uploaded, UploadResponse).content_uri
        for client in (self.bob, self.second):
            got = is_a(await client.download(mxc=uri), MemoryDownloadResponse)
            assert (got.body, got.content_type) == (picture, "image/png")
        server_name, media_id = uri.removeprefix("mxc://").split("/")
        small = await self.bob.thumbnail(server_name, media_id, 32, 32, ResizingMethod.crop)
        is_a(small, ThumbnailResponse)
        assert small.body.startswith(b"\x89PNG") and small.body[16:24] == struct.pack(">II", 32, 32)
        unknown = await self.bob.download(server_name=server_name, media_id="unknown")
        assert is_a(unknown, DownloadError).status_code == "M_NOT_FOUND"

    async def who_has_left_reads_nothing_new(self):
        await self.bob.room_leave(self.room)
        await self._send(self.alice, "after Bob left")
        answer = await self.second.room_messages(self.room, limit=5)
        found = getattr(answer, "chunk", [])
        assert all(getattr(event, "body", "") != "after Bob left" for event in found)

    async def a_token_ends_with_logout_and_other_devices_stay(self):
        token = self.bob.access_token
        is_a(await self.bob.logout(), LogoutResponse)
        self.bob.access_token = token
        answer = is_a(await self.bob.whoami(), WhoamiError)
        assert answer.status_code == "M_UNKNOWN_TOKEN", answer
        is_a(await self.second.whoami(), WhoamiResponse)
        is_a(await self.second.logout(all_devices=True), LogoutResponse)


async def main(homeserver):
    return await run_steps(Conversation(homeserver))


sys.exit(asyncio.run(main(sys.argv[1])))
