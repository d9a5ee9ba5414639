"""Reads or copies a file of 1 GiB: files.py CASE SYSTEM COUNT PROGRAMS

The file, bench-file beside the programs, is made once and stays; it is read before it is measured, so that the kernel
has it in memory. What a copy holds is compared with it.
"""
import filecmp
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZE = 1 << 30
PIECE = 1 << 20


def make(path):
    """Random bytes, not zeros: holes would be read without a disk."""
    if path.exists() and path.stat().st_size == SIZE:
        return
    unfinished = path.with_suffix(".part")
    with open(unfinished, "wb") as file:
        for _ in range(SIZE // PIECE):
            file.write(os.urandom(PIECE))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def warm(path):
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(PIECE)
        while file.readinto(buffer):
            pass


def program(system, programs):
    if system == "asyncio":
        return [sys.executable, HERE / "asyncio" / "files.py"]
    return [programs / "bench" / f"{system}-files"]


def copy(system, programs, path):
    target = path.with_suffix(".copy")
    try:
        if system == "cp":
            began = time.perf_counter_ns()
            subprocess.run(["cp", "--reflink=never", path, target], check=True)
            print(f"file_copy={(time.perf_counter_ns() - began) / 1e6:.9g}")
        else:
            subprocess.run([*program(system, programs), "copy", path, target], check=True)
        if not filecmp.cmp(path, target, shallow=False):
            sys.exit("the copy is not what was copied")
    finally:
        target.unlink(missing_ok=True)


def main():
    case, system, count, build = sys.argv[1:]
    programs = Path(build)
    path = programs / "bench" / "bench-file"
    make(path)
    name, _, depth = case.partition("/")
    if "direct" not in name:
        warm(path)
    sys.stdout.flush()
    if name == "file_copy":
        copy(system, programs, path)
    else:
        subprocess.run([*program(system, programs), name.removeprefix("file_"), depth, count, path], check=True)


if __name__ == "__main__":
    main()
