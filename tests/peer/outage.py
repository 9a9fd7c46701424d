"""Each server away for a while: what is said meanwhile arrives, in order, and both agree afterwards."""

from theme import Theme, same_history, same_state


class Outage(Theme):
    async def a_room_with_people_of_both(self):
        (self.owner,) = await self.world.users(self.home, "host")
        (self.guest,) = await self.world.users(self.away, "caller")
        self.room = await self.owner.make_room(
            "12",
            preset="public_chat",
            name="Cellar",
            power_level_content_override={"events": {"org.example.note": 0}},
        )
        await self.guest.join(self.room, self.home.name)
        await self.owner.sees(self.room, await self.guest.say(self.room, "hello"))

    async def what_is_said_while_the_guests_server_is_stopped_arrives_in_order(self):
        await self._said_while_away(self.owner, self.guest, self.away.stop)

    async def what_is_said_while_the_hosts_server_is_stopped_arrives_in_order(self):
        await self._said_while_away(self.guest, self.owner, self.home.stop)

    async def what_is_said_while_the_guests_server_is_killed_arrives_in_order(self):
        await self._said_while_away(self.owner, self.guest, self.away.die)

    async def both_go_on_where_they_were(self):
        await self.guest.sees(self.room, await self.owner.say(self.room, "still there?"))
        await self.owner.sees(self.room, await self.guest.say(self.room, "still here"))

    async def state_and_history_are_the_same(self):
        await same_state(self.room, self.owner, self.guest)
        await same_history(self.room, self.owner, self.guest)

    async def _said_while_away(self, writer, reader, ends):
        await reader.sync(0)
        server = reader.server
        await ends()
        try:
            said = [
                await writer.say(self.room, f"{writer.id} while nobody listens {number}")
                for number in range(12)
            ]
            note = {"said": len(said)}
            said.append(await writer.set_state(self.room, "org.example.note", note, "last"))
        finally:
            await server.start()
        await reader.sees(self.room, said[-1])
        news = [
            event["event_id"]
            for answer in reader.news
            for event in reader.timeline(answer, self.room)
        ]
        heard = [event_id for event_id in news if event_id in said]
        assert heard == said, f"{heard} instead of {said}"
