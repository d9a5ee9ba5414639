#!/usr/bin/env python3
"""Checks what every example promises, and what each shows: examples.py PROGRAM...

What one promises beyond that stands in a file of its own, examples_NAME.py.
"""
import ctypes
import errno
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys

from example_check import Failed, expect, main, output_until, run, step

COUNT_AS_ARGUMENT = {"gather_three_workers": 1, "copy_file": 2, "echo_server": 1, "echo_client": 1, "hash_files": 1,
                     "pool_hash": 1, "chat": 1, "http_server": 2, "kv_server": 2, "tcp_proxy": 3, "port_scan": 2,
                     "udp_dns": 2, "https_get": 4, "tls_echo_server": 3}
ANY_COUNT = {"supervisor"}
# Do not end by themselves, or not without a server.
WITH_PEERS = {"echo_server", "echo_client", "chat", "http_server", "https_get", "kv_server", "pg_query", "supervisor",
              "tcp_proxy", "tls_echo_server", "udp_dns"}
BAD_NUMBERS = ["x", "1.5", "0x10", "1e3", " 5", "5 ", "+5", "-1", "1000000001", "99999999999999999999", "५"]


def good_arguments(name, folder):
    if name == "copy_file":
        (folder / "from").write_text("content")
        return [folder / "from", folder / "to"]
    if name in ("hash_files", "pool_hash"):
        (folder / "some").mkdir(exist_ok=True)
        (folder / "some/file").write_text("content")
        return [folder / "some"]
    if name == "port_scan":
        return ["127.0.0.1", "1-100"]
    if name == "supervisor":
        return ["true"]
    if name == "tls_echo_server":
        return ["0", folder / "certificate.pem", folder / "key.pem"]
    if name == "https_get":
        return ["localhost"]
    return ["1"] if name == "gather_three_workers" else []


def alone(programs):
    return {name: program for name, program in programs.items() if name not in WITH_PEERS}


# ---- Bad arguments ---------------------------------------------------------------------------------------

@step("bad arguments are answered with the usage and exit status 2")
def bad_arguments(programs, folder):
    for name, program in programs.items():
        count = COUNT_AS_ARGUMENT.get(name, 0)
        bad = [["--no-such-option"], ["--help"], ["-x"], ["-"], [""], [""] * max(count, 1)]
        bad += [[], ["x", ""]] if name in ANY_COUNT else [["x"] * (count + 1), ["x"] * 9]
        if name == "gather_three_workers":
            bad += [[number] for number in BAD_NUMBERS]
        if name in ("hash_files", "pool_hash"):
            bad += [[]]
        if name == "copy_file":
            bad += [[], ["x"], ["x", ""], ["", "x"], ["x", "-x"], ["--", "x"]]
        for arguments in bad:
            done = run(program, *arguments, cwd=folder)
            what = f"{name} {arguments}"
            expect(done.returncode == 2, f"{what}: exit {done.returncode} instead of 2")
            expect(done.stdout == "", f"{what}: prints {done.stdout!r} on stdout")
            expect("usage" in done.stderr and name in done.stderr, f"{what}: says {done.stderr!r}")


# ---- io_uring refused ------------------------------------------------------------------------------------

def forbid_io_uring(error):
    """To be called in the child: from now on io_uring_setup fails, as under a container's seccomp profile."""
    load, jump_if_equal, answer = 0x20, 0x15, 0x06
    rules = [(load, 0, 0, 0), (jump_if_equal, 0, 1, 425), (answer, 0, 0, 0x00050000 | error), (answer, 0, 0, 0x7FFF0000)]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    program = Program(len(rules), ctypes.addressof(packed))
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) != 0 or libc.prctl(set_seccomp, filter_mode, ctypes.byref(program)) != 0:
        os._exit(99)


def check_refusal(done, words, what):
    lines = done.stderr.splitlines()
    expect(done.returncode == 1, f"{what}: exit {done.returncode} instead of 1: {done.stderr}")
    expect(done.stdout == "", f"{what}: prints {done.stdout!r} on stdout")
    expect(1 <= len(lines) <= 8, f"{what}: {len(lines)} lines on stderr")
    expect("io_uring" in done.stderr, f"{what}: does not name io_uring: {done.stderr}")
    expect(any(word in done.stderr for word in words), f"{what}: says none of {words}: {done.stderr}")


REFUSALS = {
    errno.EPERM: ["seccomp", "kernel.io_uring_disabled"],
    errno.ENOSYS: ["kernel"],
    errno.ENOMEM: ["ulimit -l"],
}


