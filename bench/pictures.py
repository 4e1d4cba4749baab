#!/usr/bin/env python3
"""pictures.py MAIN [--load FILE] [--seed N] [--count N] [--kinds A,B] [--keep FOLDER]: how well
MAIN predict reads pictures as people make them.

MNIST's test digits are drawn on canvases, moved, shadowed, tilted and so on: a kind is a function
below. Each kind takes digits and strengths of its own from the seed, so that one seed can serve to
improve the program and another to judge it. For each kind the table counts the pictures that are
right, refused and wrong, and the wrong ones that are silent: they claim more than 0.9, and no note
names them. Pictures with two digits or none have to be refused; a line of digits has to be read
whole, with --digits, but one whose digits touch may also be refused.
"""
import argparse
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 280  # of most canvases: ten times MNIST's


def read_idx(name, header):
    return np.frombuffer(gzip.open(ROOT / "data" / name).read(), np.uint8)[header:]


# ---- arithmetic on pictures: arrays of floats, 0 black to 255


def spread(length, target):
    """The matrix that resizes `length` pixels to `target`: Catmull-Rom's cubic, widened to shrink."""
    stretch = max(1.0, length / target)
    at = (np.arange(target) + 0.5) * length / target - 0.5
    x = np.abs(at[:, None] - np.arange(length)[None]) / stretch
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(1, keepdims=True)


def resized(picture, height, width):
    across = spread(picture.shape[1], width).T
    return np.clip(spread(picture.shape[0], height) @ picture @ across, 0, 255)


def blurred(picture, sigma):
    reach = int(3 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(picture, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], "edge")
        picture = np.apply_along_axis(np.convolve, axis, padded, kernel, "valid")
    return picture


def rotated(picture, degrees):
    height, width = picture.shape
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    y, x = np.mgrid[0:height, 0:width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    v, u = c * y - s * x + (height - 1) / 2, s * y + c * x + (width - 1) / 2
    y0, x0 = np.floor(v).astype(int), np.floor(u).astype(int)
    padded = np.pad(picture, 1)

    def at(dy, dx):
        return padded[np.clip(y0 + dy + 1, 0, height + 1), np.clip(x0 + dx + 1, 0, width + 1)]
    fy, fx = v - y0, u - x0
    return (1 - fy) * ((1 - fx) * at(0, 0) + fx * at(0, 1)) + fy * ((1 - fx) * at(1, 0) + fx * at(1, 1))


def disc(radius):
    y, x = np.mgrid[-int(radius):int(radius) + 1, -int(radius):int(radius) + 1]
    return [(int(b), int(a)) for b, a in zip(y.ravel(), x.ravel()) if b * b + a * a <= radius * radius]


def thickened(ink, radius):
    reach = int(radius)
    height, width = ink.shape
    padded = np.pad(ink, reach)
    return np.max([padded[reach + b:reach + b + height, reach + a:reach + a + width] for b, a in disc(radius)], 0)


def skeleton(mask):
    """Lines one pixel wide. Zhang and Suen, "A fast parallel algorithm for thinning digital
    patterns", 1984."""
    m = np.pad(mask, 1).astype(int)
    changed = True
    while changed:
        changed = False
        for half in (0, 1):
            n = [np.roll(m, (-dy, -dx), (0, 1)) for dy, dx in
                 ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))]
            ends = sum((n[i] == 0) & (n[(i + 1) % 8] == 1) for i in range(8))
            b = sum(n)
            pairs = (n[0] * n[2] * n[4], n[2] * n[4] * n[6]) if half == 0 else (n[0] * n[2] * n[6], n[0] * n[4] * n[6])
            gone = (m == 1) & (b >= 2) & (b <= 6) & (ends == 1) & (pairs[0] == 0) & (pairs[1] == 0)
            m[gone] = 0
            changed |= bool(gone.any())
    return m[1:-1, 1:-1] == 1


# ---- what a kind is made of


