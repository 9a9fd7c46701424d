"""Profiles, account data, filters, devices, presence: what belongs to a person."""

from server import PASSWORD, q


def begin(world):
    for user in world.everybody:
        user.must("PUT", f"v3/profile/{q(user.id)}/displayname", {"displayname": user.name.title()})
    alice, bob, carol = world.everybody
    alice.must("PUT", f"v3/profile/{q(alice.id)}/avatar_url", {"avatar_url": "mxc://SERVER/alice"})
    alice.see("profile", f"v3/profile/{q(alice.id)}")
    alice.see("displayname of another", f"v3/profile/{q(bob.id)}/displayname")
    bob.see("avatar that is not set", f"v3/profile/{q(bob.id)}/avatar_url")
    bob.see("profile of nobody", "v3/profile/%40nobody%3ASERVER")
    alice.see("push rules at first", "v3/pushrules/")
    alice.must("PUT", f"v3/user/{q(alice.id)}/account_data/org.example.note", {"text": "milk"})
    alice.see("account data", f"v3/user/{q(alice.id)}/account_data/org.example.note")
    alice.see("account data of another", f"v3/user/{q(bob.id)}/account_data/org.example.note")
    alice.see("account data that is not set", f"v3/user/{q(alice.id)}/account_data/org.example.no")
    filter_of = f"v3/user/{q(bob.id)}/filter"
    made = bob.must("POST", filter_of, {"room": {"timeline": {"limit": 3}}})
    bob.see("filter", f"{filter_of}/{made['filter_id']}")
    bob.see("filter that is not there", f"{filter_of}/4000")
    alice.must("PUT", f"v3/presence/{q(alice.id)}/status", {"presence": "online", "status_msg": "here"})
    alice.see("own presence", f"v3/presence/{q(alice.id)}/status")
    carol.see("whoami", "v3/account/whoami")
    carol.see("ways to log in", "v3/login")


def look(world):
    alice = world.alice
    alice.see("devices", "v3/devices")
    alice.see("one device", f"v3/devices/{alice.device}")
    alice.see("device that is not there", "v3/devices/NONE")
    alice.see("renamed device", f"v3/devices/{alice.device}", "PUT", {"display_name": "Desk"})
    alice.see("device with its name", f"v3/devices/{alice.device}")
    alice.see("delete a device without a password", f"v3/devices/{alice.device}", "DELETE", {})
    wrong = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "bob"}}
    world.bob.see("wrong password", "v3/login", "POST", {**wrong, "password": "wrong"})
    world.bob.see("unknown way to log in", "v3/login", "POST", {"type": "org.example.none"})
    login = {**wrong, "password": PASSWORD, "device_id": "BOB2"}
    world.bob.see("login", "v3/login", "POST", login)
    world.bob.see("devices after login", "v3/devices")
    world.bob.see("open id", f"v3/user/{q(world.bob.id)}/openid/request_token", "POST", {})
    world.bob.see("search the user directory", "v3/user_directory/search", "POST", {"search_term": "ali"})
    world.bob.see("turn server", "v3/voip/turnServer")
    world.bob.see("unknown path", "v3/nothing/here")
    world.bob.see("wrong method", "v3/sync", "DELETE")
    world.bob.see("not JSON", "v3/createRoom", "POST", b"{")
    world.bob.see("name that is taken", "v3/register/available?username=alice")
    world.bob.see("name that is no name", "v3/register/available?username=ALICE%20B")
    world.carol.must("POST", "v3/logout", {})
    world.carol.see("token that has ended", "v3/account/whoami")
