"""Rooms of several kinds, and who is in them."""

from server import q


def make(world):
    alice, bob, carol = world.everybody
    names = world.server.names
    picture = {"type": "m.room.avatar", "state_key": "", "content": {"url": "mxc://SERVER/garden"}}
    # What the preset says of it in public rooms, Synapse leaves out.
    no_guests = {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}}
    world.garden = garden = alice.room(
        "garden",
        preset="public_chat",
        name="Garden house",
        topic="Roof and gutters",
        room_alias_name="garden",
        visibility="public",
        initial_state=[picture, no_guests],
        power_level_content_override={"events": {"org.example.plan": 0}},
    )
    bob.must("POST", f"v3/join/{q('#garden:' + names.server)}", {})
    carol.must("POST", f"v3/rooms/{q(garden)}/join", {"reason": "to help"})
    world.shed = alice.room("shed", preset="private_chat", name="Shed", invite=[bob.id])
    world.attic = bob.room("attic", preset="trusted_private_chat", is_direct=True, invite=[alice.id])
    world.knock = alice.room(
        "workshop",
        name="Workshop",
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}],
    )
    world.space = alice.room(
        "space",
        name="House",
        preset="public_chat",
        creation_content={"type": "m.space"},
        initial_state=[no_guests],
    )
    for room in (garden, world.shed):
        child = {"via": [names.server], "suggested": room == garden}
        alice.set(world.space, "m.space.child", child, room)
    alice.set(garden, "m.space.parent", {"via": [names.server], "canonical": True}, world.space)
    world.twelfth = alice.room("twelfth", room_version="12", name="Twelfth", preset="private_chat")
    for room in (garden, world.space):
        alice.learn(room)
    for room, name in ((garden, "garden"), (world.attic, "attic"), (world.twelfth, "twelfth")):
        user = bob if room == world.attic else alice
        user.see(f"state of {name}", f"v3/rooms/{q(room)}/state")
        user.see(f"members of {name}", f"v3/rooms/{q(room)}/members")
    bob.see("joined members", f"v3/rooms/{q(garden)}/joined_members")
    bob.see("joined rooms", "v3/joined_rooms")
    bob.see("name", f"v3/rooms/{q(garden)}/state/m.room.name")
    bob.see("name as an event", f"v3/rooms/{q(garden)}/state/m.room.name/?format=event")
    bob.see("state that is not there", f"v3/rooms/{q(garden)}/state/m.room.pinned_events/")
    carol.see("state of a room one is not in", f"v3/rooms/{q(world.shed)}/state")
    carol.see("send to a room one is not in", f"v3/rooms/{q(world.shed)}/send/m.room.message/x", "PUT", {})
    carol.see("join without an invitation", f"v3/rooms/{q(world.shed)}/join", "POST", {})
    bob.see("set the name without power", f"v3/rooms/{q(garden)}/state/m.room.name/", "PUT", {"name": "x"})
    bob.see("alias that is taken", "v3/createRoom", "POST", {"room_alias_name": "garden"})
    bob.see("version that is not there", "v3/createRoom", "POST", {"room_version": "none"})
    bob.see("preset that is not there", "v3/createRoom", "POST", {"preset": "none"})
