"""Receipts, typing, tags, push rules and what they count."""

from server import q


def read_and_count(world):
    alice, bob, carol = world.everybody
    room, events = q(world.garden), world.events

    def receipt(user, kind, event, **more):
        user.must("POST", f"v3/rooms/{room}/receipt/{kind}/{q(event)}", more)

    receipt(alice, "m.read", events["reply"])
    receipt(carol, "m.read.private", events["reply"])
    receipt(carol, "m.read", events["last in thread"], thread_id=events["root"])
    receipt(carol, "m.read", events["hello"], thread_id="main")
    bob.must(
        "POST",
        f"v3/rooms/{room}/read_markers",
        {"m.fully_read": events["hello"], "m.read": events["root"]},
    )
    bob.must("PUT", f"v3/rooms/{room}/typing/{q(bob.id)}", {"typing": True, "timeout": 60000})
    alice.must("PUT", f"v3/user/{q(alice.id)}/rooms/{room}/tags/m.favourite", {"order": 0.5})
    alice.must("PUT", f"v3/user/{q(alice.id)}/rooms/{room}/tags/u.work", {})
    alice.see("tags", f"v3/user/{q(alice.id)}/rooms/{room}/tags")
    alice.see("tags of another", f"v3/user/{q(bob.id)}/rooms/{room}/tags")
    data = f"v3/user/{q(alice.id)}/rooms/{room}/account_data"
    alice.must("PUT", f"{data}/org.example.note", {"text": "paint"})
    alice.see("account data of a room", f"{data}/org.example.note")
    alice.see("account data that clients may not set", f"{data}/m.fully_read", "PUT", {})
    bob.see("receipt of an unknown kind", f"v3/rooms/{room}/receipt/m.none/{q(events['hello'])}", "POST", {})
    bob.see("receipt with an empty thread", f"v3/rooms/{room}/receipt/m.read/{q(events['hello'])}",
            "POST", {"thread_id": ""})
    carol.see("typing for another", f"v3/rooms/{room}/typing/{q(bob.id)}", "PUT",
              {"typing": True, "timeout": 60000})
    bob.see("notifications", "v3/notifications")
    bob.see("notifications that highlight", "v3/notifications?only=highlight&limit=1")
    rules(world)


def rules(world):
    alice, bob, _ = world.everybody
    room = q(world.garden)
    global_rules = "v3/pushrules/global"
    bob.see("new rule", f"{global_rules}/content/paint", "PUT",
            {"pattern": "paint*", "actions": ["notify", {"set_tweak": "highlight"}]})
    bob.see("new rule before another", f"{global_rules}/content/roof?before=paint", "PUT",
            {"pattern": "roof", "actions": []})
    bob.see("mute a room", f"{global_rules}/room/{q(world.shed)}", "PUT", {"actions": ["dont_notify"]})
    bob.see("rule before one that is not there", f"{global_rules}/content/x?before=none", "PUT",
            {"pattern": "x", "actions": []})
    bob.see("rule with a name of the default rules", f"{global_rules}/content/.m.x", "PUT",
            {"pattern": "x", "actions": []})
    bob.see("rule without a pattern", f"{global_rules}/content/y", "PUT", {"actions": []})
    bob.see("rule of an unknown kind", f"{global_rules}/none/y", "PUT", {"actions": []})
    bob.see("rule", f"{global_rules}/content/paint")
    bob.see("rule that is not there", f"{global_rules}/content/none")
    enabled = f"{global_rules}/override/.m.rule.suppress_notices/enabled"
    bob.see("disable a default rule", enabled, "PUT", {"enabled": False})
    bob.see("whether it is enabled", enabled)
    bob.see("actions of a default rule", f"{global_rules}/underride/.m.rule.message/actions")
    bob.see("delete a default rule", f"{global_rules}/underride/.m.rule.message", "DELETE")
    bob.see("all rules", f"{global_rules}/")
    world.events["keyword"] = alice.say(world.garden, "More paint, please")
    alice.say(world.shed, "Nobody is told")
    notice = {"msgtype": "m.notice", "body": "Five o'clock"}
    alice.send(world.garden, "m.room.message", notice)
    alice.say(world.garden, "Another thing", **{"m.mentions": {}})
    in_thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": world.events["root"]}}
    alice.say(world.garden, "Red, Bob?", **in_thread, **{"m.mentions": {"user_ids": [bob.id]}})
    bob.see("notifications after the rules", "v3/notifications?limit=4")
