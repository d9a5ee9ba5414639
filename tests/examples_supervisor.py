#!/usr/bin/env python3
"""Checks what supervisor promises: examples_supervisor.py PROGRAM"""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from example_check import TIME_MAX, Failed, expect, main, run, step


def pids_in(folder):
    """Who calls this folder its own."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
    return found


class Supervisor:
    """One that runs, with all that it starts, in `folder`."""
    def __init__(self, program, folder, *commands):
        self.folder = folder.resolve()
        self.watchdog = threading.Timer(TIME_MAX, lambda: self.process.kill())
        self.process = subprocess.Popen([program, *commands], cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.kill()
        self.process.communicate()
        for pid in pids_in(self.folder):
            os.kill(pid, signal.SIGKILL)

    def read_until(self, text):
        seen = ""
        while text not in seen:
            line = self.process.stdout.readline()
            if not line:
                raise Failed(f"ends without printing {text!r}: {seen} {self.process.stderr.read()}")
            seen += line
        return seen

    def end(self, *numbers):
        """Its exit status, the rest of what it prints, and how long that took."""
        start = time.monotonic()
        for number in numbers or [signal.SIGTERM]:
            self.process.send_signal(number)
            time.sleep(0.1)
        printed, said = self.process.communicate(timeout=TIME_MAX)
        return self.process.returncode, printed, said, time.monotonic() - start


@step("all lines come with the number of their command, those of stderr and the last one as well")
def prefixes(programs, folder):
    commands = ["echo one; echo two >&2; printf last; sleep 1000", "printf 'x%.0s' $(seq 200000); echo; echo end; sleep 1000"]
    with Supervisor(programs["supervisor"], folder, *commands) as supervisor:
        seen = supervisor.read_until("[2] end\n")
        if "[1] two\n" not in seen:
            seen += supervisor.read_until("[1] two\n")
        status, rest, _, _ = supervisor.end()
        lines = (seen + rest).splitlines()
        expect(status == 0, f"exit {status}")
        expect([line for line in lines if line.startswith("[1]")] == ["[1] one", "[1] two", "[1] last"], f"prints {lines}")
        second = [line for line in lines if line.startswith("[2]")]
        expect(sum(line.count("x") for line in second) == 200_000, "loses something of a long line")
        expect(len(lines) == 3 + len(second), "prints a line without a number")


@step("who ends is started again, after delays that grow")
def restarts(programs, folder):
    with Supervisor(programs["supervisor"], folder, "echo here; exit 3") as supervisor:
        times = []
        for _ in range(4):
            supervisor.read_until("[1] here\n")
            times.append(time.monotonic())
        status, _, said, _ = supervisor.end()
        expect(status == 0, f"exit {status}")
        expect(said.count("[1] ended with 3") >= 3, f"says {said}")
        expect(times[3] - times[2] > 0.35, f"starts again too soon: {times}")
        delays = re.findall(r"starts again in (\S+) s", said)
        expect(delays[:3] == ["0.1", "0.2", "0.4"], f"says {said}")


@step("a command that is killed is started again, the others run on")
def killed(programs, folder):
    with Supervisor(programs["supervisor"], folder, "echo first $$; sleep 1000", "echo second $$; sleep 1000") as supervisor:
        seen = ""
        while "first" not in seen or "second" not in seen:
            seen += supervisor.read_until("\n")
        os.kill(int(re.search(r"first (\d+)", seen)[1]), signal.SIGKILL)
        seen = supervisor.read_until("first")
        expect("second" not in seen, f"prints {seen}")
        status, rest, said, _ = supervisor.end()
        expect(status == 0 and "second" not in rest, f"exit {status}, prints {rest}")
        expect("[1] ended with -9" in said and "[2]" not in said, f"says {said}")
        expect(pids_in(supervisor.folder) == [], "leaves processes")


TREES = {
    "a pipeline": "echo up; sleep 1000 | cat",
    "grandchildren in the background": "(sleep 1000 & sleep 1000 & echo up; wait)",
    "a daemon in a session of its own": "setsid sh -c 'sleep 1000 & sleep 1000' & echo up; wait",
    "a daemon whose parent has gone": "(setsid sleep 1000 &) ; echo up; sleep 1000",
}


@step("SIGTERM and SIGINT end all that was started, grandchildren included, and soon; exit status 0")
def ends_all(programs, folder):
    for number in (signal.SIGTERM, signal.SIGINT):
        for what, command in TREES.items():
            with Supervisor(programs["supervisor"], folder, command, "sleep 1000") as supervisor:
                supervisor.read_until("up")
                status, _, said, taken = supervisor.end(number)
                expect(status == 0, f"{what}: exit {status}: {said}")
                expect(taken < 8, f"{what}: takes {taken} s")
                expect(pids_in(supervisor.folder) == [], f"{what}: leaves processes")


@step("who ignores SIGTERM is killed within 10 s, after a second signal at once; its last words are heard")
def ends_stubborn(programs, folder):
    stubborn = "trap 'echo no' TERM; echo up; while :; do sleep 0.1; done"
    polite = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.1; done"
    stopped = "echo up; kill -STOP $$; sleep 1000"
    for numbers, least, most in (([signal.SIGTERM], 3, 9), ([signal.SIGTERM, signal.SIGTERM], 0, 3)):
        with Supervisor(programs["supervisor"], folder, stubborn, polite, stopped) as supervisor:
            for _ in range(3):
                supervisor.read_until("up")
            time.sleep(0.2)
            status, printed, said, taken = supervisor.end(*numbers)
            expect(status == 0 and said == "", f"exit {status}, says {said}")
            expect(least < taken < most, f"takes {taken} s")
            expect("[1] no\n" in printed and "[2] bye\n" in printed, f"prints {printed}")
            expect(pids_in(supervisor.folder) == [], "leaves processes")


@step("what a command leaves behind in its group ends with it")
def leftovers(programs, folder):
    with Supervisor(programs["supervisor"], folder, "sleep 1000 & sleep 1000 & echo up") as supervisor:
        for _ in range(4):
            supervisor.read_until("up")
        expect(len(pids_in(supervisor.folder)) <= 5, "gathers processes")
        status, _, said, _ = supervisor.end()
        expect(status == 0, f"exit {status}: {said}")
        expect(pids_in(supervisor.folder) == [], "leaves processes")


@step("when nobody reads any more it ends all, exit status 1")
def output_lost(programs, folder):
    script = '"$0" "while :; do echo line; sleep 0.01; done" | head -1; exit ${PIPESTATUS[0]}'
    done = run("bash", "-c", script, programs["supervisor"], cwd=folder)
    expect(done.stdout == "[1] line\n" and done.returncode == 1, f"{done}")
    expect(pids_in(folder.resolve()) == [], "leaves processes")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
