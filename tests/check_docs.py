#!/usr/bin/env python3
"""check_docs.py [--fix]: every place that docs/*.md names is there, and says what they say it does.

A place is written [`code`](../file#L12): line 12 of that file has to contain that code. --fix puts
the right number where the code is found once. Links to other files have to lead somewhere.
"""
import pathlib
import re
import sys

PLACE = re.compile(r"\[`([^`]+)`\]\(\.\./([\w./]+)#L(\d+)\)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def line_of(code, file):
    """The number of the only line that contains the code, or None and what is wrong."""
    lines = pathlib.Path(file).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if code in line]
    if len(found) != 1:
        return None, f"'{code}' is in {len(found)} lines of {file}, not in one"
    return found[0], None


def check(page, fix):
    """What is wrong in a page; mended if asked."""
    text, errors = page.read_text(), []

    def place(match):
        code, file, number = match.groups()
        line, error = line_of(code, file)
        if error is None and line != int(number) and not fix:
            error = f"'{code}' is in line {line} of {file}, not {number}; tests/check_docs.py --fix mends it"
        if error:
            errors.append(f"{page}: {error}")
        return match[0] if line is None else f"[`{code}`](../{file}#L{line})"

    mended = PLACE.sub(place, text)
    for target in LINK.findall(text):
        if not (page.parent / target).exists():
            errors.append(f"{page}: links to {target}, which is not there")
    if fix and mended != text:
        page.write_text(mended)
    return errors, len(PLACE.findall(text))


def main():
    fix = "--fix" in sys.argv[1:]
    errors, places = [], 0
    pages = sorted(pathlib.Path("docs").glob("*.md")) + [pathlib.Path("README.md")]
    for page in pages:
        wrong, count = check(page, fix)
        errors += wrong
        places += count
    for error in errors:
        print(f"FAIL  {error}")
    if places == 0:
        errors.append("nothing was checked")
        print("FAIL  docs/ names no place: nothing was checked")
    print(f"{max(0, places - len(errors))} passed, {len(errors)} failed, 0 skipped")
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
