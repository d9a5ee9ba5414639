#!/usr/bin/env python3
"""Checks that the tests exist which runtime/README.md names for what coil guarantees: promises.py TOP"""
import pathlib
import re
import sys

CASE = re.compile(r'^(?:TEST_CASE|[A-Z_]*_TEST)\(\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)


def main(top):
    top = pathlib.Path(top)
    text = (top / "runtime/README.md").read_text()
    section = re.search(r"^## What coil guarantees\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section[1] if section else "", re.MULTILINE)[1:]
    known = {name for file in top.glob("tests/*/*_test.cpp") for name in CASE.findall(file.read_text())}
    findings = [] if len(rows) >= 15 else [f"only {len(rows)} promises found"]
    for promise, held_by in rows:
        names = re.findall(r"`([^`]+)`", held_by)
        findings += [f"no test is named: {promise}"] * (not names)
        findings += [f"there is no test {name!r}: {promise}" for name in names if name not in known]
    print(*findings, sep="\n")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
