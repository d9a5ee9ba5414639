#!/usr/bin/env python3
"""Checks what copy_file promises: examples_copy_file.py PROGRAM"""
import os
import pathlib
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

from example_check import expect, main, run, step

SIZES = [0, 1, 4095, 4096, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, (3 << 20) + 7]


def content(size):
    """Bytes in which every place can be told from the others."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


def make(path, size=1000):
    path.write_bytes(content(size))
    return path


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def check_success(done, size):
    expect(done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
    expect(done.stderr == "", f"says {done.stderr!r} on stderr")
    printed = re.fullmatch(r"(\d+) bytes in \d+\.\d\d s, \d+ MiB/s\n", done.stdout)
    expect(printed and int(printed[1]) == size, f"prints {done.stdout!r} for {size} bytes")


def check_failure(done, *words):
    expect(done.returncode == 1, f"exit {done.returncode} instead of 1: {done.stdout}{done.stderr}")
    expect(done.stdout == "", f"prints {done.stdout!r}")
    expect(done.stderr.count("\n") == 1, f"says {done.stderr!r} instead of one line")
    for word in words:
        expect(str(word) in done.stderr, f"does not say {word}: {done.stderr}")


@step("copies files of every size")
def sizes(programs, folder):
    for size in SIZES:
        source, target = make(folder / "from", size), folder / f"to-{size}"
        check_success(run(programs["copy_file"], source, target), size)
        same = subprocess.run(["cmp", source, target], capture_output=True).returncode == 0
        expect(same, f"{size} bytes are not the same afterwards")


@step("gives a new file the mode of the old one, and an existing one keeps its own")
def modes(programs, folder):
    source = make(folder / "from")
    source.chmod(0o640)
    run(programs["copy_file"], source, folder / "new")
    expect(stat.S_IMODE((folder / "new").stat().st_mode) == 0o640, "the new file has another mode")
    make(folder / "there").chmod(0o604)
    run(programs["copy_file"], source, folder / "there")
    expect(stat.S_IMODE((folder / "there").stat().st_mode) == 0o604, "the existing file has another mode now")


@step("replaces an existing file whole: whoever has the old one open goes on reading that")
def replaces(programs, folder):
    source, target = make(folder / "from", 100), make(folder / "to", 5000)
    with target.open("rb") as old:
        check_success(run(programs["copy_file"], source, target), 100)
        expect(old.read() == content(5000), "the old file was written over")
    expect(target.read_bytes() == content(100), "the new file is not the source")
    expect(left_in(folder) == ["from", "to"], f"leaves {left_in(folder)}")


@step("takes paths relative to where it is started, with odd names")
def odd_names(programs, folder):
    for name in ("to", "with space", "with\nnewline", "*", "ünïcode", "n" * 200):
        make(folder / "from", 10)
        check_success(run(programs["copy_file"], "from", name, cwd=folder), 10)
        expect((folder / name).read_bytes() == content(10), f"{name!r} is not the source")
        expect(left_in(folder) == sorted(["from", name]), f"leaves {left_in(folder)}")
        (folder / name).unlink()


@step("takes a name as long as the file system allows")
def longest_name(programs, folder):
    name = "n" * os.pathconf(folder, "PC_NAME_MAX")
    check_success(run(programs["copy_file"], make(folder / "from", 10), folder / name), 10)
    expect(left_in(folder) == sorted(["from", name]), f"leaves {left_in(folder)}")


@step("follows symbolic links: a link stays, the file it names is replaced")
def links(programs, folder):
    (folder / "there").mkdir()
    make(folder / "from", 10), make(folder / "there/real", 5000)
    (folder / "from-link").symlink_to("from")
    (folder / "to-link").symlink_to("there/real")
    check_success(run(programs["copy_file"], folder / "from-link", folder / "to-link"), 10)
    expect(os.readlink(folder / "to-link") == "there/real", "the link is gone")
    expect((folder / "there/real").read_bytes() == content(10), "the file behind the link is not the source")
    expect(left_in(folder / "there") == ["real"], f"leaves {left_in(folder / 'there')}")


@step("FROM and TO the same file, by whatever name, changes nothing")
def same_file(programs, folder):
    source = make(folder / "from", 5000)
    os.link(source, folder / "hard")
    (folder / "soft").symlink_to("from")
    before = source.stat()
    for name in ("from", "./from", "hard", "soft"):
        done = run(programs["copy_file"], source, f"{folder}/{name}")
        expect(done.returncode in (0, 1), f"{name}: exit {done.returncode}: {done.stderr}")
        after = source.stat()
        expect((before.st_ino, before.st_mtime_ns, before.st_nlink) == (after.st_ino, after.st_mtime_ns, after.st_nlink),
               f"{name}: the file is another one now")
        expect(source.read_bytes() == content(5000), f"{name}: the file has other content now")
    expect(left_in(folder) == ["from", "hard", "soft"], f"leaves {left_in(folder)}")


@step("FROM may be a FIFO or a file without a size")
def odd_sources(programs, folder):
    os.mkfifo(folder / "fifo")
    sent = content(1 << 20)
    writer = threading.Thread(target=(folder / "fifo").write_bytes, args=[sent])
    writer.start()
    check_success(run(programs["copy_file"], folder / "fifo", folder / "to"), len(sent))
    writer.join()
    expect((folder / "to").read_bytes() == sent, "what came through the FIFO is not what arrived")
    version = pathlib.Path("/proc/version").read_bytes()
    check_success(run(programs["copy_file"], "/proc/version", folder / "to"), len(version))
    expect((folder / "to").read_bytes() == version, "/proc/version is not what arrived")


@step("TO that is a device or FIFO is written in place")
def odd_targets(programs, folder):
    source = make(folder / "from", 1 << 20)
    device = os.stat("/dev/null")
    check_success(run(programs["copy_file"], source, "/dev/null"), 1 << 20)
    expect(os.stat("/dev/null").st_ino == device.st_ino, "/dev/null is another file now")
    os.mkfifo(folder / "fifo")
    received = []
    reader = threading.Thread(target=lambda: received.append((folder / "fifo").read_bytes()))
    reader.start()
    check_success(run(programs["copy_file"], source, folder / "fifo"), 1 << 20)
    reader.join()
    expect(received == [content(1 << 20)], "what came through the FIFO is not the source")
    expect(stat.S_ISFIFO((folder / "fifo").stat().st_mode), "the FIFO is no FIFO any more")
    check_failure(run(programs["copy_file"], source, "/dev/full"), "/dev/full", "No space left on device")


@step("a folder is refused, as FROM and as TO")
def folders(programs, folder):
    source = make(folder / "from")
    (folder / "folder").mkdir()
    check_failure(run(programs["copy_file"], folder / "folder", folder / "to"), folder / "folder", "Is a directory")
    check_failure(run(programs["copy_file"], source, folder / "folder"), folder / "folder", "Is a directory")
    check_failure(run(programs["copy_file"], source, f"{folder}/folder/"), folder / "folder", "Is a directory")
    expect(left_in(folder) == ["folder", "from"], f"leaves {left_in(folder)}")
    expect(left_in(folder / "folder") == [], f"leaves {left_in(folder / 'folder')}")


@step("what cannot be opened is named with the system's text")
def failures(programs, folder):
    source = make(folder / "from")
    check_failure(run(programs["copy_file"], folder / "missing", folder / "to"), folder / "missing", "No such file")
    check_failure(run(programs["copy_file"], source, folder / "missing/to"), folder / "missing/to", "No such file")
    check_failure(run(programs["copy_file"], source, folder / "from/to"), folder / "from/to", "Not a directory")
    if os.geteuid() != 0:
        source.chmod(0)
        check_failure(run(programs["copy_file"], source, folder / "to"), source, "Permission denied")
        source.chmod(0o600)
        (folder / "closed").mkdir(mode=0o500)
        check_failure(run(programs["copy_file"], source, folder / "closed/to"), folder / "closed/to", "Permission denied")
        (folder / "closed").rmdir()
    expect(left_in(folder) == ["from"], f"leaves {left_in(folder)}")


# ---- Failures on the way ---------------------------------------------------------------------------------

@step("a file too large for the limit is EFBIG, and the old one stays")
def too_large(programs, folder):
    limit = 100 << 10
    for size in (limit + 1, 150_000, 280_000, 1 << 20):  # one write in two parts, several writes
        source, target = make(folder / "from", size), make(folder / "to", 500)
        done = run(programs["copy_file"], source, target,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        check_failure(done, target, "File too large")
        expect(target.read_bytes() == content(500), f"{size}: the old file is damaged")
        expect(left_in(folder) == ["from", "to"], f"{size}: leaves {left_in(folder)}")


@step("a full disk is ENOSPC, and the old file stays")
def full_disk(programs, folder):
    (folder / "disk").mkdir()
    # In a mount namespace of its own, so nothing has to be unmounted.
    script = ('mount -t tmpfs -o size=100k none "$1/disk" 2>/dev/null || exit 77\n'
              'echo old >"$1/disk/to"; "$0" "$1/from" "$1/disk/to"; status=$?\n'
              'ls -A "$1/disk"; cat "$1/disk/to"; exit $status')
    for size in (110_000, 150_000, 280_000, 1 << 20):
        make(folder / "from", size)
        unshare = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() != 0 else [])]
        done = run(*unshare, "sh", "-c", script, programs["copy_file"], folder)
        if done.returncode == 77 or "unshare" in done.stderr:
            print("  no file system can be mounted here: only /dev/full is tried")
            return
        expect(done.stdout == "to\nold\n", f"{size}: leaves {done.stdout!r}")
        done.stdout = ""
        check_failure(done, folder / "disk/to", "No space left on device")


class Interrupted:
    """copy_file in the middle of a copy from a FIFO."""
    def __init__(self, program, folder):
        if not (folder / "fifo").exists():
            os.mkfifo(folder / "fifo")
        self.process = subprocess.Popen([program, folder / "fifo", folder / "to"], text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.source = open(folder / "fifo", "wb", buffering=0)
        self.source.write(content(10_000))
        while not any(path.name not in ("fifo", "to") and path.stat().st_size for path in folder.iterdir()):
            time.sleep(0.001)  # until its temporary file has something in it

    def end(self, number):
        self.process.send_signal(number)
        said = self.process.communicate(timeout=60)
        self.source.close()
        return self.process.returncode, said


@step("SIGINT ends it with 130, and nothing is left behind")
def interrupted(programs, folder):
    for old in (None, b"old"):
        if old:
            (folder / "to").write_bytes(old)
        status, said = Interrupted(programs["copy_file"], folder).end(signal.SIGINT)
        expect(status == 130, f"exit {status} instead of 130: {said}")
        expect(left_in(folder) == ["fifo"] + (["to"] if old else []), f"leaves {left_in(folder)}")
        expect(not old or (folder / "to").read_bytes() == old, "the old file is damaged")


@step("SIGINT while FROM, a FIFO, has no writer ends it with 130")
def interrupted_in_open(programs, folder):
    os.mkfifo(folder / "fifo")
    process = subprocess.Popen([programs["copy_file"], folder / "fifo", folder / "to"], stdin=subprocess.DEVNULL)
    while len(os.listdir(f"/proc/{process.pid}/task")) == 1:
        time.sleep(0.001)  # until a thread of the kernel waits in open
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=60)
    expect(status == 130, f"exit {status} instead of 130")
    expect(left_in(folder) == ["fifo"], f"leaves {left_in(folder)}")


@step("kill -9 leaves no half TO, and what it leaves is in nobody's way")
def killed(programs, folder):
    (folder / "to").write_bytes(b"old")
    status, _ = Interrupted(programs["copy_file"], folder).end(signal.SIGKILL)
    expect(status == -signal.SIGKILL, f"exit {status}")
    expect((folder / "to").read_bytes() == b"old", "TO is damaged")
    left = [name for name in left_in(folder) if name not in ("fifo", "to")]
    # In a container the next one may well have the same process id, and choose the same name.
    number = re.compile(r"\d+$")
    name_of_next = number.sub("$$", left[0])
    script = f'cd "$2" && echo stale >"{name_of_next}" && exec "$0" "$1" to'
    check_success(run("sh", "-c", script, programs["copy_file"], make(folder / "from", 5000), folder), 5000)
    expect((folder / "to").read_bytes() == content(5000), "TO is not the source")


@step("several at once to the same TO: one of them wins, whole")
def at_once(programs, folder):
    sources = [make(folder / f"from-{number}", (number + 1) << 20) for number in range(4)]
    running = [subprocess.Popen([programs["copy_file"], source, folder / "to"], stdout=subprocess.DEVNULL)
               for source in sources]
    statuses = [process.wait(timeout=60) for process in running]
    expect(statuses == [0] * 4, f"exits {statuses}")
    size = (folder / "to").stat().st_size
    expect(size in [(number + 1) << 20 for number in range(4)], f"TO has {size} bytes")
    expect((folder / "to").read_bytes() == content(size), "TO is a mixture")
    expect(len(left_in(folder)) == 5, f"leaves {left_in(folder)}")


if __name__ == "__main__":
    if shutil.which("cmp") is None:
        sys.exit("cmp (Debian: diffutils) is needed")
    sys.exit(main(sys.argv[1:]))
