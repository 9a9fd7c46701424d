"""Our own encryption, in Node, on two servers: `node/sealed.test.mjs` plays the people. What they said is nowhere in
what the servers keep, but for what was said in the open."""

import asyncio
import os
import pathlib
import uuid

from theme import LIMIT, Theme


class Sealed(Theme):
    """One step for each fact of the script, and two about what is kept."""

    def __str__(self):
        return f"Sealed, {self.home.kind} and {self.away.kind}"

    async def run(self):
        print(f"# {self}")
        secret, clear = f"sealed{uuid.uuid4().hex}", f"open{uuid.uuid4().hex}"
        passed, failed = await self._script(secret, clear)
        for server in dict.fromkeys((self.home, self.away)):
            for text, is_kept in ((clear, True), (secret, False)):
                found = await asyncio.to_thread(kept, server.folder, text)
                good = bool(found) == is_kept
                passed, failed = passed + good, failed + (not good)
                what = f"{server.kind} keeps what was said {'in the open' if is_kept else 'sealed'}"
                print(f"ok - {what}: {is_kept}" if good else f"not ok - {what}: {found}")
        return passed, failed

    async def _script(self, secret, clear):
        environment = {
            **os.environ,
            "HOME_URL": self.home.url,
            "AWAY_URL": self.away.url,
            "SECRET": secret,
            "CLEAR": clear,
            "DEPOSITS": "1" if self.home.kind == self.away.kind == "Sealpost" else "",
        }
        script = pathlib.Path(__file__).with_name("node") / "sealed.test.mjs"
        node = await asyncio.create_subprocess_exec(
            "node", "--test", "--test-reporter=tap", script, env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        counts = {}
        try:
            async with asyncio.timeout(LIMIT * 10):
                async for line in node.stdout:
                    line = line.decode().rstrip()
                    words = line.split()
                    if len(words) == 3 and words[0] == "#":
                        counts[words[1]] = words[2]
                    elif words and words[0] not in ("#", "TAP", "---", "..."):
                        print(line)
                await node.wait()
        finally:
            if node.returncode is None:
                node.kill()
        passed, failed = int(counts.get("pass", 0)), int(counts.get("fail", 0))
        return passed, failed + int(counts.get("cancelled", 0)) or int(passed == 0)


def kept(folder, text):
    """The files of a server with this text in them."""
    wanted = text.encode()
    files = (file for file in folder.rglob("*") if file.is_file())
    return [str(file.relative_to(folder)) for file in files if wanted in file.read_bytes()]
