#!/usr/bin/env python3
"""Runs test programs as on older kernels: ring_features.py PROGRAM...

Each runs without each optional feature of the ring, and without all of them (COIL_RING_WITHOUT, see runtime/README.md).
"""
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "runtime/src/ring_features.cpp"
TIME_MAX = 60  # of one program


def main(*programs):
    names = re.findall(r'^    \{"(\w+)", RingFeature::', SOURCE.read_text(), re.MULTILINE)
    failed = 0
    for without in [*names, "all"]:
        for program in programs:
            run = subprocess.run([program], env=os.environ | {"COIL_RING_WITHOUT": without}, encoding="utf-8",
                                 errors="replace", capture_output=True, timeout=TIME_MAX, stdin=subprocess.DEVNULL)
            if run.returncode != 0:
                failed += 1
                print(f"{pathlib.Path(program).name} without {without}: exit status {run.returncode}",
                      run.stdout + run.stderr, sep="\n")
    print(f"{len(programs)} programs, {len(names) + 1} ways, {failed} runs failed")
    return failed != 0 or not programs or not names


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
