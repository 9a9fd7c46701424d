"""Deterministic CBOR (RFC 8949, section 4.2), as much of it as the protocol has: numbers, bytes, text, arrays."""


def encode(value):
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    return _head(4, len(value)) + b"".join(encode(item) for item in value)


def decode(data):
    value, rest = _decode(data)
    if rest or encode(value) != data:
        raise ValueError("not the deterministic encoding")
    return value


def _head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for extra, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * length):
            return bytes([major << 5 | extra]) + number.to_bytes(length, "big")
    raise ValueError("too large")


def _decode(data):
    major, number, data = data[0] >> 5, data[0] & 31, data[1:]
    if number >= 24:
        length = 1 << (number - 24)
        if number > 27 or len(data) < length:
            raise ValueError("malformed")
        number, data = int.from_bytes(data[:length], "big"), data[length:]
    if major == 0:
        return number, data
    if major in (2, 3):
        if len(data) < number:
            raise ValueError("cut off")
        part = data[:number]
        return (part if major == 2 else part.decode()), data[number:]
    if major == 4:
        items = []
        for _ in range(number):
            item, data = _decode(data)
            items.append(item)
        return items, data
    raise ValueError("a type that the protocol has not")
