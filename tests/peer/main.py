"""A Sealpost and a Synapse, and one more Sealpost, with one federation between them.

Run by `cargo xtask test peer` with Sealpost's program, the Python of Synapse's environment and an empty folder
as arguments; names of themes after them choose some. The last line counts the steps.
"""

import asyncio
import pathlib
import sys
import time

import aiohttp

from access import Knock, Restricted
from devices import Devices
from directory import Directory
from encryption import Encryption
from ephemeral import Signs
from media import Media
from outage import Outage
from rooms import Room
from sealed import Sealed
from servers import sealpost, synapse
from theme import World


def themes(world):
    for home, away in sides(world):
        for version in ("10", "11", "12"):
            yield Room(world, home, away, version)
        for version in ("10", "12"):
            yield Restricted(world, home, away, version)
            yield Knock(world, home, away, version)
        yield Devices(world, home, away)
        yield Encryption(world, home, away)
        yield Signs(world, home, away)
        yield Directory(world, home, away)
        yield Media(world, home, away)
        yield Sealed(world, home, away)
    yield Sealed(world, world.sealpost, world.second)
    # At the end: a Synapse that was killed may number what it tells of rooms it joins lower than it did before, and no
    # sync shows the next one then.
    for home, away in sides(world):
        yield Outage(world, home, away)


def sides(world):
    return (world.sealpost, world.synapse), (world.synapse, world.sealpost)


async def main(program, python, folder, *chosen):
    folder = pathlib.Path(folder)
    made = await asyncio.create_subprocess_exec(
        python, pathlib.Path(__file__).with_name("certificates.py"), folder
    )
    assert await made.wait() == 0, "no certificates"
    ours, theirs = sealpost(program, folder / "sealpost"), await synapse(python, folder / "synapse")
    second = sealpost(program, folder / "second")
    passed = failed = 0
    try:
        await asyncio.gather(ours.start(), second.start(), theirs.start())
        limits = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=limits) as http:
            world = World(http, ours, theirs, second)
            for theme in themes(world):
                if chosen and not any(word in str(theme) for word in chosen):
                    continue
                good, bad = await theme.run()
                passed, failed = passed + good, failed + bad
    finally:
        await asyncio.gather(ours.stop(), second.stop(), theirs.stop())
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


started = time.monotonic()
outcome = asyncio.run(main(*sys.argv[1:]))
print(f"# {time.monotonic() - started:.0f} s")
sys.exit(outcome)
