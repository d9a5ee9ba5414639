"""Counts instructions an operation, under valgrind, and system calls a message: python3 bench/counted.py [CASE...]

The same on a busy machine as on a quiet one, so it can tell of a change that costs 3 %. Compares with what
counted.json says for the compiler; the last line is `N passed, N failed`.
"""
import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import machine  # noqa: E402
import syscalls  # noqa: E402

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "counted.json"
TOLERANCE = 0.03  # of what is expected, and one instruction: alignment moves a few of them

# Two counts for each case: what they differ by is without the start and the end of the program.
COUNTS = {
    "spawn": (5_000, 25_000),
    "await_task": (2_000, 12_000),
    "wait_for": (1_000, 6_000),
    "yield": (5_000, 25_000),
    "chain": (5_000, 25_000),
    "queue": (2_000, 12_000),
    "lock": (5_000, 25_000),
    "gather_virtual": (1_000, 5_000),
    "cancel": (500, 2_500),
}

# System calls for a message of echo_server: connections, messages on their way on each, io_uring_enter at the most, and
# other calls at the most. One connection: an enter that sends and one that waits. Many: they share both.
SYSCALLS = {
    "echo/1x1": (1, 1, 2.02, 0.01),
    "echo/1x16": (1, 16, 0.15, 0.01),
    "echo/50x1": (50, 1, 0.2, 0.01),
}


def compiler(build):
    """Such as "g++ 12 x86_64", which the expectations are stored under."""
    line = machine.compiler(build)
    version = re.search(r"(\d+)\.\d+\.\d+", line)
    name = "clang++" if "clang" in line else "g++"
    return f"{name} {version[1] if version else '?'} {platform.machine()}"


def instructions(program, case, count):
    """How many a whole run of the program takes."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), case, str(count)]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or collected is None:
        raise RuntimeError(f"{' '.join(command)}: {run.stderr.strip().splitlines()[-1:]}")
    return int(collected[1])


def per_operation(program, case):
    few, many = COUNTS[case]
    return (instructions(program, case, many) - instructions(program, case, few)) / (many - few)


def compare(case, counted, expected):
    """True if it is no more than expected; prints the line."""
    if expected is None:
        print(f"{case:16}{counted:10.1f}   nothing is expected yet")
        return True
    room = TOLERANCE * expected + 1
    word = "MORE" if counted > expected + room else "less: run --update" if counted < expected - room else "as expected"
    print(f"{case:16}{counted:10.1f}{expected:10.1f}   {word}", flush=True)
    return word != "MORE"


def count_calls(program, case):
    """True if a message takes no more system calls than it may; prints the line."""
    connections, depth, enters_max, others_max = SYSCALLS[case]
    enters, others = syscalls.per_message(program, connections, depth)
    passed = enters <= enters_max and others <= others_max
    print(f"{case:16}{enters:8.3f} io_uring_enter a message, at most {enters_max}; {others:.3f} others, at most {others_max}"
          f"   {'as expected' if passed else 'MORE'}", flush=True)
    return passed


def parse_arguments():
    parser = argparse.ArgumentParser(description="Counts instructions an operation, under valgrind.")
    parser.add_argument("--build", metavar="FOLDER", default=HERE.parent / ".build", type=Path,
                        help="where the programs were built (default: .build)")
    parser.add_argument("--update", action="store_true", help="write what was counted to counted.json")
    parser.add_argument("case", nargs="*", help=f"default: all of {', '.join(COUNTS | SYSCALLS)}")
    arguments = parser.parse_args()
    unknown = [case for case in arguments.case if case not in COUNTS | SYSCALLS]
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; there are {', '.join(COUNTS | SYSCALLS)}")
    return arguments


def main():
    arguments = parse_arguments()
    program = arguments.build / "bench" / "coil-cases"
    server = arguments.build / "examples" / "echo_server"
    for tool in ("valgrind", "strace"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing; Debian: apt install {tool}")
    for needed in (program, server):
        if not needed.exists():
            sys.exit(f"{needed} is missing: sh .bootstrap bench-programs builds it")
    stored = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    expected = stored.setdefault(compiler(arguments.build), {})
    print(f"instructions an operation, {compiler(arguments.build)}: counted, expected")
    passed = failed = 0
    cases = arguments.case or [*COUNTS, *SYSCALLS]
    for case in [case for case in cases if case in SYSCALLS]:
        if count_calls(server, case):
            passed += 1
        else:
            failed += 1
    for case in [case for case in cases if case in COUNTS]:
        counted = per_operation(program, case)
        if compare(case, counted, None if arguments.update else expected.get(case)):
            passed += 1
        else:
            failed += 1
        expected[case] = round(counted, 1)
    if arguments.update:
        EXPECTED.write_text(json.dumps(stored, indent=2) + "\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
