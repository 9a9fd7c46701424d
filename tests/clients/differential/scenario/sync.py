"""Both kinds of sync at each checkpoint, and their options."""

from server import q

SLIDING = "unstable/org.matrix.simplified_msc3575/sync"
LISTS = {
    "lists": {
        "all": {
            "ranges": [[0, 20]],
            "timeline_limit": 4,
            "required_state": [
                ["m.room.create", ""],
                ["m.room.name", ""],
                ["m.room.member", "$LAZY"],
                ["m.space.child", "*"],
            ],
        }
    },
    "extensions": {
        "to_device": {"enabled": True},
        "e2ee": {"enabled": True},
        "account_data": {"enabled": True},
        "receipts": {"enabled": True},
        "typing": {"enabled": True},
    },
}


def sliding(user, label, name, body):
    """One request of the connection of this name, going on from its last answer."""
    since = user.since.get(f"sliding {name}")
    query = f"?timeout=0&pos={q(since)}" if since else "?timeout=0"
    answer = user.see(label, SLIDING + query, "POST", {"conn_id": name, **body})
    user.since[f"sliding {name}"] = answer.get("pos")


def first(world):
    for user in (world.alice, world.bob):
        user.sync(f"first sync of {user.name}", since="plain")
        user.sync(f"nothing new for {user.name}", since="plain")
        sliding(user, f"first sliding sync of {user.name}", "all", LISTS)
    # In this order: a first sync has Sealpost forget which members the device was told of.
    world.carol.sync("first sync of carol", since="plain")
    world.carol.sync("first sync of carol with lazy members", since="lazy", filter=LAZY)


LAZY = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 4}}}


def after(world, what):
    for user in (world.alice, world.bob):
        user.sync(f"sync of {user.name} after {what}", since="plain")
        sliding(user, f"sliding sync of {user.name} after {what}", "all", LISTS)
    world.carol.sync(f"lazy sync of carol after {what}", since="lazy", filter=LAZY)


def gaps(world):
    """More has happened than fits, with changes of state in what is left out."""
    alice, bob, carol = world.everybody
    alice.set(world.garden, "m.room.name", {"name": "Greenhouse"}, name="second name")
    for line in range(12):
        alice.say(world.garden, f"line {line}")
    few = {"room": {"timeline": {"limit": 3}}}
    bob.since["other"] = bob.since["plain"]
    bob.sync("sync with a gap", since="plain", filter=few)
    bob.sync("sync with a gap and all state", since="other", filter=few, full_state="true")
    sliding(bob, "sliding sync with a gap", "all", LISTS)
    carol.must("POST", f"v3/join/{q(world.garden)}", {})
    alice.learn(world.garden)
    carol.sync("lazy sync of carol who is back", since="lazy", filter=LAZY)


SHAPES = {
    "one room": {"room": {"rooms": ["GARDEN"]}},
    "not one room": {"room": {"not_rooms": ["GARDEN"]}},
    "some types": {"room": {"timeline": {"types": ["m.room.message"], "limit": 5}}},
    "no state": {"room": {"state": {"types": []}, "timeline": {"limit": 1}}},
    "no messages of alice": {"room": {"timeline": {"not_senders": ["ALICE"], "limit": 4}}},
    "no presence, no account data": {"presence": {"types": []}, "account_data": {"types": []}},
    "no ephemeral": {"room": {"ephemeral": {"types": []}, "account_data": {"types": []}}},
    "what was left": {"room": {"include_leave": True, "timeline": {"limit": 2}}},
    "some fields": {"event_fields": ["type", "content.body"], "room": {"timeline": {"limit": 2}}},
    "format of the federation": {"event_format": "federation", "room": {"timeline": {"limit": 1}}},
    "threads counted": {"room": {"timeline": {"unread_thread_notifications": True, "limit": 2}}},
}


def shapes(world):
    alice, bob, carol = world.everybody
    for name, wanted in SHAPES.items():
        text = str(wanted).replace("GARDEN", world.garden).replace("ALICE", alice.id)
        text = text.replace("'", '"').replace("True", "true")
        bob.sync(f"sync: {name}", filter=text)
    carol.sync("sync of who has left rooms", filter=SHAPES["what was left"])
    # Synapse knows it under the name of its proposal.
    after = {"use_state_after": "true", "org.matrix.msc4222.use_state_after": "true"}
    bob.sync("sync with state after", **after, filter={"room": {"timeline": {"limit": 2}}})
    bob.sync("sync with an unknown filter", filter="4000")
    bob.sync("sync with a faulty filter", filter='{"room": 3}')
    bob.see("sync with a wrong token", "v3/sync?since=none&timeout=0")
    sliding(bob, "sliding sync of one room", "one", {
        "room_subscriptions": {
            world.garden: {"timeline_limit": 2, "required_state": [["*", "*"]]}
        }
    })
    lists = {
        "direct": {"filters": {"is_dm": True}},
        "encrypted": {"filters": {"is_encrypted": True}},
        "invitations": {"filters": {"is_invite": True}},
        "spaces": {"filters": {"room_types": ["m.space"]}},
        "no spaces": {"filters": {"not_room_types": ["m.space"]}},
        "favourites": {"filters": {"tags": ["m.favourite"]}},
    }
    for name, options in lists.items():
        body = {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": [], **options}
        for user in (alice, bob):
            sliding(user, f"sliding sync of {user.name}: {name}", name, {"lists": {"list": body}})
    bob.see("sliding sync with a wrong position", f"{SLIDING}?pos=none", "POST", {"lists": {}})
    alice.see("initial sync", "v3/initialSync?limit=1")