class Maker:
    """Draws from MNIST's test digits with a seed."""

    def __init__(self, seed):
        self.images = read_idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        self.labels = read_idx("t10k-labels-idx1-ubyte.gz", 8)
        self.rng = np.random.default_rng(seed)

    def digit(self):
        """The ink of a digit as MNIST has it, 28 x 28, and its label."""
        i = self.rng.integers(len(self.labels))
        return self.images[i].astype(float), int(self.labels[i])

    def between(self, low, high):
        return self.rng.uniform(low, high)

    def either(self, *choices):
        return choices[self.rng.integers(len(choices))]


def cropped(ink):
    rows, cols = np.where(ink.max(1) > 20)[0], np.where(ink.max(0) > 20)[0]
    return ink[rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]


def placed(ink, height, width, top, left):
    canvas = np.zeros((height, width))
    canvas[top:top + ink.shape[0], left:left + ink.shape[1]] = ink
    return canvas


def moved(ink, down, right):
    """What leaves the picture is cut off."""
    height, width = ink.shape
    return np.pad(ink, 4)[4 - down:4 - down + height, 4 - right:4 - right + width]


def somewhere(m, ink, height, width):
    return placed(ink, height, width, m.rng.integers(height - ink.shape[0] + 1),
                  m.rng.integers(width - ink.shape[1] + 1))


def in_a_corner(m, ink, side):
    return placed(ink, side, side, m.either(0, side - ink.shape[0]), m.either(0, side - ink.shape[1]))


def large(ink):
    return resized(ink, SIDE, SIDE)


def on_paper(ink, paper=255.0, pen=0.0):
    return paper + (pen - paper) * ink / 255


def noisy(m, picture, deviation):
    return picture + m.rng.normal(0, deviation, picture.shape)


def grid(picture):
    return np.mgrid[0:picture.shape[0], 0:picture.shape[1]]


def over(ink, paper, pen):
    """Ink of one colour on paper of another."""
    t = ink[..., None] / 255
    return np.array(paper) * (1 - t) + np.array(pen) * t


def framed(picture, width, grey, inset=0):
    y, x = grid(picture)
    height, length = picture.shape
    edge = np.minimum(np.minimum(x, y), np.minimum(length - 1 - x, height - 1 - y))
    return np.where((edge >= inset) & (edge < inset + width), grey, picture)


def ruled(m, picture, square):
    y, x = grid(picture)
    pitch, grey = m.either(28, 34, 40), m.between(150, 190)
    first, width = m.rng.integers(pitch), m.either(2, 3)
    lines = (y + first) % pitch < width
    if square:
        lines |= (x + first) % pitch < width
    return np.where(lines, np.minimum(picture, grey), picture)


def shadowed(m, picture):
    y, x = grid(picture)
    if m.either(False, True):
        x = SIDE - 1 - x
    if m.either(False, True):
        y = SIDE - 1 - y
    return picture * 0.8 - m.between(80, 110) / (1 + np.exp(-((x + y) - SIDE * m.between(1.0, 1.4)) / 15))


def vignetted(m, picture):
    y, x = grid(picture)
    away = ((x - SIDE / 2)**2 + (y - SIDE / 2)**2) / (SIDE * SIDE / 2)
    return picture * 0.85 - m.between(90, 130) * away**1.2


def specked(m, picture):
    y, x = grid(picture)
    for _ in range(3):  # near the border, where MNIST has no ink
        u, v = m.between(8, 34), m.between(8, SIDE - 8)
        u = m.either(u, SIDE - u)
        at = m.either((u, v), (v, u))
        picture = np.where((x - at[0])**2 + (y - at[1])**2 < 9, 0, picture)
    return picture


def beside(m, turned):
    one, other = cropped(large(m.digit()[0])), cropped(large(m.digit()[0]))
    canvas = np.zeros((2 * SIDE, 2 * SIDE))
    top, left = m.rng.integers(2 * SIDE - one.shape[0] + 1), m.rng.integers(10, 60)
    gap = m.rng.integers(12, 90)
    down = int(np.clip(top + m.rng.integers(-40, 41), 0, 2 * SIDE - other.shape[0]))
    right = min(left + one.shape[1] + gap, 2 * SIDE - other.shape[1])
    canvas = np.maximum(placed(one, 2 * SIDE, 2 * SIDE, top, left), placed(other, 2 * SIDE, 2 * SIDE, down, right))
    return canvas.T if turned else canvas


