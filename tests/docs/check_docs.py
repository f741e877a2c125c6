#!/usr/bin/env python3
"""Holds the documentation to the sources: links, the README's program, commands, named functions.

A page names a function as `folder/file.ext` `name`; the file must exist and must contain the name.
"""
import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`([a-z_]+(?:/[a-z0-9_]+)+\.(?:h|cpp))`\s+`([A-Za-z_:~]+)`")
COMMAND = re.compile(r"\./dev ([a-z]+)")
HELP_LINE = re.compile(r"^  ([a-z]+) ", re.MULTILINE)
CPP_BLOCK = re.compile(r"^```cpp\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def broken_links(page, text):
    for target in LINK.findall(without_code(text)):
        path = target.split("#")[0]
        if path and "://" not in path and not (page.parent / path).exists():
            yield f"{page}: link to {target}: no such file"


def missing_functions(root, page, text):
    for file, name in NAMED.findall(text):
        source = root / file
        last = name.split("::")[-1]
        if not source.is_file():
            yield f"{page}: names {file}: no such file"
        elif not re.search(rf"(?<!\w){re.escape(last)}(?!\w)", source.read_text()):
            yield f"{page}: names {name}: not in {file}"


def unknown_commands(page, text, known):
    for command in COMMAND.findall(text):
        if command not in known:
            yield f"{page}: ./dev {command}: not in ./dev help"


def different_program(root):
    readme = root / "README.md"
    program = (root / "examples/quickstart.cpp").read_text()
    if program not in CPP_BLOCK.findall(readme.read_text()):
        yield f"{readme}: no code block equals examples/quickstart.cpp"


def check(root):
    shown = subprocess.run([root / "dev", "help"], capture_output=True, text=True, check=True)
    known = set(HELP_LINE.findall(shown.stdout)) | {"help"}
    pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    faults = list(different_program(root))
    for page in pages:
        text = page.read_text()
        faults += broken_links(page, text)
        faults += missing_functions(root, page, text)
        faults += unknown_commands(page, text, known)
    return faults


if __name__ == "__main__":
    found = check(pathlib.Path(sys.argv[1]))
    print("\n".join(found) or "documentation agrees with the sources")
    sys.exit(1 if found else 0)
