// Keys of several rooms in one file: of each its name and its keys, each after its length.

export type RoomKeys = [roomId: string, keys: Uint8Array];

/** A file, and of which rooms it has keys. */
export interface Packed {
  roomIds: string[];
  bytes: Uint8Array;
}

const LENGTH = 4;

export function packHistory(rooms: RoomKeys[]): Uint8Array {
  const parts = rooms.flatMap(([roomId, keys]) => [new TextEncoder().encode(roomId), keys]);
  const packed = new Uint8Array(parts.reduce((sum, part) => sum + LENGTH + part.length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    packed.set(part, at + LENGTH);
    at += LENGTH + part.length;
  }
  return packed;
}

/** Fails where the file ends too early. */
export function unpackHistory(packed: Uint8Array): RoomKeys[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  const next = () => {
    const length = view.getUint32(at);
    const part = packed.subarray(at + LENGTH, at + LENGTH + length);
    if (part.length < length) throw new RangeError("the file ends too early");
    at += LENGTH + length;
    return part;
  };
  const rooms: RoomKeys[] = [];
  while (at < packed.length) rooms.push([new TextDecoder().decode(next()), next()]);
  return rooms;
}

/** Files of no more than so many bytes, unless one room alone is larger. */
export function inFiles(rooms: RoomKeys[], most: number): RoomKeys[][] {
  const files: RoomKeys[][] = [];
  let size = Infinity;
  for (const room of rooms) {
    const own = 2 * LENGTH + room[0].length * 3 + room[1].length;
    if (size + own > most) {
      files.push([]);
      size = 0;
    }
    files.at(-1)?.push(room);
    size += own;
  }
  return files;
}
