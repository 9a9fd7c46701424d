"""The scenario, theme by theme; each stands on those before it."""

from . import accounts, directory, keys, membership, push, rooms, sync, timeline
from .world import World


def play(server):
    world = World(server)
    accounts.begin(world)
    rooms.make(world)
    sync.first(world)
    timeline.talk(world)
    sync.after(world, "talk")
    timeline.look(world)
    push.read_and_count(world)
    sync.after(world, "receipts")
    membership.come_and_go(world)
    sync.after(world, "comings and goings")
    sync.gaps(world)
    directory.look(world)
    keys.exchange(world)
    sync.after(world, "keys")
    sync.shapes(world)
    accounts.look(world)
