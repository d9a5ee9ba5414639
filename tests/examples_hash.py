#!/usr/bin/env python3
"""Checks what hash_files and pool_hash promise: examples_hash.py PROGRAM..."""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys

from example_check import expect, main, output_until, run, step

SIZES = [0, 1, 55, 56, 63, 64, 65, 119, 120, 4095, 4096, 16383, 16385, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3_000_001]
NAMES = ["plain", "with space", "back\\slash", "new\nline", "carriage\rreturn", "ünïcode", "*", "-x", "n" * 200]


def tree(folder):
    """A folder with files of all kinds, and what sha256sum prints for them."""
    top = folder / "top"
    deep = top.joinpath(*["deep"] * 40)
    deep.mkdir(parents=True)
    (top / "empty").mkdir()
    for size in SIZES:
        (top / f"size-{size}").write_bytes(os.urandom(size))
    for number, name in enumerate(NAMES):
        (deep / name).write_text(str(number), encoding="utf-8")
    for number in range(300):
        (top / "empty" / f"many-{number}").write_text(str(number), encoding="utf-8")
    (top / "link").symlink_to("size-1")
    (top / "link-to-folder").symlink_to("deep")
    (top / "link-to-nothing").symlink_to("nothing")
    os.mkfifo(top / "fifo")
    return top


def expected(top, cwd=None):
    printed = run("find", top, "-type", "f", "-exec", "sha256sum", "{}", "+", cwd=cwd)
    return sorted(printed.stdout.split("\n"))


def own_name(name):
    return name.removesuffix("_plain")


@step("prints what sha256sum prints, for files of every size and name")
def same_lines(programs, folder):
    top = tree(folder)
    right = expected(top)
    expect(len(right) == len(SIZES) + len(NAMES) + 301, f"sha256sum itself gives {len(right)} lines")
    for name, program in programs.items():
        done = run(program, top)
        expect(done.returncode == 0 and done.stderr == "", f"{name}: exit {done.returncode}: {done.stderr}")
        expect(sorted(done.stdout.split("\n")) == right, f"{name}: other lines than sha256sum")


@step("paths are printed as find prints them, and sha256sum --check takes them")
def relative(programs, folder):
    tree(folder)
    (folder / "to-top").symlink_to("top")
    for name, program in programs.items():
        for path in ("top", "./top", "top/", "."):
            done = run(program, path, cwd=folder)
            expect(sorted(done.stdout.split("\n")) == expected(path, folder), f"{name} {path}: other lines")
        expect(run(program, "to-top", cwd=folder).stdout.count("\n") == len(expected("top", folder)) - 1,
               f"{name}: a link that is given is not followed")
        check = subprocess.run(["sha256sum", "--check", "--quiet"], input=done.stdout, encoding="utf-8", cwd=folder,
                               capture_output=True, check=False)
        expect(check.returncode == 0, f"{name}: {check.stderr}")


@step("a missing folder and what is no folder are named, exit status 1")
def missing(programs, folder):
    (folder / "file").write_text("x")
    for name, program in programs.items():
        for path, reason in (("missing", "No such file or directory"), ("file", "Not a directory")):
            done = run(program, folder / path)
            expect(done.returncode == 1 and done.stdout == "", f"{name}: {done}")
            expect(done.stderr == f"{own_name(name)}: {folder / path}: {reason}\n", f"{name}: says {done.stderr!r}")


@step("what cannot be read is named, the others are done, exit status 1")
def unreadable(programs, folder):
    for path in ("closed-file", "readable"):
        (folder / path).write_text(path)
    (folder / "closed-folder").mkdir()
    (folder / "closed-file").chmod(0)
    (folder / "closed-folder").chmod(0)
    folder.chmod(0o755)
    as_nobody = []
    if os.geteuid() == 0:
        as_nobody = ["setpriv", "--reuid=65534", "--clear-groups"]
        if shutil.which("setpriv") is None or run(*as_nobody, "true").returncode != 0:
            print("  root may read everything, and cannot become somebody else here: not tried")
            return
    for name, program in programs.items():
        copy = shutil.copy(program, folder.parent / f"{folder.name}-{name}")  # where the other user may run it
        done = run(*as_nobody, copy, folder)
        os.unlink(copy)
        for path in ("closed-file", "closed-folder"):
            expect(f"{own_name(name)}: {folder / path}: Permission denied\n" in done.stderr, f"{name}: says {done.stderr!r}")
        expect(done.stderr.count("\n") == 2, f"{name}: says {done.stderr!r}")
        expect(done.returncode == 1, f"{name}: exit {done.returncode}")
        right = hashlib.sha256(b"readable").hexdigest()
        expect(done.stdout == f"{right}  {folder / 'readable'}\n", f"{name}: prints {done.stdout!r}")
    (folder / "closed-folder").chmod(0o700)


@step("an output that takes nothing is an error in one line")
def full_output(programs, folder):
    tree(folder)
    for name, program in programs.items():
        done = run("sh", "-c", 'exec "$0" "$1" >/dev/full', program, folder)
        expect(done.returncode == 1, f"{name}: exit {done.returncode}")
        expect("No space left" in done.stderr and done.stderr.count("\n") == 1, f"{name}: says {done.stderr!r}")


@step("a terminal, and nothing else, gets a progress bar")
def progress(programs, folder):
    tree(folder)
    for name, program in programs.items():
        process, seen = output_until([program, folder / "top"], " files")
        expect(" of " in seen and "[" in seen, f"{name}: shows {seen!r}")
        process.kill()
        process.wait()
        expect("\033" not in run(program, folder / "top").stdout, f"{name}: shows it in a pipe")


@step("SIGINT ends it with 130")
def interrupted(programs, folder):
    os.truncate(os.open(folder / "sparse", os.O_CREAT | os.O_WRONLY), 1 << 40)
    for name, program in programs.items():
        process, _ = output_until([program, folder], " files")
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=60)
        expect(status == 130, f"{name}: exit {status} instead of 130")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
