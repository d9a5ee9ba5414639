#!/usr/bin/env python3
"""Checks that README.md shows what is in the tree: readme.py TOP PROGRAM

Its first ```cpp block is examples/gather_three_workers.cpp, its ```text block what PROGRAM, which was built from that,
prints, times aside.
"""
import difflib
import pathlib
import re
import subprocess
import sys

TIME = re.compile(r"\b\d+\.\d+ s\b")


def first_block(text, language):
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def difference(expected, shown, name):
    return "".join(difflib.unified_diff(expected.splitlines(True), shown.splitlines(True), name, "README.md"))


def main(top, program):
    top = pathlib.Path(top)
    readme = (top / "README.md").read_text()
    source = (top / "examples/gather_three_workers.cpp").read_text()
    run = subprocess.run([program, "10"], text=True, capture_output=True, timeout=60)
    findings = [
        difference(source, first_block(readme, "cpp"), "examples/gather_three_workers.cpp"),
        difference(TIME.sub("T s", run.stdout), TIME.sub("T s", first_block(readme, "text")), "its output"),
        run.stderr,
    ]
    print(*filter(None, findings), sep="\n", end="")
    return any(findings) or run.returncode != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
