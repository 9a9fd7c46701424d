"""Rooms that one does not just walk into: by being in another room, and by knocking."""

from theme import Theme, refused, same_state
from user import path


class Restricted(Theme):
    def __init__(self, world, home, away, version):
        super().__init__(world, home, away)
        self.version = version

    def __str__(self):
        return f"Restricted, version {self.version}, on {self.home.kind}"

    async def a_room_for_the_members_of_another(self):
        (self.owner,) = await self.world.users(self.home, "keeper")
        self.guest, self.stranger = await self.world.users(self.away, "member", "stranger")
        self.space = await self.owner.make_room(self.version, preset="public_chat")
        allow = [{"type": "m.room_membership", "room_id": self.space}]
        rule = {"join_rule": "restricted", "allow": allow}
        self.room = await self.owner.make_room(
            self.version,
            initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}],
        )

    async def who_is_not_in_the_other_is_refused(self):
        await refused(self.stranger.join(self.room, self.home.name), "M_FORBIDDEN")

    async def who_is_in_the_other_joins(self):
        await self.guest.join(self.space, self.home.name)
        await self.guest.join(self.room, self.home.name)
        seen = await self.owner.sees_member(self.room, self.guest, "join")
        authorised = seen["content"]["join_authorised_via_users_server"]
        assert authorised == self.owner.id, seen

    async def both_talk_and_agree(self):
        await self.guest.sees(self.room, await self.owner.say(self.room, "you may come in"))
        await self.owner.sees(self.room, await self.guest.say(self.room, "thank you"))
        await same_state(self.room, self.owner, self.guest)


class Knock(Theme):
    def __init__(self, world, home, away, version):
        super().__init__(world, home, away)
        self.version = version

    def __str__(self):
        return f"Knock, version {self.version}, on {self.home.kind}"

    async def a_room_with_a_door(self):
        (self.owner,) = await self.world.users(self.home, "doorkeeper")
        self.guest, self.salesman = await self.world.users(self.away, "knocker", "salesman")
        rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
        self.room = await self.owner.make_room(self.version, name="Study", initial_state=[rule])

    async def nobody_joins_without_knocking(self):
        await refused(self.guest.join(self.room, self.home.name), "M_FORBIDDEN")

    async def a_knock_is_heard(self):
        for user in (self.guest, self.salesman):
            await self._knock(user, reason="it rains")
            heard = await self.owner.sees_member(self.room, user, "knock")
            assert heard["content"]["reason"] == "it rains", heard

    async def who_knocks_sees_which_room_it_is(self):
        def found(answer):
            knocked = answer.get("rooms", {}).get("knock", {}).get(self.room)
            return knocked and knocked["knock_state"]["events"]

        state = {event["type"]: event for event in await self.guest.until(found)}
        assert state["m.room.name"]["content"]["name"] == "Study", state

    async def who_is_let_in_joins(self):
        await self.owner.membership(self.room, "invite", self.guest)
        await self.guest.sees_invite(self.room)
        await self.guest.join(self.room, self.home.name)
        await self.owner.sees_member(self.room, self.guest, "join")
        await self.owner.sees(self.room, await self.guest.say(self.room, "what weather"))

    async def who_is_sent_away_knows_it(self):
        await self.owner.membership(self.room, "kick", self.salesman)
        await self.salesman.until(lambda answer: self.room in answer.get("rooms", {}).get("leave", {}))

    async def who_changes_their_mind_takes_the_knock_back(self):
        await self._knock(self.salesman)
        await self.owner.sees_member(self.room, self.salesman, "knock")
        await self.salesman.membership(self.room, "leave")
        await same_state(self.room, self.owner, self.guest)

    async def _knock(self, user, **more):
        await user.post(path("knock", self.room), more, via=[self.home.name])