@step("io_uring refused by a seccomp filter is said in a few lines, exit status 1")
def refused_by_seccomp(programs, folder):
    for name, program in programs.items():
        for error, words in REFUSALS.items():
            done = run(program, *good_arguments(name, folder), preexec_fn=lambda error=error: forbid_io_uring(error))
            check_refusal(done, words, f"{name}, {errno.errorcode[error]}")
    expect(not (folder / "to").exists(), "copy_file leaves a file although it was refused")


def strace(program, inject, *arguments):
    # A leak check cannot trace what is traced already.
    options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return run("strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject=io_uring_setup:{inject}", program, *arguments,
               env={**os.environ, "ASAN_OPTIONS": options})


def can_strace():
    if shutil.which("strace") is None:
        print("  strace is not installed: only the seccomp filter is tried")
        return False
    if run("strace", "-o", os.devnull, "true").returncode != 0:
        print("  strace may not trace here: only the seccomp filter is tried")
        return False
    return True


@step("io_uring refused by the kernel is said in a few lines, exit status 1")
def refused_by_kernel(programs, folder):
    if not can_strace():
        return
    for name, program in programs.items():
        for error, words in REFUSALS.items():
            code = errno.errorcode[error]
            check_refusal(strace(program, f"error={code}", *good_arguments(name, folder)), words, f"{name}, {code}")


@step("a kernel that knows fewer flags, or has less memory, is enough")
def older_kernels(programs, folder):
    if not can_strace():
        return
    for name, program in alone(programs).items():
        for inject in ("error=EINVAL:when=1", "error=EINVAL:when=1..2", "error=ENOMEM:when=1..2"):
            done = strace(program, inject, *good_arguments(name, folder))
            expect(done.returncode == 0, f"{name}, {inject}: exit {done.returncode}: {done.stderr}")
            expect(done.stderr == "", f"{name}, {inject}: says {done.stderr}")


# ---- What they show --------------------------------------------------------------------------------------

@step("all end with 0 and say nothing on stderr")
def plain_runs(programs, folder):
    for name, program in alone(programs).items():
        done = run(program, *good_arguments(name, folder))
        expect(done.returncode == 0, f"{name}: exit {done.returncode}: {done.stderr}")
        expect(done.stderr == "", f"{name}: says {done.stderr!r} on stderr")
        expect(done.stdout != "", f"{name}: prints nothing")


@step("a closed stdout, stdin or stderr is no crash")
def closed_streams(programs, folder):
    for name, program in alone(programs).items():
        for redirection in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"):
            command = f'exec "$0" "$@" {redirection}'
            done = run("sh", "-c", command, program, *good_arguments(name, folder))
            expect(done.returncode in (0, 1), f"{name} {redirection}: exit {done.returncode}: {done.stderr}")


WORKERS = "".join(f"worker {number}: {what}\n" for what in ("started", "finished") for number in (1, 2, 3))


@step("gather_three_workers: the lines of the workers, then the time")
def gather_lines(programs, folder):
    for arguments in (["0"], ["1"], ["30"], ["000030"]):
        done = run(programs["gather_three_workers"], *arguments)
        expect(re.fullmatch(re.escape(WORKERS) + r"3 workers in \d+\.\d\d s\n", done.stdout), f"prints {done.stdout}")


@step("gather_three_workers: takes as long as one worker, not three")
def gather_time(programs, folder):
    taken = []
    for _ in range(20):  # one after the other would never take less than 0.30; a busy machine may need a few tries
        done = run(programs["gather_three_workers"], "100")
        taken.append(float(re.search(r"in (\d+\.\d\d) s", done.stdout)[1]))
        expect(taken[-1] >= 0.10, f"takes {taken[-1]} s")
        if taken[-1] < 0.25:
            return
    raise Failed(f"takes {taken} s")


@step("gather_three_workers: one second by default")
def gather_default(programs, folder):
    done = run(programs["gather_three_workers"])
    expect(float(re.search(r"in (\d+\.\d\d) s", done.stdout)[1]) >= 1, f"prints {done.stdout}")


@step("gather_three_workers: one thread; SIGINT ends it with 130")
def gather_interrupted(programs, folder):
    process, seen = output_until([programs["gather_three_workers"], "1000000"], "worker 3: started")
    threads = len(os.listdir(f"/proc/{process.pid}/task"))
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=60)
    expect(threads == 1, f"runs {threads} threads")
    expect(status == 130, f"ends with {status} instead of 130 after SIGINT")
    expect("finished" not in seen, f"prints {seen}")


@step("hello: hello, world")
def hello(programs, folder):
    done = run(programs["hello"])
    expect(done.stdout == "hello\nworld\n", f"prints {done.stdout!r}")


