#!/usr/bin/env python3
"""Plants bugs in copies of the tree and sees whether the tests find them: see `run`, beside this file.

The copies and their builds stay in .build-planted, so that the next time only what has changed is compiled.
"""
import concurrent.futures
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

os.environ.setdefault("CCACHE_SLOPPINESS", "pch_defines,time_macros")  # else it leaves precompiled headers alone

from bugs import BUGS

TOP = pathlib.Path(__file__).resolve().parents[2]
COPIES = TOP / ".build-planted"
NOT_COPIED = re.compile(r"^(\.build.*|\.git|\.cache|__pycache__)$")
SECONDS_MORE = 5  # that a program may take with a bug, beside twice its time without one
# A bug keeps one processor busy most of the time. With ccache a second copy costs little.
COPIES_MAX = min(4, os.cpu_count() or 1) if shutil.which("ccache") else 1


class Result:
    """How a test program ended."""

    def __init__(self, build_folder, program, seconds_max):
        self.program = program
        start = time.monotonic()
        command = [build_folder / "tests" / f"{program}_test", "--no-colors=1", "--abort-after=1"]
        try:
            run = subprocess.run(command, cwd=build_folder, stdin=subprocess.DEVNULL, capture_output=True,
                                 encoding="utf-8", errors="replace", timeout=seconds_max, start_new_session=True)
            self.passed, self.text = run.returncode == 0, run.stdout + run.stderr
        except subprocess.TimeoutExpired:
            self.passed, self.text = False, f"TEST CASE:  (does not end within {seconds_max:.0f} s)"
        self.seconds = time.monotonic() - start

    def failure(self):
        """The first test case that failed."""
        case = re.search(r"^TEST CASE: *(.*(?:\n  .*)?)", self.text, re.MULTILINE)
        return f"{self.program}: {' '.join(case.group(1).split())[:110] if case else 'ended badly'}"


class Copy:
    """A copy of the tree, and its build."""

    def __init__(self, number):
        self.tree = COPIES / str(number) / "tree"
        self.build_folder = COPIES / str(number) / "build"
        self._copy_tree()
        if not (self.build_folder / "build.ninja").exists():
            self._set_up()

    def _copy_tree(self):
        """Makes the copy what the tree is, and touches only what differs: a bug of a run that was stopped, too."""
        wanted = set()
        for folder, names, files in os.walk(TOP):
            names[:] = [name for name in names if not NOT_COPIED.match(name)]
            for name in files:
                source = pathlib.Path(folder, name)
                target = self.tree / source.relative_to(TOP)
                wanted.add(target)
                content = source.read_bytes()
                if target.is_file() and target.read_bytes() == content:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                target.chmod(source.stat().st_mode)
        for target in self.tree.rglob("*"):
            if target.is_file() and target not in wanted:
                target.unlink()

    def _set_up(self):
        # Without optimization a file compiles in half the time; one library, as the programs link it.
        options = ["--buildtype=debug", "-Ddebug=false", "-Ddefault_library=static"]
        linker = {"CXX_LD": "mold"} if shutil.which("mold") else {}  # each bug links a program or two
        subprocess.run(["meson", "setup", self.build_folder, self.tree, *options], check=True,
                       stdout=subprocess.DEVNULL, env=linker | os.environ)

    def build(self, programs):
        """Gives what the compiler said if it failed."""
        run = subprocess.run(["ninja", "-C", self.build_folder, *[f"tests/{name}_test" for name in programs]],
                             capture_output=True, encoding="utf-8", errors="replace")
        return "" if run.returncode == 0 else run.stdout[-3000:] + run.stderr[-1000:]

    def find(self, bug, seconds, whole):
        """Gives the first failure of its tests and "", or "" and why there is none."""
        path = self.tree / bug.file
        original = path.read_text()
        occurs = original.count(bug.old)
        if occurs != 1:
            return "", f"cannot be planted: what it takes out occurs {occurs} times in {bug.file}, not once"
        path.write_text(original.replace(bug.old, bug.new))
        try:
            others = [program for program in seconds if program not in bug.tests] if whole else []
            for program in [*bug.tests, *others]:
                if said := self.build([program]):
                    return "", f"cannot be planted: it does not compile\n{said}"
                result = Result(self.build_folder, program, SECONDS_MORE + 2 * seconds[program])
                if not result.passed:
                    return result.failure(), ""
            return "", f"NOT FOUND by {', '.join(bug.tests)}{' nor any other' if whole else ''}"
        finally:
            path.write_text(original)


def seconds_of_good_programs(copies, programs):
    """What each program takes without a bug; exits if one fails."""
    for copy in copies:
        if said := copy.build(programs):
            sys.exit(f"{said}\nthe tree does not compile without a bug")
    seconds = {}

    def time_one(program):
        result = Result(copies[0].build_folder, program, 300)
        if not result.passed:
            raise SystemExit(f"{result.text}\n{result.failure()}: fails without a bug")
        seconds[program] = result.seconds

    with concurrent.futures.ThreadPoolExecutor(len(copies)) as workers:
        list(workers.map(time_one, programs))
    return seconds


def find_all(copies, bugs, seconds, whole):
    """Gives how many were found."""
    # Those of a file one after the other in one copy: it is compiled once between two of them, not twice.
    by_file = [list(group) for _, group in itertools.groupby(sorted(bugs, key=lambda bug: bug.file), lambda bug: bug.file)]
    left = iter(sorted(by_file, key=len, reverse=True))  # shared by the threads
    found = []

    def work(copy):
        for group in left:
            for bug in group:
                start = time.monotonic()
                failure, why_not = copy.find(bug, seconds, whole)
                if failure:
                    found.append(bug)
                print(f"{'found' if failure else 'FAILED'}: {bug.name} ({time.monotonic() - start:.1f} s)\n"
                      f"    {failure or why_not}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(len(copies)) as workers:
        list(workers.map(work, copies))
    return len(found)


def main(arguments):
    whole = "--whole" in arguments
    wanted = [argument for argument in arguments if argument != "--whole"]
    bugs = [bug for bug in BUGS if not wanted or any(part in bug.name for part in wanted)]
    programs = {program for bug in bugs for program in bug.tests}
    if whole:
        programs |= {path.stem.removesuffix("_test") for path in TOP.glob("tests/[ir]*/*_test.cpp")}
    files = {bug.file for bug in bugs}
    copies = [Copy(number) for number in range(max(1, min(COPIES_MAX, len(files))))]
    seconds = seconds_of_good_programs(copies, sorted(programs))
    found = find_all(copies, bugs, seconds, whole)
    print(f"{len(bugs)} bugs, {found} found")
    return found != len(bugs) or not bugs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
