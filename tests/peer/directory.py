"""What one server tells the users of the other of its rooms."""

from theme import Theme, becomes


class Directory(Theme):
    async def rooms_are_published(self):
        (self.owner,) = await self.world.users(self.home, "publisher")
        (self.guest,) = await self.world.users(self.away, "seeker")
        self.rooms = [
            await self.owner.make_room(
                "12", preset="public_chat", visibility="public", name=f"Public {number}", topic="roof"
            )
            for number in range(3)
        ]

    async def they_are_listed_across(self):
        def listed(answer):
            return set(self.rooms) <= {room["room_id"] for room in answer["chunk"]}

        answer = await becomes(
            lambda: self.guest.get("publicRooms", server=self.home.name, limit=100), listed
        )
        room = next(room for room in answer["chunk"] if room["room_id"] == self.rooms[0])
        assert (room["name"], room["topic"], room["num_joined_members"]) == ("Public 0", "roof", 1)

    async def they_are_searched_and_paged_across(self):
        wanted = {"limit": 2, "filter": {"generic_search_term": "public"}}
        first = await self.guest.post("publicRooms", wanted, server=self.home.name)
        assert len(first["chunk"]) == 2 and first["next_batch"], first
        wanted["since"] = first["next_batch"]
        second = await self.guest.post("publicRooms", wanted, server=self.home.name)
        ids = [room["room_id"] for room in first["chunk"] + second["chunk"]]
        assert set(ids) >= set(self.rooms) and len(ids) == len(set(ids)), ids
