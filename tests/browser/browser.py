#!/usr/bin/env python3
"""browser.py MAIN [PICTURES]: what the page of --html answers in a browser is what predict answers.

MAIN is a build of ./main. Chromium runs without a window, and gets the mouse, pen, finger and keys
that a person would use. A line for each statement, then the total. Without Chromium all is skipped;
with REQUIRE_INTEROP=1 that is a failure. In the folder PICTURES, the page is left as one sees it.
"""
import base64
import gzip
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import chromium
from png import bytes_of_png

IMAGES = 1000
BOUND = 1e-5  # what issue and page promise; floats of a network of this size are a tenth of it off
NETWORKS = {
    "sigmoid": ["-n", "200"],
    "tanh, three layers": ["-n", "64,32,16", "--activation", "tanh"],
    "relu, sigmoids as output": ["-n", "48,24", "--activation", "relu", "--output", "sigmoid"],
    "raw pixels": ["-n", "30", "--raw-pixels", "-l", "0.001"],
}


class Report:
    """Counts statements and prints each one."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, statement, error):
        """error: None where the statement holds, otherwise what was seen instead."""
        self.passed += error is None
        self.failed += error is not None
        print(f"{'PASS' if error is None else 'FAIL'}  {statement}{'' if error is None else ': ' + error}", flush=True)


def unlike(seen, expected):
    return None if seen == expected else f"{seen!r} instead of {expected!r}"


def run(*command, code=0):
    """What the program prints to both outputs; another exit code ends the test with its own words."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def probabilities(main, model, *files):
    lines, _ = run(main, "predict", "--load", model, "--json", *files)
    return [json.loads(line)["probabilities"] for line in lines.splitlines()]


def refusals(main, model, *files):
    """What predict says of each file that is refused: the file's name -> its line."""
    done = subprocess.run([main, "predict", "--load", model, *files], capture_output=True, text=True)
    found = {file.name: line for line in done.stderr.splitlines() for file in files
             if f"{file.name}: expected one digit" in line}
    if done.returncode != (2 if found else 0):
        raise RuntimeError(f"predict ended with {done.returncode}: {done.stderr}")
    return found


def difference(ours, theirs):
    """None, or where two lists of answers differ most by more than BOUND, or in their class."""
    if len(ours) != len(theirs):
        return f"{len(ours)} answers instead of {len(theirs)}"
    for i, (a, b) in enumerate(zip(ours, theirs)):
        off = max(abs(x - y) for x, y in zip(a, b)) if len(a) == len(b) else math.inf
        if not off <= BOUND:
            return f"answer {i} is {off:.2g} off"
        best = sorted(b)[-2:]
        if a.index(max(a)) != b.index(max(b)) and best[1] - best[0] > 2 * BOUND:
            return f"answer {i} is {a.index(max(a))} instead of {b.index(max(b))}"
    return None


# ---- files


def first_images(folder):
    """An IDX file with the first test images, and their bytes."""
    with gzip.open("data/t10k-images-idx3-ubyte.gz") as file:
        data = file.read(16 + 784 * IMAGES)
    file = folder / "images"
    file.write_bytes(data[:4] + struct.pack(">I", IMAGES) + data[8:])
    return file, data[16:]


def trained(main, folder, name, flags):
    model, page = folder / f"{name}.safetensors", folder / f"{name}.html"
    run(main, "-e", "1", "--train-size", "6000", "--save", model, *flags)
    return model, page


def rounded_to_half(model):
    """The same network, each parameter the nearest in half precision."""
    data = model.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header["__metadata__"].pop("checksum")
    wide = header["W1"]["dtype"] == "F64"
    count = (len(data) - 8 - length) // (8 if wide else 4)
    code = f"<{count}{'d' if wide else 'f'}"
    values = struct.unpack(code, data[8 + length:])
    halves = struct.unpack(f"<{count}e", struct.pack(f"<{count}e", *values))
    text = json.dumps(header).encode()
    file = model.with_suffix(".half.safetensors")
    file.write_bytes(struct.pack("<Q", len(text)) + text + struct.pack(code, *halves))
    return file


# ---- drawings, in a square of side 1


