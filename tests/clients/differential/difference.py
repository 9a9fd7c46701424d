"""Where two normalised answers differ: one line per place."""

# Lists that have no order: compared by what identifies their items.
UNORDERED = ("/actions", "/conditions", "/state", "/state/events", "/state_after/events", "/invite_state/events", "/joined")
UNORDERED += ("/knock_state/events", "/invite_state", "/account_data/events", "/ephemeral/events")
UNORDERED += ("/presence/events", "/required_state", "/left", "/changed", "/aliases", "/flows")
UNORDERED += ("/devices", "/results", "/children_state", "/m.heroes", "/joined_rooms", "/members")
UNORDERED += ("/device_unused_fallback_key_types", "/knock_state", "/rooms/[list]", "/unordered")


def differences(ours, theirs, path=""):
    """Pairs of a path and what each server has there."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from pair(ours, theirs, key, f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from lists(ours, theirs, path)
    elif ours != theirs or type(ours) is not type(theirs):
        yield path, f"{brief(ours)}, Synapse has {brief(theirs)}"


def pair(ours, theirs, key, path):
    if key not in theirs:
        yield path, f"only ours: {brief(ours[key])}"
    elif key not in ours:
        yield path, f"only Synapse: {brief(theirs[key])}"
    else:
        yield from differences(ours[key], theirs[key], path)


def lists(ours, theirs, path):
    mine, other = identified(ours), identified(theirs)
    for key in sorted(mine.keys() | other.keys()):
        yield from pair(mine, other, key, f"{path}/[{key}]")
    if not (path == "/body" or "/account_data/" in path or path.endswith(UNORDERED)):
        common = [[k for k in a if k in b] for a, b in ((mine, other), (other, mine))]
        if common[0] != common[1]:
            yield f"{path}/order", f"{brief(common[0])}, Synapse has {brief(common[1])}"


def identified(items):
    found = {}
    for item in items:
        key = identity(item)
        while key in found:
            key += "'"
        found[key] = item
    return found


def identity(item):
    if not isinstance(item, dict):
        return str(item)
    event = item.get("event")
    event = event if isinstance(event, dict) else item
    for key in ("event_id", "rule_id", "room_id", "device_id", "set_tweak"):
        if key in event:
            return event[key]
    if "kind" in event:
        return f"{event['kind']} {event.get('key', '')}"
    return " ".join(str(event[key]) for key in ("type", "sender", "state_key", "user_id") if key in event)


def brief(value):
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
