"""What passes: typing, receipts, presence; and profiles, which stay."""

from theme import Theme, becomes
from user import path


class Signs(Theme):
    def __str__(self):
        return f"Signs of life, room on {self.home.kind}"

    async def a_room_with_people_of_both(self):
        (self.owner,) = await self.world.users(self.home, "writer")
        (self.guest,) = await self.world.users(self.away, "reader")
        self.room = await self.owner.make_room("12", preset="public_chat")
        await self.guest.join(self.room, self.home.name)
        self.message = await self.guest.say(self.room, "hello")
        await self.owner.sees(self.room, self.message)
        self.both = ((self.owner, self.guest), (self.guest, self.owner))

    async def typing_is_seen_across_and_ends(self):
        for user, other in self.both:
            # Synapse loses who begins to type while it makes the answer to a first sync.
            await other.sync(0)
            where = path("rooms", self.room, "typing", user.id)

            def tells(typing, user=user):
                def looks(answer):
                    joined = answer.get("rooms", {}).get("join", {}).get(self.room, {})
                    return any(
                        event["type"] == "m.typing"
                        and (user.id in event["content"]["user_ids"]) == typing
                        for event in joined.get("ephemeral", {}).get("events", [])
                    )

                return looks

            await user.put(where, {"typing": True, "timeout": 20000})
            await other.until(tells(True))
            await user.put(where, {"typing": False})
            await other.until(tells(False))

    async def receipts_are_seen_across(self):
        for user, other in self.both:
            sent = await other.say(self.room, f"read this, {user.id}")
            await user.sees(self.room, sent)
            await user.post(path("rooms", self.room, "receipt", "m.read", sent), {})
            await other.sees_ephemeral(
                self.room,
                "m.receipt",
                lambda content: user.id in content.get(sent, {}).get("m.read", {}),
            )

    async def presence_is_seen_across(self):
        for user, other in self.both:
            status = {"presence": "unavailable", "status_msg": f"{user.id} is at lunch"}
            await user.put(path("presence", user.id, "status"), status)

            def found(answer):
                return any(
                    event["sender"] == user.id
                    and event["content"].get("status_msg") == status["status_msg"]
                    for event in answer.get("presence", {}).get("events", [])
                )

            await other.until(found)

    async def a_profile_is_asked_for_across(self):
        for user, other in self.both:
            name = f"{user.id} ä"
            await user.put(path("profile", user.id, "displayname"), {"displayname": name})
            answer = await becomes(
                lambda: other.get(path("profile", user.id)),
                lambda answer: answer.get("displayname") == name,
            )
            assert answer["displayname"] == name, answer

    async def a_new_name_is_seen_in_the_room_of_the_other(self):
        for user, other in self.both:
            await other.sees(
                self.room,
                lambda event: event["type"] == "m.room.member"
                and event["state_key"] == user.id
                and event["content"].get("displayname") == f"{user.id} ä",
            )
