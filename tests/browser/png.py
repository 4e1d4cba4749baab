"""png.py: the greys of a PNG file of 8 bits a pixel, as the program writes them."""
import struct
import zlib


def nearest(left, above, corner):
    """Paeth's predictor: which of three neighbours is nearest to left + above - corner."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def bytes_of_png(data):
    at, packed, width = 8, b"", 0
    while at < len(data):
        (length,) = struct.unpack(">I", data[at:at + 4])
        kind, content = data[at + 4:at + 8], data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", content[:10])
            if (depth, colour) != (8, 0):
                raise ValueError(f"expected 8 bits of grey, found {depth} of colour type {colour}")
        packed += content if kind == b"IDAT" else b""
        at += length + 12
    rows, before, result = zlib.decompress(packed), bytes(width), b""
    for first in range(0, len(rows), width + 1):
        row = bytearray(rows[first + 1:first + 1 + width])
        for x in range(width):
            left, corner = (row[x - 1], before[x - 1]) if x else (0, 0)
            guesses = (0, left, before[x], (left + before[x]) // 2, nearest(left, before[x], corner))
            row[x] = (row[x] + guesses[rows[first]]) & 255
        before = bytes(row)
        result += before
    return result
