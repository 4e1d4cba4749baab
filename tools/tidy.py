#!/usr/bin/env python3
"""tidy.py FILE... -- FLAG...: runs clang-tidy on sources, those of a folder as one (make lint).

Most of its time goes into the headers, so the sources of a folder are joined into one file, which
takes less than half the time. Included files would not do, as the analyzer follows no path in them.
Two sources of a folder may not have one name for two things. A stand-in has the names of what it
stands in for, and is read alone.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path("build/tidy")


def joined(sources):
    """The text of each file to read, and of each of its lines the source and the line there."""
    texts, places = {}, {}
    for source in sources:
        room = os.path.dirname(source) or "top"
        name = (source.removesuffix(".cpp") if source.endswith("absent.cpp") else room).replace("/", "-")
        with open(source, encoding="utf-8") as file:
            lines = file.readlines()
        texts.setdefault(name, []).extend(lines)
        places.setdefault(name, []).extend((source, i + 1) for i in range(len(lines)))
    return {name: "".join(lines) for name, lines in texts.items()}, places


def findings(name, places, flags):
    """What clang-tidy says of one file, with the places in the sources; empty if it finds nothing."""
    file = FOLDER / f"{name}.cpp"
    done = subprocess.run(["clang-tidy", "--quiet", "--config-file=.clang-tidy", file, "--", *flags],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return ""

    def place(match):
        source, line = places[int(match[1]) - 1]
        return f"{source}:{line}:"

    said = re.sub(rf"\S*{re.escape(str(file))}:(\d+):", place, done.stdout)
    return said or done.stderr or f"clang-tidy ended with {done.returncode}"


def main():
    cut = sys.argv.index("--")
    texts, places = joined(sys.argv[1:cut])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (FOLDER / f"{name}.cpp").write_text(text, encoding="utf-8")
    longest_first = sorted(texts, key=lambda name: -len(texts[name]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = [s for s in pool.map(lambda n: findings(n, places[n], sys.argv[cut + 1:]), longest_first) if s]
    print("".join(said), end="")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