def side_by_side(inks, spaces):
    """Digits in a row, as near that the least free space in any line of pixels is `spaces` pixels;
    below 0 they share pixels."""
    width = sum(ink.shape[1] for ink in inks) + sum(max(0, s) for s in spaces) + 40
    canvas = np.zeros((SIDE + 80, width))
    for ink, space in zip(inks, (None, *spaces)):
        top = (canvas.shape[0] - ink.shape[0]) // 2
        left = 20
        if space is not None:
            rows = range(ink.shape[0])
            ends = [np.max(np.where(canvas[top + y] > 127)[0], initial=-10000) for y in rows]
            begins = [np.min(np.where(ink[y] > 127)[0], initial=10000) for y in rows]
            left = max(0, max(e + 1 - b for e, b in zip(ends, begins)) + space)
        place = canvas[top:top + ink.shape[0], left:left + ink.shape[1]]
        np.maximum(place, ink[:, :place.shape[1]], out=place)
    used = np.where(canvas.max(0) > 20)[0]
    return np.pad(canvas[:, used[0]:used[-1] + 1], ((0, 0), (40, 40)))


def leaning(ink, slant):
    """Sheared to the right, as handwriting is."""
    height, width = ink.shape
    shift = [int(round(slant * (height - 1 - y))) for y in range(height)]
    result = np.zeros((height, width + max(shift)))
    for y in range(height):
        result[y, shift[y]:shift[y] + width] = ink[y]
    return cropped(result)


def pair(m, low, high, slant=0.0):
    """Two digits whose least free space is from low to high pixels."""
    inks = [leaning(cropped(large(m.digit()[0])), slant) for _ in range(2)]
    return side_by_side(inks, [m.rng.integers(low, high + 1)])


