#!/usr/bin/env python3
"""Checks coil-ps on programs that run: coil_ps.py COIL_PS GATHER_THREE_WORKERS KV_SERVER"""
import os
import re
import shutil
import subprocess
import sys
import time

from example_check import Failed, expect, main, run, step
from example_server import Server, wait_until


def started(program, *arguments):
    return subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def forbidden(done):
    """Whether this user may not trace its own processes, which is up to the machine."""
    return done.returncode == 1 and "may not look into" in done.stderr


def tasks_of(programs, process, wanted):
    """What coil-ps says once that fits, which it has to within some seconds; None if it is forbidden here."""
    said = []

    def fits():
        said[:] = [run(programs["coil-ps"], process.pid)]
        if forbidden(said[0]):
            return True
        expect(said[0].returncode == 0, f"exit {said[0].returncode}: {said[0].stderr}")
        return re.search(wanted, said[0].stdout, re.DOTALL) is not None

    try:
        wait_until(fits, "")
    except Failed:
        raise Failed(f"says {said[0].stdout}, not {wanted}") from None
    if forbidden(said[0]):
        print("  processes may not be traced here: not tried")
        return None
    return said[0].stdout


WORKERS = r"^loop 1: 4 tasks\n.*task 'Task-1' waiting, created at .*  at three_workers\(.*gather_three_workers\.cpp:\d+\)\n"


@step("the tasks of a program that runs, with where they stand and who waits for them")
def workers(programs, folder):
    stripped = folder / "stripped"
    shutil.copy(programs["gather_three_workers"], stripped)
    candidates = [programs["gather_three_workers"]]
    if shutil.which("strip") and run("strip", stripped).returncode == 0:
        candidates.append(stripped)
    for program in candidates:
        with started(program, "60000") as process:
            try:
                said = tasks_of(programs, process, WORKERS)
                if said is None:
                    return
                places = re.findall(r"  at worker\(.*?\) \(.*gather_three_workers\.cpp:(\d+)\)\n", said)
                expect(len(places) == 3 and len(set(places)) == 1, f"not three workers at one place: {said}")
                expect(said.count("  awaited by task 'Task-1'\n") == 3, said)
            finally:
                process.kill()


@step("a program that was looked into goes on as if nothing had been")
def goes_on(programs, folder):
    with started(programs["gather_three_workers"], "700") as process:
        while process.poll() is None:
            run(programs["coil-ps"], process.pid)
            time.sleep(0.05)
        lines = process.stdout.read().decode()
        expect(process.returncode == 0 and re.search(r"3 workers in \d+\.\d\d s$", lines), lines)
        expect(lines.count("finished") == 3, lines)


@step("a server with connections")
def server(programs, folder):
    with Server(programs["kv_server"]) as kv:
        clients = [kv.connect() for _ in range(5)]
        said = tasks_of(programs, kv.process, r"loop 1: (?:[6-9]|\d\d) tasks")
        expect(said is None or said.count("kv_server.cpp") + said.count("/kv/") >= 5, f"says {said}")
        for client in clients:
            client.sendall(b"PING\r\n")
            expect(client.recv(100) == b"+PONG\r\n", "the server does not go on")
            client.close()


@step("what cannot be looked into is said in one line")
def refusals(programs, folder):
    def refused(argument, words, **options):
        done = run(programs["coil-ps"], argument, **options)
        expect(done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1, f"says {done}")
        expect(words in done.stderr or forbidden(done), f"says {done.stderr}, not {words}")

    refused(4194303 + 1, "there is no process 4194304")
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            refused(other.pid, "has no coil in it")
        finally:
            other.kill()
    if os.getuid() == 0:
        refused(os.getpid(), "may not look into process", user=65534)
    for arguments in ([], ["x"], ["0"], ["-1"], ["1", "2"], ["--help"]):
        done = run(programs["coil-ps"], *arguments)
        expect(done.returncode == 2 and done.stdout == "" and "usage: coil-ps PID" in done.stderr, f"{arguments}: {done}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
