#!/usr/bin/env python3
"""handout.py [FOLDER]: writes the starter code of the course to FOLDER (build/handout), and beside
it FOLDER.tar.gz.

It is this tree without its solutions. In neural_network.cpp, the lines from "// solution: NAME" to
"// end of solution" are replaced by what starter.txt has for NAME. What else would give a solution
away, or grades it, is left out: also the lines that a page has between LEFT_OUT_BEGINS and LEFT_OUT_ENDS.
README.md is the one beside this file. A page of the handout whose link leads nowhere, or that names a goal of
make which its Makefile lacks, is an error, and no handout is made. Made twice from the same tree, the archive has the same bytes. A FOLDER
that is there is replaced only if its archive shows that it is a handout which nobody has changed.
"""
import gzip
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOLVED = "neural_network.cpp"
# Planted defects quote the solution; the grader and its tests are the teacher's.
LEFT_OUT = (".ci/", "CHANGELOG.md", "bench/results/", "make/course.mk", "tests/course/", "tests/planted/",
            "tools/grader/", "tools/handout/")
LEFT_OUT_BEGINS, LEFT_OUT_ENDS = "<!-- the handout leaves this out -->\n", "<!-- until here -->\n"
PAGE_PART = re.compile(f"{LEFT_OUT_BEGINS}.*?({LEFT_OUT_ENDS}|\\Z)", re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
COMMAND = re.compile(r"(?:`|^    (?:\$ )?)make +([a-z][a-z-]*)(?=[` \n])", re.M)
GOAL = re.compile(r"^([a-z][\w. -]*):(?!=)", re.M)
SOLUTION = re.compile(r"^ *// solution: (\w+)\n.*?// end of solution\n", re.M | re.S)


def starter_texts():
    """What takes the place of each solution, by its name."""
    text = pathlib.Path(__file__).with_name("starter.txt").read_text()
    parts = re.split(r"^== (\w+)\n", text, flags=re.M)[1:]
    return {name: body.rstrip("\n") + "\n" for name, body in zip(parts[::2], parts[1::2])}


def without_solutions(text):
    """The text of neural_network.cpp with the starter in the place of its solutions."""
    texts = starter_texts()
    found = [match[1] for match in SOLUTION.finditer(text)]
    if sorted(found) != sorted(texts) or "solution" in SOLUTION.sub("", text):
        sys.exit(f"handout.py: {SOLVED} has the solutions {', '.join(found) or 'none'}, and starter.txt has "
                 f"{', '.join(texts)}: give each a text, and each marker its end")
    return SOLUTION.sub(lambda match: texts[match[1]], text)


def names():
    """The files of the handout, in order: what git knows, or what is there if this is no clone."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode == 0:
        all_names = [name for name in git.stdout.split("\0") if name]
    else:
        all_names = [str(file.relative_to(ROOT)) for file in ROOT.rglob("*") if file.is_file()]
        all_names = [name for name in all_names if not re.match(r"build/|main$|.*__pycache__/", name)]
    kept = [name for name in all_names if not name.startswith(LEFT_OUT) and (ROOT / name).is_file()]
    return sorted(kept)


def content(name):
    if name == "README.md":
        return pathlib.Path(__file__).with_name(name).read_bytes()
    data = (ROOT / name).read_bytes()
    if name == SOLVED:
        return without_solutions(data.decode()).encode()
    return PAGE_PART.sub("", data.decode()).encode() if name.endswith(".md") else data


def faults(files):
    """What the pages of a handout, {name: bytes}, name and the handout lacks."""
    makefiles = [files[name].decode() for name in files if name == "Makefile" or name.startswith("make/")]
    goals = {goal for text in makefiles for line in GOAL.findall(text) for goal in line.split()}
    found = {*files, *(str(folder) for name in files for folder in pathlib.PurePath(name).parents)}
    for name in sorted(name for name in files if name.endswith(".md")):
        text = files[name].decode()
        for link in LINK.findall(text):
            target = os.path.normpath(pathlib.PurePath(name).parent / link)
            if target not in found:
                yield f"{name} has a link to {link}, which the handout lacks"
        for goal in COMMAND.findall(text):
            if goal not in goals:
                yield f"{name} names make {goal}, which the handout's Makefile lacks"


def pack(folder):
    """An archive of a folder that depends on names, bytes and the right to execute alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = tarfile.TarInfo(f"{folder.name}/{file.relative_to(folder)}")
            entry.size = file.stat().st_size
            entry.mode = 0o755 if file.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(file.read_bytes()))
    return gzip.compress(packed.getvalue(), mtime=0)


def archive_of(folder):
    return folder.with_name(folder.name + ".tar.gz")


def is_unchanged_handout(folder):
    """Whether the folder has what the archive beside it has, and beyond that only what make has built."""
    try:
        with tarfile.open(archive_of(folder)) as archive:
            packed = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}
    except (OSError, tarfile.TarError):
        return False
    found = {f"{folder.name}/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*")
             if file.is_file() and not re.match(r"build/|main$|.*__pycache__/", str(file.relative_to(folder)))}
    return found == packed


def why_not(folder):
    """Why a handout must not be written there, or nothing."""
    if ROOT.is_relative_to(folder):
        return "is this project or has it inside"
    if any((folder / name).exists() for name in (".git", "make/course.mk")):
        return "is a clone or a whole project, and no handout"
    if folder.exists() and not is_unchanged_handout(folder):
        return f"is there, and is not what {archive_of(folder).name} beside it holds"
    return ""


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "handout").resolve()
    if fault := why_not(folder):
        print(f"handout.py: {folder} {fault}; say another folder, or remove it yourself", file=sys.stderr)
        return 2
    files = {name: content(name) for name in names()}
    if wrong := list(faults(files)):
        print("\n".join(f"handout.py: {fault}; mend the page, or mark the lines" for fault in wrong), file=sys.stderr)
        return 1
    if folder.exists():
        shutil.rmtree(folder)
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o755 if (ROOT / name).stat().st_mode & 0o100 else 0o644)
    archive = archive_of(folder)
    archive.write_bytes(pack(folder))
    print(f"# {len(files)} files in {folder}, packed in {archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