def touching(m, over, two_sizes=False):
    """Two digits that share `over` of MNIST's 28 pixels where they come nearest; 0: they only touch."""
    inks = [cropped(large(m.digit()[0])) for _ in range(2)]
    if two_sizes:
        which, size = m.rng.integers(2), m.between(0.6, 0.85)
        inks[which] = resized(inks[which], *(max(1, round(size * side)) for side in inks[which].shape))
    return side_by_side(inks, [-SIDE // 28 * over])


def uneven(m, ink):
    """A digit of a line that goes up and down, close to its neighbours."""
    digit = cropped(large(ink))
    left, right, top = m.rng.integers(12, 40), m.rng.integers(12, 40), m.rng.integers(10, 60)
    return np.pad(digit, ((top, SIDE - digit.shape[0] - top + 60), (left, right)))


def stretched(m, ink):
    tall = m.between(1.4, 2.0)
    return resized(ink, int(SIDE * tall), SIDE) if m.either(False, True) else resized(ink, SIDE, int(SIDE * tall))


def thin(m, ink):
    lines = skeleton(resized(ink, 140, 140) > 127).astype(float) * 255
    return np.clip(blurred(resized(thickened(lines, m.either(0, 1)), SIDE, SIDE), 1.0) * 1.6, 0, 255)


# Kinds that show one digit: m and its ink to a picture.
ONE = {
    "as MNIST": lambda m, ink: ink,
    "inverted": lambda m, ink: 255 - ink,
    "moved by 2": lambda m, ink: moved(ink, m.either(-2, 2), m.either(-2, 2)),
    "moved": lambda m, ink: somewhere(m, cropped(ink), 28, 28),
    "in a corner": lambda m, ink: in_a_corner(m, cropped(ink), 28),
    "in a corner, dark": lambda m, ink: 255 - in_a_corner(m, cropped(ink), 28),
    "on grey": lambda m, ink: on_paper(ink, m.between(40, 100), 255),
    "on grey, dark": lambda m, ink: on_paper(ink, m.between(150, 220), m.between(0, 40)),
    "half as large": lambda m, ink: resized(ink, 14, 14),
    "large": lambda m, ink: large(ink),
    "large, dark": lambda m, ink: on_paper(large(ink)),
    "large, in a corner": lambda m, ink: on_paper(in_a_corner(m, cropped(large(ink)), SIDE)),
    "cropped": lambda m, ink: cropped(ink),
    "cropped, large, dark": lambda m, ink: on_paper(cropped(large(ink))),
    "small on a page": lambda m, ink: on_paper(somewhere(m, cropped(resized(ink, 90, 90)), 800, 600)),
    "wide page": lambda m, ink: on_paper(somewhere(m, large(ink), SIDE, 1200)),
    "tinted paper": lambda m, ink: over(large(ink), m.rng.uniform(150, 255, 3), m.rng.uniform(0, 70, 3)),
    "coloured pen": lambda m, ink: over(large(ink), (255, 255, 255), m.either((220, 20, 20), (20, 40, 200), (20, 140, 40))),
    "yellow pen": lambda m, ink: over(large(ink), (255, 255, 255), (250, 230, 20)),
    "red on green": lambda m, ink: over(large(ink), (60, 120, 60), (200, 60, 60)),
    "frame": lambda m, ink: framed(on_paper(large(ink)), m.rng.integers(2, 8), m.between(0, 80)),
    "frame, inside": lambda m, ink: framed(on_paper(large(ink)), m.rng.integers(2, 6), m.between(0, 80), 12),
    "frame, 28": lambda m, ink: framed(on_paper(ink), 1, 0),
    "shadow": lambda m, ink: shadowed(m, on_paper(large(ink))),
    "vignette": lambda m, ink: vignetted(m, on_paper(large(ink))),
    "lined paper": lambda m, ink: ruled(m, on_paper(large(ink)), False),
    "squared paper": lambda m, ink: ruled(m, on_paper(large(ink)), True),
    "salt and pepper": lambda m, ink: np.where(m.rng.random((SIDE, SIDE)) < 0.004, m.either(0, 255), on_paper(large(ink))),
    "salt and pepper, 28": lambda m, ink: np.where(m.rng.random((28, 28)) < 0.004, 255, ink),
    "noise": lambda m, ink: noisy(m, on_paper(large(ink), m.between(150, 230), m.between(10, 60)), m.between(4, 12)),
    "noise, 28": lambda m, ink: noisy(m, on_paper(ink, m.between(30, 60), 230), m.between(2, 8)),
    "specks": lambda m, ink: specked(m, on_paper(large(ink))),
    "tilt": lambda m, ink: on_paper(rotated(large(ink), m.between(-15, 15))),
    "tilt, 28": lambda m, ink: rotated(ink, m.between(-15, 15)),
    "thick": lambda m, ink: on_paper(thickened(large(ink), m.between(5, 10))),
    "thin": lambda m, ink: on_paper(thin(m, ink)),
    "pencil": lambda m, ink: noisy(m, on_paper(large(ink), 200, m.between(140, 165)), 4),
    "chalk": lambda m, ink: noisy(m, 40 + large(ink) * 0.75 * m.rng.uniform(0.4, 1, (SIDE, SIDE)), 8),
    "stretched": lambda m, ink: on_paper(stretched(m, ink)),
    "photo": lambda m, ink: noisy(m, blurred(on_paper(somewhere(m, large(ink), 500, 500)), 2) * 0.55
                                  + 60 + np.linspace(0, 50, 500)[None], 6),
}
# Kinds that do not.
BLANKS = {
    "white": lambda m, e: e + 255, "grey": lambda m, e: e + 128, "black": lambda m, e: e,
    "noise": lambda m, e: noisy(m, e + m.between(30, 225), m.between(1, 12)),
    "random": lambda m, e: m.rng.uniform(0, 255, e.shape),
    "slope": lambda m, e: e + np.linspace(60, 200, e.shape[1])[None],
    "halves": lambda m, e: np.where(grid(e)[1] < e.shape[1] * m.between(0.3, 0.7), 0, 255),
    "lines": lambda m, e: ruled(m, e + 255, m.either(False, True)) if e.shape[0] == SIDE else e,
    "frame": lambda m, e: framed(e + 255, max(1, e.shape[0] // 70), 0), "specks": lambda m, e: specked(m, e + 255) if e.shape[0] == SIDE else e,
    "vignette": lambda m, e: vignetted(m, e + 255) if e.shape[0] == SIDE else e,
}


def blank(m):
    side = m.either(28, SIDE, SIDE)
    return BLANKS[m.either(*BLANKS)](m, np.zeros((side, side)))


def in_28(ink):
    """As large as MNIST's digits are, in the middle."""
    ink = cropped(ink)
    height, width = (max(1, round(20 * side / max(ink.shape))) for side in ink.shape)
    return placed(resized(ink, height, width), 28, 28, (28 - height) // 2, (28 - width) // 2)


NOT_ONE = {
    "two digits": lambda m: on_paper(np.hstack([large(m.digit()[0]), large(m.digit()[0])])),
    "two digits, near": lambda m: on_paper(beside(m, False)),
    "two digits, in 28 x 28": lambda m: resized(np.hstack([m.digit()[0], m.digit()[0]]), 28, 28),
    "two digits, one below": lambda m: on_paper(np.vstack([large(m.digit()[0]), large(m.digit()[0])])),
    "two digits, close": lambda m: on_paper(pair(m, 5, 16)),
    "two digits, leaning": lambda m: on_paper(pair(m, 8, 40, m.between(0.25, 0.45))),
    "three digits": lambda m: on_paper(np.hstack([large(m.digit()[0]) for _ in range(3)])),
    "nothing": blank,
}
PAIRS = {
    "two digits, touching": lambda m: on_paper(pair(m, -10, -3)),
    "two digits, touching by 0 of 28": lambda m: on_paper(touching(m, 0)),
    "two digits, touching by 2 of 28": lambda m: on_paper(touching(m, 2)),
    "two digits, touching by 4 of 28": lambda m: on_paper(touching(m, 4)),
    "two sizes, touching by 0 of 28": lambda m: on_paper(touching(m, 0, True)),
    "two sizes, touching by 2 of 28": lambda m: on_paper(touching(m, 2, True)),
    "two touching, in 28 x 28": lambda m: in_28(touching(m, 1)),
}


def close_line(m, inks, low, high):
    spaces = [m.rng.integers(low, high + 1) for _ in inks[1:]]
    return side_by_side([cropped(large(ink)) for ink in inks], spaces)


# Lines of two to five digits, for --digits: their images, ten times as large.
LINES = {
    "line": lambda m, inks: on_paper(np.hstack([large(ink) for ink in inks])),
    "line, uneven": lambda m, inks: on_paper(np.hstack([uneven(m, ink) for ink in inks])),
    "line, photo": lambda m, inks: noisy(m, blurred(on_paper(np.hstack([large(ink) for ink in inks])), 2) * 0.55 + 80, 5),
    "line, close": lambda m, inks: on_paper(close_line(m, inks, 5, 16)),
}
# Lines whose digits touch: a refusal is right, too.
JOINED = {
    "line, touching": lambda m, inks: on_paper(close_line(m, inks, -10, -3)),
    "line, some touching": lambda m, inks: on_paper(close_line(m, inks, -6, 30)),
}


def png(picture):
    """The bytes of an 8-bit PNG: height x width grey, or height x width x 3."""
    picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    height, width = picture.shape[:2]
    rows = picture.reshape(height, -1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if picture.ndim == 2 else 2, 0, 0, 0)
    data = zlib.compress(np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def write_kind(folder, kind, seed, count):
    """The pictures of a kind: file -> label, None where the picture does not show one digit."""
    # The kind's name goes into the seed, so that kinds do not change when others are added.
    m = Maker([seed, zlib.crc32(kind.encode())])
    place = folder / kind.replace(" ", "_").replace(",", "")
    place.mkdir(parents=True, exist_ok=True)
    labels = {}
    for i in range(count):
        if kind in ONE:
            ink, label = m.digit()
            picture = ONE[kind](m, ink)
        elif kind in LINES or kind in JOINED:
            digits = [m.digit() for _ in range(m.rng.integers(2, 6))]
            label = "".join(str(digit) for _, digit in digits)
            picture = (LINES | JOINED)[kind](m, [ink for ink, _ in digits])
        else:
            label, picture = None, (NOT_ONE | PAIRS)[kind](m)
        file = place / f"{i:03d}_{'x' if label is None else label}.png"
        file.write_bytes(png(picture))
        labels[str(file)] = label
    return labels


def answers(main, network, files, *flags):
    """What main predict says: file -> (class or number, probability); a refused file is not there.
    And the notes, as one text."""
    run = subprocess.run([main, "predict", "--json", *flags, "--load", network, *files], capture_output=True,
                         text=True)
    if run.returncode not in (0, 2):
        sys.exit(f"{main} predict ended with exit code {run.returncode}: {run.stderr[-500:]}")
    lines = [json.loads(line) for line in run.stdout.splitlines() if line]
    said = {line["file"]: (line.get("number", line.get("class")), line["probability"]) for line in lines}
    return said, "\n".join(line for line in run.stderr.splitlines() if line.startswith("# note"))


def counts(labels, said, notes):
    wrong = [f for f, label in labels.items() if f in said and said[f][0] != label]
    silent = [f for f in wrong if said[f][1] > 0.9 and f + ":" not in notes]
    return len(said) - len(wrong), len(labels) - len(said), len(wrong), len(silent), wrong


def row(kind, total, right, refused, wrong, silent, read):
    print(f"{kind:40s} {right:6d} {refused:8d} {wrong:6d} {silent:7d}   {100 * read / total:6.1f} %", flush=True)


def measure(options, folder, network):
    print(f"# seed {options.seed}, {options.count} pictures a kind\n{'kind':40s} {'right':>6s} {'refused':>8s}"
          f" {'wrong':>6s} {'silent':>7s}   of all as it should be", flush=True)
    for title, kinds in (("all of one digit", ONE), ("all of none or several: refused is right", NOT_ONE),
                         ("all pairs that touch: refused is right", PAIRS),
                         ("all lines: read whole is right", LINES),
                         ("all joined lines: refused or read whole", JOINED)):
        sums = np.zeros(5, int)
        total = 0
        for kind in kinds:
            if options.kinds and kind not in options.kinds.split(";"):
                continue
            labels = write_kind(folder, kind, options.seed, options.count)
            flags = ["--digits"] if kinds is LINES or kinds is JOINED else []
            right, refused, wrong, silent, files = counts(labels, *answers(options.main, network, labels, *flags))
            read = right if kinds is ONE or kinds is LINES else right + refused
            row(kind, len(labels), right, refused, wrong, silent, read)
            if options.list:
                print("\n".join("    " + f for f in files))
            sums += (right, refused, wrong, silent, read)
            total += len(labels)
        if total:
            row(title, total, *sums)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("main", help="the program")
    parser.add_argument("--load", help="a network that reads MNIST; without it, one is trained")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200, help="pictures a kind")
    parser.add_argument("--kinds", default="", help="only these, with ; between them")
    parser.add_argument("--keep", help="keep the pictures in this folder")
    parser.add_argument("--list", action="store_true", help="name the pictures that are wrong")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        network = options.load or f"{scratch}/network.safetensors"
        if not options.load:
            subprocess.run([options.main, "--save", network], check=True, stdout=subprocess.DEVNULL)
        measure(options, pathlib.Path(options.keep or scratch), network)


if __name__ == "__main__":
    main()
