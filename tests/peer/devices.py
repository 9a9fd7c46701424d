"""Devices and their keys across, and what is sent to them; the keys are made up, nobody here looks into them."""

from theme import Theme, becomes
from user import path

ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


def unpadded(text):
    return (text * 43)[:43]


def device_keys(user):
    device = user.device
    return {
        "user_id": user.id,
        "device_id": device,
        "algorithms": ALGORITHMS,
        "keys": {f"curve25519:{device}": unpadded("c"), f"ed25519:{device}": unpadded("e")},
        "signatures": {user.id: {f"ed25519:{device}": unpadded("s") * 2}},
    }


class Devices(Theme):
    async def a_room_with_people_of_both(self):
        (self.owner,) = await self.world.users(self.home, "alpha")
        (self.guest,) = await self.world.users(self.away, "omega")
        self.room = await self.owner.make_room("12", preset="public_chat")
        await self.guest.join(self.room, self.home.name)
        await self.owner.sees_member(self.room, self.guest, "join")
        self.both = ((self.owner, self.guest), (self.guest, self.owner))

    async def keys_are_uploaded_and_the_change_is_told_across(self):
        for user, other in self.both:
            await other.sync(0)
            one_time = {
                f"signed_curve25519:{number}": {
                    "key": unpadded(number),
                    "signatures": {user.id: {f"ed25519:{user.device}": unpadded("t") * 2}},
                }
                for number in ("A", "B")
            }
            body = {"device_keys": device_keys(user), "one_time_keys": one_time}
            counts = (await user.post("keys/upload", body))["one_time_key_counts"]
            assert counts["signed_curve25519"] == 2, counts
            await other.until(
                lambda answer: user.id in answer.get("device_lists", {}).get("changed", [])
            )

    async def keys_are_asked_for_across(self):
        for user, other in self.both:

            async def ask():
                return await other.post("keys/query", {"device_keys": {user.id: []}})

            def has_keys(answer):
                return user.device in answer["device_keys"].get(user.id, {})

            answer = await becomes(ask, has_keys)
            found = answer["device_keys"][user.id][user.device]
            expected = device_keys(user)
            assert {key: found[key] for key in expected} == expected, found

    async def each_key_is_given_once_across(self):
        for user, other in self.both:
            wanted = {"one_time_keys": {user.id: {user.device: "signed_curve25519"}}}
            seen = []
            for _ in range(2):
                answer = await other.post("keys/claim", wanted)
                seen += list(answer["one_time_keys"][user.id][user.device])
            assert sorted(seen) == ["signed_curve25519:A", "signed_curve25519:B"], seen
            answer = await other.post("keys/claim", wanted)
            assert not answer["one_time_keys"].get(user.id, {}).get(user.device), answer

    async def a_message_to_a_device_arrives_once(self):
        for user, other in self.both:
            for number in range(3):
                where = path("sendToDevice", "org.example.knock", f"{user.id} {number}")
                content = {"number": number, "from": user.id}
                await user.put(where, {"messages": {other.id: {other.device: content}}})
            await other.until(
                lambda answer: any(
                    event["content"].get("number") == 2
                    for event in answer.get("to_device", {}).get("events", [])
                )
            )
            got = [
                (event["sender"], event["content"]["number"])
                for answer in other.news
                for event in answer.get("to_device", {}).get("events", [])
                if event["type"] == "org.example.knock"
            ]
            assert got == [(user.id, number) for number in range(3)], got

    async def a_device_that_is_gone_is_told_across(self):
        for user, other in self.both:
            await other.sync(0)
            count = len(other.news)
            await user.post("logout", {})

            def told(answer):
                changed = user.id in answer.get("device_lists", {}).get("changed", [])
                return changed and other.news.index(answer) >= count

            await other.until(told)
            if other is self.owner:
                return
            self.owner = await self._again(self.owner)
            self.both = ((self.owner, self.guest), (self.guest, self.owner))

    async def _again(self, user):
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user.id},
            "password": "correct horse",
        }
        answer = await user.post("login", body)
        user.token, user.device, user.since, user.news = (
            answer["access_token"], answer["device_id"], None, []
        )
        return user
