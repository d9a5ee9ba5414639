#!/usr/bin/env python3
"""Runs tests as on older kernels: without each optional feature of the ring, and without all of them.

  ring_features.py PROGRAM...                these programs
  ring_features.py --whole [BUILD [WAY...]]  all tests whose programs use a ring, of a build folder (.build) that is up
                                             to date; WAY: without this feature, or `all`, instead of each

COIL_RING_WITHOUT says to a program what to do without, see runtime/README.md. `sh tests/run` runs the short form.
"""
import os
import pathlib
import re
import subprocess
import sys

import count

TOP = pathlib.Path(__file__).resolve().parents[1]
SOURCE = TOP / "runtime/src/ring_features.cpp"
TIME_MAX = 60  # of one program
NO_RING = ["tree", "compiler"]  # suites whose programs have none
THIS = "older-kernels"  # the suite that is the short form


def run(program, without):
    """What a program has to say if it fails, otherwise nothing."""
    try:
        done = subprocess.run([program], env=os.environ | {"COIL_RING_WITHOUT": without}, encoding="utf-8",
                              errors="replace", capture_output=True, timeout=TIME_MAX, stdin=subprocess.DEVNULL,
                              check=False)
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"") + (expired.stderr or b"")
        return f"not ended after {TIME_MAX} s\n{said.decode(errors='replace')}"
    return "" if done.returncode == 0 else f"exit status {done.returncode}\n{done.stdout}{done.stderr}"


def run_programs(ways, programs):
    failed = 0
    for without in ways:
        for program in programs:
            if said := run(program, without):
                failed += 1
                print(f"{pathlib.Path(program).name} without {without}: {said}", flush=True)
    print(f"{len(programs)} programs, {len(ways)} ways, {failed} runs failed")
    return failed != 0 or not programs


def run_whole(ways, build=TOP / ".build"):
    """All tests but the short form of this one."""
    failed = 0
    for without in ways:
        print(f"---- without {without}", flush=True)
        for log in pathlib.Path(build, "meson-logs").glob("*.json"):
            log.unlink()
        suites = [word for suite in [*NO_RING, THIS] for word in ("--no-suite", suite)]
        command = ["meson", "test", "-C", str(build), "--no-rebuild", "--quiet", "--print-errorlogs",
                   "--timeout-multiplier", "2", *suites]
        done = subprocess.run(command, env=os.environ | {"COIL_RING_WITHOUT": without}, check=False)
        failed += count.main(build, str(done.returncode))
    print(f"the whole suite in {len(ways)} ways, {failed} of them failed")
    return failed != 0


def main(*arguments):
    names = re.findall(r'^    \{"(\w+)", RingFeature::', SOURCE.read_text(), re.MULTILINE)
    ways = [*names, "all"] if names else []
    if not ways:
        print(f"no features are found in {SOURCE}")
        return True
    if arguments[:1] == ("--whole",):
        return run_whole(arguments[2:] or ways, *arguments[1:2])
    return run_programs(ways, arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
