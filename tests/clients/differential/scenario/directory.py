"""Aliases, the room directory, spaces, summaries and upgrades."""

from server import q


def look(world):
    alice, bob, carol = world.everybody
    names, room = world.server.names, q(world.garden)
    alias, other = q(f"#garden:{names.server}"), q(f"#paint:{names.server}")
    bob.see("alias", f"v3/directory/room/{alias}")
    bob.see("alias that is not there", f"v3/directory/room/{other}")
    bob.see("new alias", f"v3/directory/room/{other}", "PUT", {"room_id": world.garden})
    bob.see("alias that is there already", f"v3/directory/room/{other}", "PUT", {"room_id": world.garden})
    alice.see("aliases", f"v3/rooms/{room}/aliases")
    carol.see("aliases for who is not there", f"v3/rooms/{q(world.shed)}/aliases")
    alice.see("canonical alias that is none", f"v3/rooms/{room}/state/m.room.canonical_alias", "PUT",
              {"alias": "#none:SERVER"})
    bob.see("delete an alias", f"v3/directory/room/{other}", "DELETE")
    carol.see("delete the alias of another", f"v3/directory/room/{alias}", "DELETE")
    bob.see("visibility in the directory", f"v3/directory/list/room/{room}")
    bob.see("publish without power", f"v3/directory/list/room/{room}", "PUT", {"visibility": "public"})
    alice.must("PUT", f"v3/directory/list/room/{q(world.space)}", {"visibility": "public"})
    bob.see("public rooms", "v3/publicRooms")
    bob.see("public rooms, one", "v3/publicRooms?limit=1")
    search = {"filter": {"generic_search_term": "roof"}}
    bob.see("public rooms with a word", "v3/publicRooms", "POST", search)
    spaces = {"filter": {"room_types": ["m.space"]}}
    bob.see("public spaces", "v3/publicRooms", "POST", spaces)
    bob.see("hierarchy", f"v1/rooms/{q(world.space)}/hierarchy")
    bob.see("hierarchy of what is suggested", f"v1/rooms/{q(world.space)}/hierarchy?suggested_only=true")
    carol.see("hierarchy for a stranger", f"v1/rooms/{q(world.space)}/hierarchy?max_depth=1")
    carol.see("hierarchy of a private room", f"v1/rooms/{q(world.shed)}/hierarchy")
    bob.see("summary", f"v1/room_summary/{room}")
    carol.see("summary by alias", f"v1/room_summary/{alias}")
    carol.see("summary of a private room", f"v1/room_summary/{q(world.twelfth)}")
    bob.see("mutual rooms", f"v1/mutual_rooms?user_id={q(alice.id)}")
    no_guests = {"type": "m.room.guest_access", "content": {"guest_access": "forbidden"}}
    old = alice.room(
        "old", name="Old", topic="To go", preset="public_chat", initial_state=[no_guests]
    )
    bob.must("POST", f"v3/join/{q(old)}", {})
    upgraded = alice.see("upgrade", f"v3/rooms/{q(old)}/upgrade", "POST", {"new_version": "11"})
    new = upgraded.get("replacement_room", "")
    names.give(new, "!new")
    for room, name in ((old, "old"), (new, "new")):
        if room:
            alice.learn(room)
        alice.see(f"state of the {name} room", f"v3/rooms/{q(room)}/state")
    alice.see("upgrade to nothing", f"v3/rooms/{q(old)}/upgrade", "POST", {"new_version": "none"})
    bob.see("upgrade without power", f"v3/rooms/{room}/upgrade", "POST", {"new_version": "11"})
