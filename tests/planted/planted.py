#!/usr/bin/env python3
"""Plants bugs in a copy of the tree and sees whether the tests find them: see `run`, beside this file.

The copy and its build stay in .build-planted, so that the next time only what has changed is compiled.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

from bugs import BUGS

TOP = pathlib.Path(__file__).resolve().parents[2]
COPY = TOP / ".build-planted" / "tree"
BUILD = TOP / ".build-planted" / "build"
NOT_COPIED = re.compile(r"^(\.build.*|\.git|\.cache|__pycache__)$")
SECONDS_MIN = 10  # in which a program that is fast without a bug has to end with one


def copy_tree():
    """Makes the copy what the tree is, and touches only what differs: a bug of a run that was stopped, too."""
    wanted = set()
    for folder, names, files in os.walk(TOP):
        names[:] = [name for name in names if not NOT_COPIED.match(name)]
        for name in files:
            source = pathlib.Path(folder, name)
            target = COPY / source.relative_to(TOP)
            wanted.add(target)
            content = source.read_bytes()
            if target.is_file() and target.read_bytes() == content:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(source.stat().st_mode)
    for target in COPY.rglob("*"):
        if target.is_file() and target not in wanted:
            target.unlink()


def set_up():
    copy_tree()
    if (BUILD / "build.ninja").exists():
        return
    # Without optimization a file compiles in half the time; one library, as the programs link it.
    options = ["--buildtype=debug", "-Ddebug=false", "-Ddefault_library=static"]
    subprocess.run(["meson", "setup", BUILD, COPY, *options], check=True, stdout=subprocess.DEVNULL)


def build(programs):
    """Gives what the compiler said if it failed."""
    run = subprocess.run(["ninja", "-C", BUILD, *[f"tests/{name}_test" for name in programs]],
                         capture_output=True, encoding="utf-8", errors="replace")
    return "" if run.returncode == 0 else run.stdout[-3000:] + run.stderr[-1000:]


class Result:
    """How a test program ended."""

    def __init__(self, program, seconds_max):
        self.program = program
        start = time.monotonic()
        command = [BUILD / "tests" / f"{program}_test", "--no-colors=1", "--abort-after=1"]
        try:
            run = subprocess.run(command, cwd=BUILD, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
                                 errors="replace", timeout=seconds_max, start_new_session=True)
            self.passed, self.text = run.returncode == 0, run.stdout + run.stderr
        except subprocess.TimeoutExpired:
            self.passed, self.text = False, f"TEST CASE:  (does not end within {seconds_max:.0f} s)"
        self.seconds = time.monotonic() - start

    def failure(self):
        """The first test case that failed."""
        case = re.search(r"^TEST CASE: *(.*(?:\n  .*)?)", self.text, re.MULTILINE)
        return f"{self.program}: {' '.join(case.group(1).split())[:110] if case else 'ended badly'}"


def seconds_of_good_programs(programs):
    """What each program takes without a bug; exits if one fails."""
    if said := build(programs):
        sys.exit(f"{said}\nthe tree does not compile without a bug")
    seconds = {}
    for program in programs:
        result = Result(program, 300)
        if not result.passed:
            sys.exit(f"{result.text}\n{result.failure()}: fails without a bug")
        seconds[program] = result.seconds
    return seconds


def plant(bug):
    """Gives the file as it was, or why the bug cannot be planted."""
    path = COPY / bug.file
    original = path.read_text()
    found = original.count(bug.old)
    if found != 1:
        return None, f"cannot be planted: what it takes out occurs {found} times in {bug.file}, not once"
    path.write_text(original.replace(bug.old, bug.new))
    return original, ""


def find(bug, seconds, whole):
    """Gives the first failure of its tests and "", or "" and why there is none."""
    original, why_not = plant(bug)
    if original is None:
        return "", why_not
    try:
        others = [program for program in seconds if program not in bug.tests] if whole else []
        for programs in ([bug.tests, others] if others else [bug.tests]):
            if said := build(programs):
                return "", f"cannot be planted: it does not compile\n{said}"
            for program in programs:
                result = Result(program, max(SECONDS_MIN, 5 * seconds[program]))
                if not result.passed:
                    return result.failure(), ""
        return "", f"NOT FOUND by {', '.join(bug.tests)}{' nor any other' if whole else ''}"
    finally:
        (COPY / bug.file).write_text(original)


def main(arguments):
    whole = "--whole" in arguments
    wanted = [argument for argument in arguments if argument != "--whole"]
    bugs = [bug for bug in BUGS if not wanted or any(part in bug.name for part in wanted)]
    programs = {program for bug in bugs for program in bug.tests}
    set_up()
    if whole:
        programs |= {path.stem.removesuffix("_test") for path in COPY.glob("tests/[ir]*/*_test.cpp")}
    seconds = seconds_of_good_programs(sorted(programs))
    failed = 0
    for bug in bugs:
        failure, why_not = find(bug, seconds, whole)
        failed += failure == ""
        print(f"{'found  ' if failure else 'FAILED '} {bug.name}", f"        {failure or why_not}", sep="\n", flush=True)
    print(f"{len(bugs) - failed} passed, {failed} failed")
    return failed != 0 or not bugs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
