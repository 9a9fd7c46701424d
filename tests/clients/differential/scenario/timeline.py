"""Messages and what refers to them: edits, reactions, threads, replies, redactions."""

from server import q


def relation(kind, event, **more):
    return {"m.relates_to": {"rel_type": kind, "event_id": event, **more}}


def talk(world):
    alice, bob, carol = world.everybody
    room, events = world.garden, world.events
    events["hello"] = alice.say(room, "Hello")
    events["edited"] = bob.say(room, "The roof leeks")
    new = {"m.new_content": {"msgtype": "m.text", "body": "The roof leaks"}}
    events["edit"] = bob.say(room, "* The roof leaks", **new, **relation("m.replace", events["edited"]))
    for user, key in ((alice, "👍"), (carol, "👍"), (carol, "🎨")):
        reaction = relation("m.annotation", events["edited"], key=key)
        events[user.name + key] = user.send(room, "m.reaction", reaction, f"{user.name} {key}")
    events["root"] = alice.say(room, "Which paint?")
    events["in thread"] = bob.say(room, "Green", **relation("m.thread", events["root"]))
    events["last in thread"] = carol.say(room, "Blue", **relation("m.thread", events["root"]))
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": events["hello"]}}}
    events["reply"] = carol.say(room, "Hello Alice", **reply)
    events["refers"] = carol.say(room, "See there", **relation("m.reference", events["hello"]))
    events["wrong"] = bob.say(room, "wrong room")
    bob.redact(room, events["wrong"], "wrong room", "redaction")
    alice.redact(room, events["carol🎨"], "no", "redaction of the reaction")
    events["mention"] = alice.say(room, "Bob, look", **{"m.mentions": {"user_ids": [bob.id]}})
    alice.set(room, "m.room.topic", {"topic": "Paint"}, name="second topic")
    alice.set(room, "m.room.topic", {"topic": "Paint"}, name="second topic again")
    bob.set(room, "org.example.plan", {"step": 1}, name="plan")
    alice.say(world.shed, "Only for Bob")
    bob.say(world.attic, "Only for Alice")
    alice.say(world.twelfth, "In version 12")


def look(world):
    alice, bob, carol = world.everybody
    room, events = q(world.garden), {name: q(event) for name, event in world.events.items()}
    for name in ("hello", "edited", "root", "wrong", "carol🎨", "edit"):
        carol.see(f"event: {name}", f"v3/rooms/{room}/event/{events[name]}")
    carol.see("event that is not there", f"v3/rooms/{room}/event/%24none")
    page = bob.see("messages backwards", f"v3/rooms/{room}/messages?dir=b&limit=8")
    more = f"v3/rooms/{room}/messages?dir=b&limit=8&from={q(page.get('end', ''))}"
    bob.see("messages further backwards", more)
    bob.see("all messages backwards", f"v3/rooms/{room}/messages?dir=b&limit=100")
    bob.see("all messages forwards", f"v3/rooms/{room}/messages?dir=f&limit=100")
    for name, filtered in FILTERS.items():
        path = f"v3/rooms/{room}/messages?dir=b&limit=5&filter={q(filtered)}"
        bob.see(f"messages with a filter: {name}", path)
    alice.see("messages without a direction", f"v3/rooms/{room}/messages")
    alice.see("messages with a wrong token", f"v3/rooms/{room}/messages?dir=b&from=none")
    alice.see("context", f"v3/rooms/{room}/context/{events['root']}?limit=6")
    lazy = q({"lazy_load_members": True})
    alice.see("context with lazy members", f"v3/rooms/{room}/context/{events['root']}?limit=0&filter={lazy}")
    alice.see("context of nothing", f"v3/rooms/{room}/context/%24none")
    paths = {"": "", "/m.annotation": " annotations", "/m.annotation/m.reaction": " reactions"}
    for path, name in {**paths, "/m.replace": " edits"}.items():
        alice.see(f"relations:{name}", f"v1/rooms/{room}/relations/{events['edited']}{path}")
    alice.see("relations of a thread", f"v1/rooms/{room}/relations/{events['root']}/m.thread?dir=f")
    alice.see("relations, one by one", f"v1/rooms/{room}/relations/{events['root']}?limit=1")
    alice.see("relations, with theirs", f"v1/rooms/{room}/relations/{events['root']}?recurse=true")
    alice.see("relations of nothing", f"v1/rooms/{room}/relations/%24none")
    alice.see("threads", f"v1/rooms/{room}/threads")
    alice.see("threads one takes part in", f"v1/rooms/{room}/threads?include=participated")
    alice.see("event at the beginning", f"v1/rooms/{room}/timestamp_to_event?ts=0&dir=f")
    alice.see("event at no time", f"v1/rooms/{room}/timestamp_to_event?ts=0&dir=b")
    alice.see("latest event", f"v1/rooms/{room}/timestamp_to_event?ts=9999999999999&dir=b")
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": world.events["edited"], "key": "👍"}}
    carol.see("the same reaction twice", f"v3/rooms/{room}/send/m.reaction/again", "PUT", reaction)
    bob.see("initial sync of a room", f"v3/rooms/{room}/initialSync?limit=3")


FILTERS = {
    "type": {"types": ["m.room.message"]},
    "types with a star": {"types": ["m.room.*"], "not_types": ["m.room.message"]},
    "sender": {"senders": ["@nobody:example.org"]},
    "lazy members": {"lazy_load_members": True},
    "without a URL": {"contains_url": False},
}
