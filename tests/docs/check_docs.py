#!/usr/bin/env python3
"""Holds the documentation to the sources: links, programs, commands, named functions, output.

usage: check_docs.py ROOT              all pages
       check_docs.py ROOT PAGE PROGRAM what the page's text blocks show, PROGRAM prints

A page names a function as `folder/file.ext` `name`; the file must exist and must contain the name.
Its C++ stands, line by line, in an example or in a test of the same subject.
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
TEXT_BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = ("examples/*.cpp", "tests/testkit/guide_test.cpp", "tests/config/config_test.cpp")


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


def lines_of(text):
    """The text without what its place in a file adds: indentation and empty lines."""
    return "".join(line.strip() + "\n" for line in text.splitlines() if line.strip())


def programs_of_nobody(page, text, programs):
    for block in CPP_BLOCK.findall(text):
        if not any("\n" + lines_of(block) in "\n" + program for program in programs):
            first = block.strip().splitlines()[0]
            yield f"{page}: the program at `{first}` is in no example or test"


def check_output(page, program):
    """Numbers may differ; a line `...` stands for what is left out."""
    def shape(line):
        return re.sub(r"\d+", "0", line.strip())
    run = subprocess.run([program], capture_output=True, text=True, check=True)
    printed = {shape(line) for line in run.stdout.splitlines()}
    for block in TEXT_BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            if shape(line) not in printed | {"...", ""}:
                yield f"{page}: {program.name} does not print: {line}"


def check(root):
    shown = subprocess.run([root / "dev", "help"], capture_output=True, text=True, check=True)
    known = set(HELP_LINE.findall(shown.stdout)) | {"help"}
    pages = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    programs = [lines_of(path.read_text()) for each in PROGRAMS for path in root.glob(each)]
    faults = list(different_program(root))
    for page in pages:
        text = page.read_text()
        faults += broken_links(page, text)
        faults += missing_functions(root, page, text)
        faults += unknown_commands(page, text, known)
        faults += programs_of_nobody(page, text, programs)
    return faults


if __name__ == "__main__":
    arguments = [pathlib.Path(each) for each in sys.argv[1:]]
    if len(arguments) == 3:
        found = list(check_output(arguments[0] / arguments[1], arguments[2]))
    else:
        found = check(arguments[0])
    print("\n".join(found) or "documentation agrees with the sources")
    sys.exit(1 if found else 0)
