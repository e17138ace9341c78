"""Decodes /picture.png as far as this test needs: 8 bits a channel, RGBA, not interlaced. Prints its size and some pixels."""

import struct
import zlib

PIXEL = 4

data = open("/picture.png", "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
chunks = {}
at = 8
while at < len(data):
    length, kind = struct.unpack(">I4s", data[at : at + 8])
    body = data[at + 8 : at + 8 + length]
    (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
    assert crc == zlib.crc32(kind + body), kind
    chunks[kind] = chunks.get(kind, b"") + body
    at += 12 + length
width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
assert form == [8, 6, 0, 0, 0], form


def predicted(method, left, up, corner):
    if method < 4:
        return (0, left, up, (left + up) // 2)[method]
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


rows = []
above = bytes(width * PIXEL)
raw = zlib.decompress(chunks[b"IDAT"])
for start in range(0, len(raw), 1 + width * PIXEL):
    method, line = raw[start], bytearray(raw[start + 1 : start + 1 + width * PIXEL])
    for i in range(len(line)):
        left, corner = (line[i - PIXEL], above[i - PIXEL]) if i >= PIXEL else (0, 0)
        line[i] = (line[i] + predicted(method, left, above[i], corner)) & 255
    rows.append(line)
    above = line
print(width, "x", height)
for name, x, y in [("sun", 48, 24), ("hill", 20, 55), ("corner", 1, 62)]:
    print(name, rows[y][x * PIXEL : (x + 1) * PIXEL].hex())
assert len(rows) == height
