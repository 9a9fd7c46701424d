"""What federation costs: joining a large room, taking in events, how long an event is on its way.

Run by `cargo xtask bench federation` with Sealpost's program, the Python of Synapse's environment, an empty folder
and a scale as arguments. Each line is measured on a Sealpost and on a Synapse, both joining the same rooms. Compare
processor time: on a shared machine it moves less than the rest.
"""

import asyncio
import os
import pathlib
import signal
import sys
import time

import aiohttp

from servers import sealpost, synapse
from user import User, path

MEMBERS, EVENTS, DELIVERIES = 2_000, 2_000, 300
TOGETHER = 8
TICK = os.sysconf("SC_CLK_TCK")


def cpu_ms(server):
    """Processor time of a server's process, in milliseconds."""
    stat = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text()
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / TICK


async def in_lanes(work, amount):
    """`work(number)` for every number, some at once."""
    numbers = iter(range(amount))

    async def lane():
        for number in numbers:
            await work(number)

    await asyncio.gather(*(lane() for _ in range(TOGETHER)))


async def large_room(http, server, members):
    """A public room of the server's own users."""
    first = await User.register(http, server, "member")
    room = await first.make_room("11", preset="public_chat")

    async def member(number):
        user = await User.register(http, server, f"member{number}")
        await user.join(room)

    await in_lanes(member, members - 1)
    return room


async def join(user, room, via, members):
    """Seconds until the join is answered, until all members are known, and the processor time until then, and until the
    server has nothing more to do: a Synapse that knows all members goes on with the rest in the background.
    """
    start, before = time.monotonic(), cpu_ms(user.server)
    await user.join(room, via.name)
    answered = time.monotonic() - start
    # A room that is usable takes a message.
    await user.say(room, "here")
    while True:
        found = await user.get(f"{path('rooms', room)}/joined_members")
        # Of one who is asked before it knows all, that is not all.
        if len(found["joined"]) > members:
            break
        await asyncio.sleep(0.2)
    whole = time.monotonic() - start
    known = cpu_ms(user.server)
    idle = await settle(user.server, 5)
    return answered, whole, known - before, max(known, idle) - before


async def receive(sender, receiver, room, events, mark):
    """Events per second that come to `receiver`, and the processor time of one there.

    They are sent while the receiver stands still, so that it is never the sender that is waited for and both kinds
    get the same: transactions that are full.
    """
    await settle(receiver.server)
    os.kill(receiver.server.process.pid, signal.SIGSTOP)
    try:

        async def send(number):
            await sender.say(room, f"{mark} {number}")

        await in_lanes(send, events)
        last = await sender.say(room, f"{mark} last")
        start, before = time.monotonic(), cpu_ms(receiver.server)
    finally:
        os.kill(receiver.server.process.pid, signal.SIGCONT)
    while True:
        status, _, _ = await receiver.raw("GET", path("rooms", room, "event", last))
        if status == 200:
            break
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - start
    return (events + 1) / seconds, (cpu_ms(receiver.server) - before) / (events + 1)


async def settle(server, seconds=1):
    """Waits until a server has nothing to do for so long. The processor time that it had used by then."""
    used, quiet = cpu_ms(server), 0
    last = used
    while quiet < seconds:
        await asyncio.sleep(1)
        now = cpu_ms(server)
        if now - last < 50:
            quiet += 1
        else:
            used, quiet = now, 0
        last = now
    return used


async def delays(sender, receiver, room, amount, mark):
    """Milliseconds from the start of a send to its coming with the other's sync, sorted."""
    answer = await receiver.get("sync", timeout=0)
    taken = []
    for number in range(amount):
        body = f"{mark} {number}"

        async def comes(since):
            while True:
                answer = await receiver.get("sync", since=since, timeout=30000)
                since = answer["next_batch"]
                events = User.timeline(answer, room)
                if any(event.get("content", {}).get("body") == body for event in events):
                    return answer, time.monotonic()

        waiting = asyncio.create_task(comes(answer["next_batch"]))
        await asyncio.sleep(0.02)
        start = time.monotonic()
        await sender.say(room, body)
        answer, end = await waiting
        taken.append((end - start) * 1000)
    return sorted(taken)


def show(what, ours, theirs, ratio, aim):
    print(f"{what:<44} {ours:>12} {theirs:>12} {ratio:>8} {aim:>10}")


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


async def main(program, python, folder, scale):
    folder, scale = pathlib.Path(folder), float(scale)
    members, events, deliveries = (
        max(10, int(amount * scale)) for amount in (MEMBERS, EVENTS, DELIVERIES)
    )
    made = await asyncio.create_subprocess_exec(
        python, pathlib.Path(__file__).with_name("certificates.py"), folder
    )
    assert await made.wait() == 0, "no certificates"
    resident = await synapse(python, folder / "resident")
    ours, theirs = sealpost(program, folder / "sealpost"), await synapse(python, folder / "synapse")
    sending = sealpost(program, folder / "sending")
    servers = (resident, ours, theirs, sending)
    try:
        await asyncio.gather(*(server.start() for server in servers))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as http:
            print(f"# a room of {members} members is made", flush=True)
            room = await large_room(http, resident, members)
            await settle(resident)
            measured = {}
            for joining in (ours, theirs):
                user = await User.register(http, joining, "joiner")
                measured[joining] = {"join": await join(user, room, resident, members)}
                await settle(joining)
            print("# events are sent", flush=True)
            sender = await User.register(http, sending, "sender")
            for receiving in (ours, theirs):
                user = await User.register(http, receiving, "receiver")
                own = await sender.make_room("11", preset="public_chat")
                await user.join(own, sending.name)
                one = measured[receiving]
                one["receive"] = await receive(sender, user, own, events, receiving.kind)
                await settle(receiving)
                # Both ends of the way are of one kind.
                one["delays"] = await (
                    delays(sender, user, own, deliveries, "d")
                    if receiving is ours
                    else synapse_delays(http, resident, user, deliveries)
                )
    finally:
        await asyncio.gather(*(server.stop() for server in servers))
    table(members, measured[ours], measured[theirs])


async def synapse_delays(http, resident, receiver, amount):
    sender = await User.register(http, resident, "sender")
    room = await sender.make_room("11", preset="public_chat")
    await receiver.join(room, resident.name)
    return await delays(sender, receiver, room, amount, "d")


def table(members, ours, theirs):
    show("", "Sealpost", "Synapse", "ratio", "aim")
    rows = [
        ("join answered, ms", "join", lambda m: m[0] * 1000, ""),
        ("join, all members known, ms", "join", lambda m: m[1] * 1000, ""),
        ("join, CPU ms, all members known", "join", lambda m: m[2], "ratio 10"),
        ("join, CPU ms, until idle", "join", lambda m: m[3], "ratio 10"),
        ("received events, CPU ms each", "receive", lambda m: m[1], "ratio 20"),
        ("delivery delay p50, ms", "delays", lambda m: percentile(m, 0.50), "10 ms"),
        ("delivery delay p99, ms", "delays", lambda m: percentile(m, 0.99), ""),
    ]
    for what, key, value, aim in rows:
        one, other = value(ours[key]), value(theirs[key])
        what = f"{what} ({members} members)" if key == "join" else what
        show(what, f"{one:.2f}", f"{other:.2f}", f"{other / max(one, 1e-9):.1f}", aim)
    one, other = ours["receive"][0], theirs["receive"][0]
    show("received events per second", f"{one:.0f}", f"{other:.0f}", f"{one / other:.1f}", "")


asyncio.run(main(*sys.argv[1:]))