def arc(x, y, rx, ry, first, last, steps=24):
    """Part of an ellipse, from an angle to another; 0 is right, 90 below."""
    angles = [math.radians(first + (last - first) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


DIGITS = [
    [arc(.5, .5, .25, .38, -90, 270)],
    [[(.42, .2), (.55, .12), (.55, .88)]],
    [arc(.5, .32, .24, .2, -170, 30) + [(.28, .86), (.76, .86)]],
    [arc(.46, .3, .24, .18, -150, 90, 16) + arc(.46, .67, .27, .19, -90, 150, 16)],
    [[(.55, .12), (.25, .6), (.8, .6)], [(.62, .35), (.62, .9)]],
    [[(.36, .12), (.33, .45)] + arc(.46, .66, .24, .22, -120, 150), [(.36, .12), (.72, .12)]],
    [[(.6, .12), (.36, .45)] + arc(.5, .68, .2, .2, 200, 560)],
    [[(.25, .15), (.75, .15), (.45, .88)]],
    [arc(.5, .3, .19, .18, 90, 450) + arc(.5, .69, .22, .2, -90, 270)],
    [arc(.52, .32, .2, .2, 0, 360) + [(.7, .4), (.62, .88)]],
]


def any_drawing(chance):
    """One to three strokes that wander: often one digit's, sometimes two, or a dot beside one."""
    strokes = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        x, y, turn = chance.uniform(0, 280), chance.uniform(0, 280), chance.uniform(0, 7)
        stroke = [(round(x), round(y))]
        for _ in range(chance.choice((0, 3, 12, 25, 40))):
            turn += chance.uniform(-.8, .8)
            x = min(max(x + 12 * math.cos(turn), 0), 280)
            y = min(max(y + 12 * math.sin(turn), 0), 280)
            stroke.append((round(x), round(y)))
        strokes.append(stroke)
    return strokes


def saved(page, file):
    """Writes what "Save as PNG" would."""
    file.write_bytes(base64.b64decode(page.run("picture().toDataURL('image/png').split(',')[1]")))
    return file


def two_digits(chance):
    """Narrow ones, so near that most touch."""
    return [[(round(140 * x) + shift, round(280 * y)) for x, y in stroke]
            for shift in (20, 100) for stroke in chance.choice(DIGITS)]


def answer_of(page):
    return page.run("Array.from(judged().layers.at(-1))")


DASH = "A flat stroke, such as a dash, is no digit: draw one digit."
TOUCHING = "This looks like two digits that touch: draw one digit."


def refusal_of(why, strokes):
    """What predict's refusal says, where the page's words are `why`; None: predict answers."""
    if why is None:
        return None
    if why == TOUCHING:
        article = "an" if strokes[0] == 8 else "a"
        return f"found what looks like two that touch: read as one, it would be {article} {strokes[0]}, but a row " \
               f"of its pixels meets {strokes[1]:.2f} strokes"
    if why == DASH:
        return "expected one digit, found a flat stroke"
    return f"found {why.split()[0]} separate drawings"


def disagreement(why, strokes, refusal):
    """None, or how predict's line, None if there is none, differs from the page's words."""
    expected = refusal_of(why, strokes)
    agrees = refusal is None if expected is None else expected in (refusal or "")
    return None if agrees else f"'{why}', but predict says {refusal}"


JUDGED = """(({bytes, why, strokes, layers}) => ({
  bytes: bytes ? Array.from(bytes) : null, why: why ?? null,
  strokes: layers ? [classOf(layers.at(-1)), strokes.met] : null}))(judged())"""


# ---- the statements


def answers_agree(report, main, folder, page, name, flags, images, pixels):
    model, html = trained(main, folder, name, flags)
    run(main, "export", "--load", model, "--html", html)
    page.open(html)
    ours = page.run(f"(() => {{ const all = Uint8Array.from(atob('{base64.b64encode(pixels).decode()}'), "
                    f"(c) => c.charCodeAt(0)), answers = []; for (let i = 0; i < {IMAGES}; ++i) answers.push("
                    "Array.from(layersOf(network, parameters, all.subarray(784 * i, 784 * i + 784)).at(-1)));"
                    "return answers; })()")
    theirs = probabilities(main, model, images)
    report.check(f"{name}: {IMAGES} test images are answered as predict does", difference(ours, theirs))
    return model, html, ours, theirs


def half_agrees(report, main, folder, page, images, pixels):
    name = "half precision"
    model, html, ours, exact = answers_agree_for_half(main, folder, page, name, images, pixels)
    size = html.stat().st_size
    report.check(f"{name}: {size} bytes, at most 1.5 MB", None if size <= 1.5e6 else "more")
    report.check(f"{name}: as predict answers with the rounded network",
                 difference(ours, probabilities(main, rounded_to_half(model), images)))
    report.check(f"{name}: the page says so", None if "half precision" in page.run("document.body.innerText") else "no")
    report.check(f"{name}: without rounding, the answers would differ",
                 None if difference(ours, exact) else "they do not, so this test would see nothing")


def answers_agree_for_half(main, folder, page, name, images, pixels):
    quiet = Report()
    quiet.check = lambda statement, error: None
    return answers_agree(quiet, main, folder, page, name, ["-n", "400"], images, pixels)


def strokes_agree(report, main, folder, page, model):
    """Ten digits, drawn with every kind of pointer, are saved, and predict reads the pictures."""
    page.window(1200, 900)
    box = page.run("(({left, top, width}) => [left, top, width])(part('pad').getBoundingClientRect())")
    ours, files, judged = [], [], []
    for c, strokes in enumerate(DIGITS):
        page.run("setStrokes([])")
        for stroke in strokes:
            page.drag([(box[0] + box[2] * x, box[1] + box[2] * y) for x, y in stroke], ("mouse", "pen", "touch")[c % 3])
        ours.append(answer_of(page))
        files.append(saved(page, folder / f"{c}.png"))
        judged.append(page.run(JUDGED))
    refused = refusals(main, model, *files)
    wrong = [f"digit {c}: {words}" for c, (one, file) in enumerate(zip(judged, files))
             if (words := disagreement(one["why"], one["strokes"], refused.get(file.name)))]
    answered = [c for c, file in enumerate(files) if file.name not in refused]
    report.check("digits drawn by mouse, pen and finger are answered, or refused, as predict does their pictures",
                 "; ".join(wrong) or difference([ours[c] for c in answered],
                                                probabilities(main, model, *(files[c] for c in answered))))
    read = [answer.index(max(answer)) if c in answered else "refused" for c, answer in enumerate(ours)]
    right = sum(c == answer for c, answer in enumerate(read))
    report.check("most of the ten are read right", None if right >= 8 else f"read as {read}")


def preparation_agrees(report, main, folder, page, model, count=60):
    """Drawings of any kind: the same 28 x 28 bytes, and an answer or the same refusal."""
    chance = random.Random(17)
    wrong, stages = [], folder / "stages"
    files, ours = [], []
    for i in range(count):
        drawing = two_digits(chance) if i % 6 == 0 else any_drawing(chance)
        page.run(f"setStrokes({json.dumps(drawing)})")
        ours.append(page.run(JUDGED))
        files.append(saved(page, folder / f"any{i}.png"))
    subprocess.run([main, "predict", "--load", model, "--explain", stages, *files], capture_output=True)
    refused = refusals(main, model, *files)
    for i, (one, file) in enumerate(zip(ours, files)):
        if words := disagreement(one["why"], one["strokes"], refused.get(file.name)):
            wrong.append(f"drawing {i}: {words}")
        elif one["bytes"] is not None:
            bytes_there = bytes_of_png((stages / f"any{i}-6-input.png").read_bytes())
            if bytes(one["bytes"]) != bytes_there:
                wrong.append(f"drawing {i}: {sum(a != b for a, b in zip(one['bytes'], bytes_there))} bytes differ")
    touching = sum(one["why"] == TOUCHING for one in ours)
    apart = len(refused) - touching
    report.check(f"{count - apart} drawings of any kind are prepared to predict's very bytes; {apart} that stand apart "
                 f"and {touching} that may touch are refused by both",
                 "; ".join(wrong[:3]) or (None if min(apart, touching, count - len(refused)) >= count / 20
                                          else "too few of a kind to tell"))


def limits_are_of_digits(report, page):
    """The page carries the program's limits; another limit would change what it says."""
    page.run("setStrokes([[[60, 40], [60, 240]], [[60, 140], [220, 140]], "
             "[[140, 40], [140, 240]], [[220, 40], [220, 240]]])")
    seen = page.run("judged().why ?? null")
    page.run("network.most_crowding = []")
    report.check("two digits that touch are refused in words, and without limits nothing is",
                 unlike((seen, page.run("judged().why ?? null")), (TOUCHING, None)))


def space_while_drawing(page):
    """How many strokes there are of one that a mouse draws meanwhile."""
    page.run("setStrokes([])")
    x, y = page.run("(({left, top}) => [left + 50, top + 50])(part('pad').getBoundingClientRect())")
    mouse = lambda kind, by: page.send("Input.dispatchMouseEvent", type=kind, x=x + by, y=y, button="left",
                                       buttons=int(kind != "mouseReleased"), clickCount=1)
    mouse("mousePressed", 0)
    page.key(" ")
    mouse("mouseMoved", 60)
    mouse("mouseReleased", 60)
    return page.run("strokes.length")


def lines_of_certainty(page):
    """How many lines a bar's "100.0 %" takes, in a font whose letters are wider than those of most."""
    page.run("part('bars').style.font = '1.2em monospace'")
    page.run("showAnswer([1, 0, 0, 0, 0, 0, 0, 0, 0, 0])")
    lines = page.run("(() => { const text = document.createRange();"
                     "text.selectNodeContents(part('bars').firstChild.children[2]);"
                     "return text.toString() === '100.0 %' ? text.getClientRects().length : text.toString(); })()")
    page.run("part('bars').style.font = ''")
    return lines


def page_serves(report, page):
    """Without a mouse and without eyes; and nothing comes from anywhere else."""
    page.open(page.run("location.pathname"))
    said = lambda: page.run("new Promise((done) => setTimeout(() => done(part('sure').textContent), 400))")
    report.check("an empty page says so", unlike(said(), "Nothing is drawn yet."))
    page.run("part('pad').focus()")
    for key in ("ArrowUp",) * 8 + (" ",) + ("ArrowDown",) * 16 + (" ",):
        page.key(key)
    report.check("the keys draw a 1, and the answer is said", None if said().startswith("1, ") else said())
    shown = page.run("[...part('bars').children].map((bar) => Number(bar.children[1].style.getPropertyValue('--p')))")
    report.check("the bars show the answer", unlike(shown, answer_of(page)))
    page.key("u")
    report.check("U takes the stroke back", unlike(page.run("strokes.length"), 0))
    page.run("setStrokes([[[9, 9]], [[50, 50], [200, 200]]])")
    page.key("c")
    cleared = page.run("strokes.length")
    page.key("z", ctrl=True)
    report.check("C clears, and Ctrl+Z brings it back", unlike((cleared, page.run("strokes.length")), (0, 2)))
    page.key("z", ctrl=True, shift=True)
    page.run("part('theme').focus()")
    page.key("u")
    page.key("c")
    report.check("Ctrl+Shift+Z, and letters outside the drawing area, change nothing",
                 unlike(page.run("strokes.length"), 2))
    report.check("Space does nothing while a pointer draws", unlike(space_while_drawing(page), 1))
    report.check("100.0 % takes one line, in a wide font too", unlike(lines_of_certainty(page), 1))
    page.run("setStrokes([[[30, 30], [30, 250]], [[250, 30], [250, 250]]])")
    report.check("two drawings are refused in words", unlike(said(), "2 drawings that stand apart: draw one digit."))
    page.run("setStrokes([[[40, 140], [240, 150]]])")
    report.check("a dash is refused in words", unlike(said(), DASH))
    theme = lambda: page.run("document.documentElement.dataset.theme")
    page.window(1200, 900, dark=True)
    dark = theme()
    page.run("part('theme').click()")
    report.check("dark and light follow the system and the switch", unlike((dark, theme()), ("dark", "light")))
    report.check("the page loads nothing", unlike([url for url in page.requests if not url.startswith("file:")], []))
    report.check("no script fails", unlike(page.errors, []))


def leave_pictures(page, html, folder):
    folder.mkdir(parents=True, exist_ok=True)
    page.open(html)
    for name, width, height, dark in (("wide", 1200, 900, False), ("wide-dark", 1200, 900, True),
                                      ("narrow", 390, 844, False), ("narrow-dark", 390, 844, True)):
        page.window(width, height, dark)
        page.run(f"setStrokes({json.dumps([[[round(280 * v) for v in p] for p in s] for s in DIGITS[3]])})")
        page.run("new Promise((done) => setTimeout(done, 500))")
        page.picture(folder / f"{name}.png")


def main():
    if len(sys.argv) not in (2, 3):
        print("usage: tests/browser/browser.py MAIN [PICTURES], for example ./main", file=sys.stderr)
        sys.exit(2)
    program, report = sys.argv[1], Report()
    if chromium.program() is None:
        required = os.environ.get("REQUIRE_INTEROP") == "1"
        print(f"{'FAIL' if required else 'SKIP'}  everything here: Chromium is not installed")
        print(f"0 passed, {int(required)} failed, {int(not required)} skipped")
        sys.exit(required)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        images, pixels = first_images(folder)
        page = chromium.Page(os.devnull)
        models = {}
        for kind, flags in NETWORKS.items():
            models[kind] = answers_agree(report, program, folder, page, kind, flags, images, pixels)
        half_agrees(report, program, folder, page, images, pixels)
        model, html, *_ = models["sigmoid"]
        page.open(html)
        strokes_agree(report, program, folder, page, model)
        preparation_agrees(report, program, folder, page, model)
        limits_are_of_digits(report, page)
        page_serves(report, page)
        if len(sys.argv) == 3:
            leave_pictures(page, html, pathlib.Path(sys.argv[2]))
        page.close()
    print(f"{report.passed} passed, {report.failed} failed, 0 skipped")
    sys.exit(report.failed > 0)


if __name__ == "__main__":
    main()
