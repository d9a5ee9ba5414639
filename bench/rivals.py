"""The systems that are measured where they are installed: what they need, and what they can do."""
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

# System: what is looked for among the built programs (None: not built here), and how to install it.
NEEDS = {
    "asio": ("asio-echo", "Debian: apt install libboost1.81-dev, then build again"),
    "asio-uring": ("asio-uring-echo", "Debian: apt install libboost1.81-dev, then build again"),
    "libuv": ("libuv-echo", "Debian: apt install libuv1-dev, then build again"),
    "go": ("go-echo", "Debian: apt install golang-go, then build again"),
}
TOOLS = {
    "nginx": (("nginx", "wrk"), "Debian: apt install nginx-light wrk"),
    "nginx-file": (("nginx", "wrk"), "Debian: apt install nginx-light wrk"),
    "redis": (("redis-server", "redis-benchmark"), "Debian: apt install redis-server redis-tools"),
}

# Kind of case: by how much fewer operations than coil each does, so that it takes about as long.
SHARES = {
    "spawn": {"asio": 10, "asio-uring": 10, "go": 10},
    "await_task": {"asio": 5, "asio-uring": 5, "go": 5},
    "yield": {"asio": 5, "asio-uring": 5, "go": 5},
    "chain": {"asio": 2},
    "timers": {"asio": 2, "asio-uring": 2, "libuv": 2, "go": 2},
    "idle": {"asio": 2, "go": 2},
    "queue": {"asio": 5, "asio-uring": 5, "go": 5},
    "lock": {"go": 2},
    "gather": {"asio": 1, "asio-uring": 1, "libuv": 1, "go": 1},
    "echo": {"coil-stream": 1, "asio": 1, "asio-uring": 1, "libuv": 1, "go": 1, "thread": 1},
}


def with_rivals(kind, counts):
    """The counts of a case, with those of the rivals beside what coil does."""
    ours = counts.get("coil")
    if ours is None:
        return counts
    if kind == "gather":
        return counts | dict.fromkeys(SHARES["gather"], ours)
    return counts | {system: max(ours // share, 1) for system, share in SHARES.get(kind, {}).items()}


def find_tool(name):
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


@functools.cache
def uvloop_python():
    """The first interpreter that has uvloop; None if there is none. A distribution has it for its own one only."""
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3", shutil.which("python3"))):
        if python and subprocess.run([python, "-c", "import uvloop"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def missing(build):
    """The rivals that cannot be measured here, each with what to do about it."""
    absent = {}
    if uvloop_python() is None:
        absent["uvloop"] = "not installed; Debian: apt install python3-uvloop, elsewhere: pip install uvloop"
    for system, (program, advice) in NEEDS.items():
        if not (Path(build) / "bench" / program).exists():
            absent[system] = f"not installed; {advice}"
    for system, (tools, advice) in TOOLS.items():
        lacking = [tool for tool in tools if find_tool(tool) is None]
        if lacking:
            absent[system] = f"{lacking[0]} is not installed; {advice}"
    return absent
