#!/usr/bin/env python3
"""check_includes.py [--self-test]: who may include whom, and how long a file may be.

Rooms depend in one direction. It reads every #include and names file, line and rule where one goes
another way, where a file stands in no room, and where a file has more than 500 lines. --self-test
plants one wrong thing of each kind in a copy and wants it found. Exit code 1: something is wrong.
"""
import pathlib
import re
import shutil
import sys
import tempfile

# A room, and what it may include beside itself: rooms, or single files.
BELOW_TRAIN = ["base", "input", "model", "comm", "device", "reduce"]
MAY = {
    "base": [],
    "input": ["base"],
    "model": ["base"],
    "comm": ["base"],
    "device": ["base", "input/sample_set.h", "model"],
    "reduce": ["base", "model", "comm", "device/lent.h", "device/gpu/nccl.h"],
    "train": BELOW_TRAIN,
    "app": [*BELOW_TRAIN, "train", "app/report"],
    "app/report": ["base", "input", "model", "reduce", "train", "app"],
    "main": ["base", "comm", "app"],
    "bench": [*BELOW_TRAIN, "train", "app", "app/report", "tests"],
    "tests": [*BELOW_TRAIN, "train", "app", "app/report", "bench"],
    "tools": [*BELOW_TRAIN, "train"],
}
TOP = {"neural_network": "train", "gpu_func": "device", "mnist_reader": "input", "main": "main"}
# What comes from outside stands in one place of the product.
OUTSIDE = {"mpi.h": "src/comm/", "cuda_runtime.h": "src/device/gpu/runtime.h",
           "CLI/": "src/app/cli/command_line.cpp", "nlohmann/": "src/base/json.cpp", "csv.h": "src/input/csv_rows.cpp"}
# For a compiler that is not nvcc, the kernel runner stands in for CUDA.
BY_NAME = {("src/device/gpu/runtime.h", "tests/gpuhost/gpuhost.h"),
           ("src/device/gpu/ptx.h", "tests/gpuhost/gpuhost_ptx.h")}
SEARCHED = ("", "src", "tests/gpuhost")
LONGEST = 500
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)')


def room_of(path):
    """The room of a path relative to the root, or None."""
    first, *rest = path.parts
    if not rest:
        return TOP.get(path.stem)
    if first == "src":
        return "app/report" if path.parts[1:3] == ("app", "report") else rest[0] if rest[0] in MAY else None
    return first if first in ("bench", "tests", "tools") else None


def edge(root, path, system, name):
    """The rule that this include breaks, or None."""
    room = room_of(path)
    if system:
        for outside, home in OUTSIDE.items():
            if name.startswith(outside) and room not in ("bench", "tests", "tools") and not str(path).startswith(home):
                return f"<{name}> is included in {home} alone"
        return None
    target = next((pathlib.Path(folder, name) for folder in (*SEARCHED, path.parent)
                   if (root / folder / name).is_file()), None)
    if target is None:
        return f'"{name}" is a file neither of the root nor of src'
    inside = str(target).removeprefix("src/")
    if room_of(target) in (room, *MAY[room]) or inside in MAY[room] or (str(path), str(target)) in BY_NAME:
        return None
    return f"{room} may include {', '.join(MAY[room]) or 'no other room'}, not {inside}"


def faults(root):
    """Yields 'file:line: rule' for every rule that is broken."""
    files = [p for pattern in ("*.*", "src/**/*.*", "bench/**/*.*", "tests/**/*.*", "tools/**/*.*")
             for p in root.glob(pattern) if p.suffix in (".cpp", ".h", ".cu", ".py", ".sh")]
    for file in sorted(files):
        path = file.relative_to(root)
        lines = file.read_text().splitlines()
        if len(lines) > LONGEST:
            yield f"{path}:{LONGEST + 1}: a file has at most {LONGEST} lines, this one {len(lines)}"
        if file.suffix in (".py", ".sh"):
            continue
        if room_of(path) is None:
            yield f"{path}:1: this file is in no room (known: {', '.join(MAY)})"
            continue
        for number, line in enumerate(lines, 1):
            if (match := INCLUDE.match(line)) and (rule := edge(root, path, match[1] == "<", match[2])):
                yield f"{path}:{number}: {rule}"


PLANTED = {  # a file that is added or made longer, the text, and what has to be said of it
    "src/base/text.cpp": ('#include "comm/comm.h"\n', "base may include no other room"),
    "src/device/replica.h": ('#include "neural_network.h"\n', "device may include"),
    "src/app/report/page.cpp": ('#include "comm/comm.h"\n', "app/report may include"),
    "src/train/cores.cpp": ("#include <mpi.h>\n", "<mpi.h> is included in src/comm/ alone"),
    "src/attic/old.cpp": ("int old;\n", "in no room"),
    "tools/long.py": ("#\n" * (LONGEST + 1), "at most"),
}


def self_test(root):
    """Whether everything planted is found, and nothing else becomes wrong by it."""
    before, missed = set(faults(root)), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for top in ("src", "bench", "tests", "tools"):
            shutil.copytree(root / top, copy / top, ignore=shutil.ignore_patterns("results", "corpus"))
        for file in root.glob("*.*"):
            if file.is_file():
                shutil.copy(file, copy)
        for name, (text, rule) in PLANTED.items():
            file = copy / name
            file.parent.mkdir(exist_ok=True)
            kept = file.read_text() if file.exists() else ""
            file.write_text(kept + text)
            new = [fault for fault in faults(copy) if fault.startswith(f"{name}:") and fault not in before]
            if len(new) != 1 or rule not in new[0]:
                print(f"planted in {name}: wanted one fault that says '{rule}', found {new}")
                missed += 1
            file.write_text(kept)
            if not kept:
                file.unlink()
    print(f"{len(PLANTED) - missed} passed, {missed} failed, 0 skipped")
    return missed


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent.parent
    if "--self-test" in sys.argv[1:]:
        sys.exit(self_test(here) > 0)
    found = list(faults(here))
    print("\n".join(found) if found else "every include goes the right way")
    sys.exit(bool(found))
