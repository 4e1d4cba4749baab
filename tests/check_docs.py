#!/usr/bin/env python3
"""check_docs.py [--fix]: what the pages say of the source is there.

A page names a place in a file in one of two ways. [`name()`](file) is a function: the file has to
define it exactly once. [`code`](file) is a quotation: the file has to contain it exactly once, and
white space does not count. So an edit elsewhere in the file breaks no link. --fix corrects a link
whose function or quotation is in another source file now, if only one file has it. Look at what
--fix changed: another function may have the same name.

Every other link has to lead somewhere, and every path below a folder of the project has to exist.
Where a name in it is in capitals, as in src/app/NAME.cpp, the folder before that name has to exist.
"""
import pathlib
import re
import sys

PLACE = re.compile(r"\[`([^`]+)`\]\(([\w./]+\.(?:h|cpp|cu))\)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PATH = re.compile(r"(?<![\w./-])((?:src|tests|tools|make|bench|docs|data|\.ci)/[\w.*/-]*[\w*])")
PATTERN = re.compile(r"\b[A-Z]{2,}\b(?!\.md)")
SOURCES = ("*.h", "*.cpp", "*.cu", "src/**/*.h", "src/**/*.cpp", "src/**/*.cu")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "*/README.md", "docs/*.md")


def definitions(name, text):
    """How often a text defines a function: its name, its parameters, and then a body."""
    text = re.sub(r"//.*", "", text)
    count = 0
    for match in re.finditer(rf"(?<![\w:]){re.escape(name)}\(", text):
        depth, end = 1, match.end()
        while depth > 0 and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        count += bool(re.match(r"(\s|const\b|noexcept\b|override\b)*\{", text[end:]))
    return count


def quotations(code, text):
    """How often a text contains some code, white space aside."""
    return " ".join(text.split()).count(" ".join(code.split()))


def occurrences(place, text):
    return definitions(place[:-2], text) if place.endswith("()") else quotations(place, text)


def sources_with(place):
    """The source files in which a place is found exactly once."""
    files = sorted({file for pattern in SOURCES for file in pathlib.Path(".").glob(pattern)})
    return [file for file in files if occurrences(place, file.read_text()) == 1]


def check_place(page, place, target):
    """What is wrong with a link to a place, or None; and the target that it should have."""
    file = page.parent / target
    count = occurrences(place, file.read_text()) if file.is_file() else 0
    if count == 1:
        return None, target
    found = sources_with(place)
    error = f"{page}: {target} has `{place}` {count} times, not once"
    if len(found) != 1:
        return error, target
    moved = "../" * (len(page.parts) - 1) + str(found[0])
    return f"{error}; it is in {found[0]} (--fix corrects the link)", moved


def check_paths(page, text):
    """What a page names below a folder of the project and is not there."""
    for path in sorted(set(PATH.findall(text))):
        pattern = PATTERN.search(path)
        wanted = path[: pattern.start()].rpartition("/")[0] if pattern else path
        if not any(pathlib.Path(".").glob(wanted)):
            yield f"{page}: names {path}, which is not there"


def check_page(page, fix):
    """What is wrong in a page, after correction if asked; and how many places it names."""
    text, errors = page.read_text(), []

    def corrected(match):
        error, target = check_place(page, *match.groups())
        if error and not (fix and target != match[2]):
            errors.append(error)
        return f"[`{match[1]}`]({target})" if fix else match[0]

    new_text = PLACE.sub(corrected, text)
    if new_text != text:
        page.write_text(new_text)
    for target in LINK.findall(new_text):
        if not (page.parent / target).exists():
            errors.append(f"{page}: links to {target}, which is not there")
    errors += check_paths(page, new_text)
    return errors, len(PLACE.findall(text))


def check_itself():
    """This program has to see what is wrong before it may say that nothing is."""
    text = "int f(int (*g)(int)) const {\n  return f(1);\n}\nint f(int);\nint X::f() { if (h(2)) {} }\n"
    assert [definitions(name, text) for name in ("f", "X::f", "h", "g")] == [1, 1, 0, 0]
    assert definitions("f", text + "void f() {}") == 2 and definitions("f", "// f() {") == 0
    assert quotations("return  f(1);", text) == 1 and quotations("f(2)", text) == 0
    page = pathlib.Path("docs/page.md")
    assert check_place(page, "no_such_function()", "../main.cpp")[0]
    assert list(check_paths(page, "`src/no_such_file.h`")) and not list(check_paths(page, "tests/NAME.cpp"))


def main():
    check_itself()
    errors, places = [], 0
    for page in sorted({page for pattern in PAGES for page in pathlib.Path(".").glob(pattern)}):
        wrong, count = check_page(page, "--fix" in sys.argv[1:])
        errors += wrong
        places += count
    if places == 0:
        errors.append("the pages name no place: nothing was checked")
    for error in errors:
        print(f"FAIL  {error}")
    print(f"{max(0, places - len(errors))} passed, {len(errors)} failed, 0 skipped")
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()
