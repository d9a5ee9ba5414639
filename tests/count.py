#!/usr/bin/env python3
"""Sums up a run of `meson test`: count.py BUILD_FOLDER [EXIT_STATUS_OF_MESON].

A doctest program counts as many as it ran test cases, a script as one. A program that ended badly although none
of its cases failed (a crash, a time-out, a leak found at its end) is one failure more. Prints each failure by
name, what was skipped, and last `N passed, N failed`. Exits with 1 if anything failed or nothing ran.
"""
import json
import pathlib
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases: *(\d+) \| *(\d+) passed \| *(\d+) failed", re.MULTILINE)
COLOUR = re.compile("\x1b\\[[0-9;]*m")


def count(run):
    """How many passed and failed of one program."""
    ok = run["result"] in ("OK", "EXPECTEDFAIL")
    summary = DOCTEST.findall(COLOUR.sub("", run.get("stdout") or ""))
    if not summary:
        return (1, 0) if ok else (0, 1)
    passed = sum(int(row[1]) for row in summary)
    failed = sum(int(row[2]) for row in summary)
    if not ok and failed == 0:
        failed = 1
    return passed, failed


def main(build, status="0"):
    total_passed = total_failed = 0
    for log in sorted(pathlib.Path(build, "meson-logs").glob("*.json")):
        for line in log.read_text(errors="replace").splitlines():
            run = json.loads(line)
            if run["result"] in ("SKIP", "IGNORED"):
                print(f"skipped: {run['name']}")
                continue
            passed, failed = count(run)
            if failed:
                print(f"failed: {run['name']} ({run['result'].lower()}, {failed} of {passed + failed})")
            total_passed += passed
            total_failed += failed
    if status != "0" and total_failed == 0:
        total_failed = 1  # a build that failed, or an argument that meson does not know
    print(f"{total_passed} passed, {total_failed} failed", flush=True)
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
