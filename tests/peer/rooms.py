"""A room of one server that people of the other are in, in one room version: from its making to its end."""

from theme import Theme, becomes, refused, same_history, same_state
from user import path


class Room(Theme):
    def __init__(self, world, home, away, version):
        super().__init__(world, home, away)
        self.version = version

    def __str__(self):
        return f"Room, version {self.version}, on {self.home.kind}"

    async def people_on_both_servers(self):
        self.owner, self.helper = await self.world.users(self.home, "owner", "helper")
        self.guest, self.friend = await self.world.users(self.away, "guest", "friend")

    async def it_is_made(self):
        local = f"room-{self.version}-{self.home.port}"
        self.room = await self.owner.make_room(
            self.version,
            preset="public_chat",
            room_alias_name=local,
            name="Garden house",
            power_level_content_override={"invite": 0},
        )
        self.alias = f"#{local}:{self.home.name}"
        assert (await self.owner.state(self.room, "m.room.create"))["room_version"] == self.version
        await self.owner.say(self.room, "before anybody came")

    async def the_other_server_finds_and_joins_it_by_alias(self):
        found = await self.guest.get(path("directory", "room", self.alias))
        assert found["room_id"] == self.room and self.home.name in found["servers"], found
        assert await self.guest.join(self.alias) == self.room
        await self.owner.sees_member(self.room, self.guest, "join")
        await self.guest.sees_member(self.room, self.guest, "join")

    async def messages_arrive_both_ways(self):
        for writer, reader in ((self.owner, self.guest), (self.guest, self.owner)):
            for number in range(3):
                text = f"{writer.id} says {number} 🎨"
                sent = await writer.say(self.room, text)
                got = await reader.sees(self.room, sent)
                assert (got["content"]["body"], got["sender"]) == (text, writer.id), got

    async def somebody_is_invited_across_and_sees_what_room_it_is(self):
        await self.owner.membership(self.room, "invite", self.friend, reason="come in")
        invited = await self.friend.sees_invite(self.room)
        state = {(event["type"], event["state_key"]): event for event in invited}
        own = state["m.room.member", self.friend.id]
        assert (own["sender"], own["content"]["membership"]) == (self.owner.id, "invite"), own
        assert state["m.room.name", ""]["content"]["name"] == "Garden house", state
        assert state["m.room.join_rules", ""]["content"]["join_rule"] == "public", state
        assert ("m.room.create", "") in state, state

    async def who_is_invited_joins(self):
        await self.friend.join(self.room)
        for other in (self.owner, self.guest):
            await other.sees_member(self.room, self.friend, "join")

    async def a_guest_invites_back(self):
        await self.guest.membership(self.room, "invite", self.helper)
        await self.helper.sees_invite(self.room)
        await self.helper.join(self.room)
        await self.guest.sees_member(self.room, self.helper, "join")

    async def an_edit_is_bundled_with_the_message_on_both(self):
        for writer, reader in ((self.owner, self.guest), (self.guest, self.owner)):
            first = await writer.say(self.room, "teh roof")
            edit = {
                "m.new_content": {"msgtype": "m.text", "body": "the roof"},
                "m.relates_to": {"rel_type": "m.replace", "event_id": first},
            }
            got = await reader.sees(self.room, await writer.say(self.room, "* the roof", **edit))
            assert got["content"] == {"msgtype": "m.text", "body": "* the roof", **edit}, got
            got = await reader.get(path("rooms", self.room, "event", first))
            bundled = got["unsigned"]["m.relations"]["m.replace"]
            assert bundled["content"]["m.new_content"]["body"] == "the roof", got

    async def a_redacted_message_has_no_text_left(self):
        for writer, reader in ((self.owner, self.guest), (self.guest, self.owner)):
            sent = await writer.say(self.room, "wrong room")
            await reader.sees(self.room, sent)
            await reader.sees(self.room, await writer.redact(self.room, sent, reason="oops"))
            got = await reader.get(path("rooms", self.room, "event", sent))
            assert got["content"] == {}, got
            assert got["unsigned"]["redacted_because"]["content"]["reason"] == "oops", got

    async def nobody_changes_the_topic_without_power(self):
        await refused(self.guest.set_state(self.room, "m.room.topic", {"topic": "x"}), "M_FORBIDDEN")

    async def power_given_across_is_used_across(self):
        levels = await self.owner.state(self.room, "m.room.power_levels")
        levels["users"][self.guest.id] = 50
        given = await self.owner.set_state(self.room, "m.room.power_levels", levels)
        await self.guest.sees(self.room, given)
        topic = await self.guest.set_state(self.room, "m.room.topic", {"topic": "Gutters"})
        await self.owner.sees(self.room, topic)
        assert (await self.owner.state(self.room, "m.room.topic"))["topic"] == "Gutters"
        name = await self.owner.set_state(self.room, "m.room.name", {"name": "Shed"})
        await self.guest.sees(self.room, name)
        assert (await self.guest.state(self.room, "m.room.name"))["name"] == "Shed"

    async def state_of_unknown_kinds_and_keys_is_kept(self):
        for writer, reader in ((self.owner, self.guest), (self.guest, self.owner)):
            key, content = f"a key/with ä {writer.server.port}", {"deep": {"list": [1, None, "ü"]}}
            sent = await writer.set_state(self.room, "org.example.kind", content, key)
            await reader.sees(self.room, sent)
            assert await reader.state(self.room, "org.example.kind", key) == content

    async def who_is_kicked_is_out_on_both_and_may_come_back(self):
        await self.owner.membership(self.room, "kick", self.friend, reason="mud")
        for other in (self.owner, self.guest):
            await other.sees_member(self.room, self.friend, "leave")

        def left(answer):
            return self.room in answer.get("rooms", {}).get("leave", {})

        await self.friend.until(left)
        await refused(self.friend.say(self.room, "still here?"), "M_FORBIDDEN")
        await self.friend.join(self.room, self.home.name)
        sent = await self.friend.say(self.room, "back again")
        await self.owner.sees(self.room, sent)

    async def who_is_banned_cannot_come_back_until_the_ban_is_lifted(self):
        await self.guest.membership(self.room, "ban", self.helper, reason="mud")
        await self.owner.sees_member(self.room, self.helper, "ban")
        await refused(self.helper.join(self.room, self.away.name), "M_FORBIDDEN", "M_BAD_STATE")
        await self.owner.membership(self.room, "ban", self.friend)
        await self.guest.sees_member(self.room, self.friend, "ban")
        await refused(self.friend.join(self.room, self.home.name), "M_FORBIDDEN", "M_BAD_STATE")
        for moderator, user in ((self.owner, self.friend), (self.guest, self.helper)):
            await moderator.membership(self.room, "unban", user)
            for other in (self.owner, self.guest):
                await other.sees(
                    self.room,
                    lambda event: event["type"] == "m.room.member"
                    and event["state_key"] == user.id
                    and event.get("unsigned", {}).get("prev_content", {}).get("membership") == "ban",
                )
            await user.join(self.room, self.home.name)
            await moderator.sees(self.room, await user.say(self.room, "thank you"))

    async def an_invitation_is_declined(self):
        (shy,) = await self.world.users(self.away, "shy")
        await self.owner.membership(self.room, "invite", shy)
        await shy.sees_invite(self.room)
        await shy.membership(self.room, "leave")
        for other in (self.owner, self.guest):
            await other.sees_member(self.room, shy, "leave")

    async def an_invitation_is_withdrawn(self):
        (late,) = await self.world.users(self.away, "late")
        await self.owner.membership(self.room, "invite", late)
        await late.sees_invite(self.room)
        await self.owner.membership(self.room, "kick", late)
        await late.until(lambda answer: self.room in answer.get("rooms", {}).get("leave", {}))

    async def history_is_the_same_back_to_the_beginning(self):
        past = await same_history(self.room, self.owner, self.guest)
        assert any(e["content"].get("body") == "before anybody came" for e in past)

    async def everybody_leaves_the_other_server_and_one_comes_back(self):
        for user in (self.guest, self.friend):
            await user.membership(self.room, "leave")
            await self.owner.sees_member(self.room, user, "leave")
        missed = await self.owner.say(self.room, "nobody there hears this")
        await self.guest.join(self.alias)
        sent = await self.owner.say(self.room, "welcome back")
        await self.guest.sees(self.room, sent)
        past = await becomes(
            lambda: self.guest.history(self.room),
            lambda past: missed in [event["event_id"] for event in past],
            lambda past: f"without the event, {len(past)} events",
        )
        ids, bodies = ([e["event_id"] for e in past], [e["content"].get("body") for e in past])
        order = [ids.index(sent), ids.index(missed), bodies.index("before anybody came")]
        assert order == sorted(order) and past[-1]["type"] == "m.room.create", order

    async def state_is_the_same_event_for_event(self):
        state = await same_state(self.room, self.owner, self.guest, self.helper)
        assert state["m.room.member", self.friend.id]["content"]["membership"] == "leave"

    async def members_are_the_same(self):
        answers = [
            await user.get(f"{path('rooms', self.room)}/joined_members")
            for user in (self.owner, self.guest)
        ]
        for answer in answers:
            assert set(answer["joined"]) == {self.owner.id, self.helper.id, self.guest.id}, answer
