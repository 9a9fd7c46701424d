"""Files that a user of one server uploads and one of the other looks at."""

import json
import struct
import zlib

from theme import Theme


def png(width, height):
    """A red picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff\0\0" * width) * height
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Media(Theme):
    """Uploaded at home."""

    def __str__(self):
        return f"Media of {self.home.kind}"

    async def people_on_both_servers(self):
        (self.owner,) = await self.world.users(self.home, "painter")
        (self.guest,) = await self.world.users(self.away, "viewer")

    async def a_picture_arrives_byte_by_byte(self):
        self.picture = png(640, 480)
        self.place = await self._upload(self.picture, "image/png", "a red ä.png")
        status, headers, body = await self._get("download", self.place)
        assert (status, headers["Content-Type"], body) == (200, "image/png", self.picture), headers
        assert "%C3%A4.png" in headers["Content-Disposition"], headers["Content-Disposition"]

    async def it_arrives_again(self):
        status, _, body = await self._get("download", self.place)
        assert (status, body) == (200, self.picture)

    async def a_smaller_picture_arrives(self):
        for method, width, height in (("crop", 32, 32), ("scale", 320, 240)):
            status, headers, body = await self._get(
                "thumbnail", self.place, width=width, height=height, method=method
            )
            assert status == 200 and headers["Content-Type"].startswith("image/"), (status, body)
            if body.startswith(b"\x89PNG"):
                assert body[16:24] == struct.pack(">II", width, height), body[16:24]

    async def a_larger_file_arrives(self):
        content = bytes(range(256)) * 20_000
        place = await self._upload(content, "application/octet-stream", "bytes")
        status, headers, body = await self._get("download", place)
        assert (status, body) == (200, content), headers

    async def what_nobody_uploaded_is_not_found(self):
        status, _, body = await self._get("download", f"{self.home.name}/nothingofthiskind")
        assert status == 404 and b"M_NOT_FOUND" in body, (status, body)

    async def _upload(self, content, kind, name):
        status, _, answer = await self.owner.raw(
            "POST", "/_matrix/media/v3/upload", data=content, kind=kind, filename=name
        )
        assert status == 200, answer
        return json.loads(answer)["content_uri"].removeprefix("mxc://")

    async def _get(self, what, place, **query):
        where = f"/_matrix/client/v1/media/{what}/{place}"
        return await self.guest.raw("GET", where, **query)
