"""Invitations, knocks, leaves, kicks, bans, and what who has left still sees."""

from server import q


def come_and_go(world):
    alice, bob, carol = world.everybody
    garden, shed, workshop = world.garden, world.shed, world.knock

    def act(label, user, room, what, **body):
        user.see(label, f"v3/rooms/{q(room)}/{what}", "POST", body)

    act("invitation accepted", bob, shed, "join")
    act("invitation refused", alice, world.attic, "leave", reason="later")
    act("invitation again", bob, world.attic, "invite", user_id=alice.id, reason="please")
    act("invite somebody who is there", alice, garden, "invite", user_id=bob.id)
    carol.see("knock", f"v3/knock/{q(workshop)}", "POST", {"reason": "may I?"})
    bob.see("knock where knocking is not allowed", f"v3/knock/{q(world.twelfth)}", "POST", {})
    act("kick", alice, garden, "kick", user_id=carol.id, reason="paint")
    alice.say(garden, "Carol is out")
    act("come back", carol, garden, "join")
    act("ban without power", bob, garden, "ban", user_id=carol.id)
    act("ban", alice, garden, "ban", user_id=carol.id, reason="really")
    act("join in spite of a ban", carol, garden, "join")
    act("unban", alice, garden, "unban", user_id=carol.id)
    act("unban who is not banned", alice, garden, "unban", user_id=carol.id)
    act("forget a room one is in", bob, garden, "forget")
    for room in (garden, shed, workshop):
        alice.learn(room)
    bob.learn(world.attic)
    alice.say(garden, "After Carol has left")
    room = q(garden)
    carol.see("messages for who has left", f"v3/rooms/{room}/messages?dir=b&limit=5")
    carol.see("state for who has left", f"v3/rooms/{room}/state")
    carol.see("members for who has left", f"v3/rooms/{room}/members")
    carol.see("joined members for who has left", f"v3/rooms/{room}/joined_members")
    bob.see("members who are joined", f"v3/rooms/{room}/members?membership=join")
    bob.see("members who are not joined", f"v3/rooms/{room}/members?not_membership=join")
    bob.see("invite nobody", f"v3/rooms/{room}/invite", "POST", {"user_id": "nobody"})
