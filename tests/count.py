#!/usr/bin/env python3
"""Sums up a run of `meson test`: count.py BUILD_FOLDER [EXIT_STATUS_OF_MESON].

A doctest program counts as many as it ran test cases, a script as one. A program that ended badly although none
of its cases failed (a crash, a time-out, a leak found at its end) is one failure more. Prints each failure by
name, what was skipped, what the tests themselves have counted (lines of `count: N WHAT`; with COIL_LONG in the
environment by kind), and last `N passed, N failed`. Exits with 1 if anything failed or nothing ran.
"""
import collections
import json
import os
import pathlib
import re
import sys

DOCTEST = re.compile(r"\[doctest\] test cases: *(\d+) \| *(\d+) passed \| *(\d+) failed", re.MULTILINE)
COUNTED = re.compile(r"^count: (\d+) (.+)$", re.MULTILINE)
FAULT = "faults: "
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


def print_counted(counted):
    """What tests have counted, added up; each kind of fault by itself only in the long form."""
    faults = {name.removeprefix(FAULT): number for name, number in counted.items() if name.startswith(FAULT)}
    for name, number in sorted(counted.items()):
        if not name.startswith(FAULT) and (" of " not in name or "COIL_LONG" in os.environ):
            print(f"{number:>12,} {name}")
    if not faults:
        return
    rarest = min(faults, key=faults.get)
    print(f"{sum(faults.values()):>12,} faults of {len(faults)} kinds, the rarest {faults[rarest]:,} times ({rarest})")
    if "COIL_LONG" in os.environ:
        for name, number in sorted(faults.items()):
            print(f"{number:>16,} {name}")


def main(build, status="0"):
    total_passed = total_failed = 0
    counted = collections.Counter()
    for log in sorted(pathlib.Path(build, "meson-logs").glob("*.json")):
        for line in log.read_text(errors="replace").splitlines():
            run = json.loads(line)
            if run["result"] in ("SKIP", "IGNORED"):
                print(f"skipped: {run['name']}")
                continue
            passed, failed = count(run)
            for number, what in COUNTED.findall(run.get("stdout") or ""):
                counted[what] += int(number)
            if failed:
                print(f"failed: {run['name']} ({run['result'].lower()}, {failed} of {passed + failed})")
            total_passed += passed
            total_failed += failed
    print_counted(counted)
    if status != "0" and total_failed == 0:
        total_failed = 1  # a build that failed, or an argument that meson does not know
    print(f"{total_passed} passed, {total_failed} failed", flush=True)
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