def run_twice_alike(program):
    """What it prints, the same two times running. A busy machine may need a few tries."""
    before = None
    for _ in range(10):
        printed = re.sub(r"\d+\.\d+ s", "T s", run(program).stdout)
        if printed == before:
            return printed
        before = printed
    raise Failed(f"{pathlib.Path(program).name} prints something else each time")


@step("task_group: the cancellation and the cleanup, the same each time")
def task_group(programs, folder):
    printed = run_twice_alike(programs["task_group"])
    for word in ("cancel", "clean"):
        expect(word in printed, f"does not print {word}: {printed}")
    expect("done" not in printed, f"a worker is not cancelled: {printed}")


@step("timeouts: some time out, some do not, the same each time")
def timeouts(programs, folder):
    printed = run_twice_alike(programs["timeouts"])
    for word in ("timed out", "answered after 100 ms", "done in time"):
        expect(word in printed, f"does not print {word}: {printed}")


RETRY = """\
  0.0 s: attempt 1 failed: connection refused
  1.0 s: attempt 2 failed: connection refused
  8.0 s: attempt 3 failed: timed out
 17.0 s: attempt 4 failed: timed out
 25.2 s: the answer is hello
 25.2 s: attempt 1 failed: connection refused
 26.2 s: attempt 2 failed: connection refused
 33.2 s: given up: timed out
"""


@step("retry: the pauses double, and no time passes")
def retry(programs, folder):
    done = run(programs["retry"])
    expect(done.stdout == RETRY, f"prints {done.stdout}")


GENERATOR = """people: open
match: page 1, eve
match: page 2, eve
people: closed
orders: open
first: page 1, ann
orders: closed
answer after 10 ms
answer after 50 ms
answer after 90 ms
"""


@step("generator: reads on demand, closes what is not read to its end")
def generator(programs, folder):
    printed = run_twice_alike(programs["generator"])
    expect(printed == GENERATOR, f"prints {printed}")


@step("queue_pipeline: the producer waits for the workers, each job is done once, then all end")
def queue_pipeline(programs, folder):
    printed = run(programs["queue_pipeline"]).stdout
    done = sorted(int(job) for job in re.findall(r"worker [123]: job (\d+) is done", printed))
    expect(done == list(range(1, 13)), f"does jobs {done}: {printed}")
    shares = [int(count) for count in re.findall(r"worker \d did (\d+) jobs", printed)]
    expect(len(shares) == 3 and sum(shares) == 12, f"divides the jobs into {shares}: {printed}")
    for words in ("the queue is full, job", "the queue is shut down", "all jobs are done"):
        expect(words in printed, f"does not print {words!r}: {printed}")
    expect(printed.index("shut down") < printed.rindex("is done"), f"drops what is in the queue: {printed}")


@step("rate_limit: ten requests in their order, at most four in 100 ms and three at a time")
def rate_limit(programs, folder):
    printed = run(programs["rate_limit"]).stdout
    begun = [(int(time), int(number)) for time, number in re.findall(r"after (\d+) ms: request (\d+)", printed)]
    expect([number for _, number in begun] == list(range(1, 11)), f"prints {printed}")
    times = [time for time, _ in begun]
    expect(all(late - early >= 100 for early, late in zip(times, times[4:])), f"more than four at once: {printed}")
    expect("10 requests, at most 3 at a time" in printed, f"prints {printed}")


@step("three_models: the same worker as threads, processes and tasks, then what each cost")
def three_models(programs, folder):
    printed = run(programs["three_models"]).stdout
    workers, _, table = printed.partition("\n\n")
    lines = workers.splitlines()
    expect(len(lines) == 18, f"prints {len(lines)} lines of workers: {printed}")
    for start in range(0, 18, 6):  # a model after the other
        expected = [f"worker {number}: {what}" for what in ("started", "finished") for number in (1, 2, 3)]
        model = lines[start:start + 6]
        expect(sorted(model) == sorted(expected), f"a model prints {model}")
        for number in (1, 2, 3):
            expect(model.index(f"worker {number}: started") < model.index(f"worker {number}: finished"), f"{model}")
    rows = [line.split() for line in table.splitlines()]
    expect([row[0] for row in rows] == ["model", "threads", "processes", "tasks"], f"the table is {table}")
    expect(rows[0][1:] == ["wall", "CPU", "memory"], f"the table is {table}")
    for row in rows[1:]:
        expect(row[2::2] == ["s", "ms", "KiB"] and float(row[1]) >= 0.2, f"a row is {row}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
