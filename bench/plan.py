"""What is measured: the cases, the systems that can do them, how often, and how to start one measurement."""
import sys
from dataclasses import dataclass
from pathlib import Path

import rivals

HERE = Path(__file__).resolve().parent

# Every figure a case may print: its unit, and what it says.
FIGURES = {
    "spawn": ("ns", "create a task and await it, in batches of 1000"),
    "await_task": ("ns", "create a task and await it, one after the other"),
    "wait_for": ("ns", "the same with a limit of 10 s, which none of them reaches"),
    "yield": ("ns", "let the others run once; 1000 tasks take turns"),
    "chain": ("ns", "await a coroutine that returns at once"),
    "timers": ("ns", "CPU time for a task that sleeps 0 to 999 ms; all of them at once"),
    "timers_late": ("ms", "from the last deadline to the end of the last task"),
    "idle": ("B", "memory of a task that waits for something"),
    "gather": ("ms", "wall time beyond 100 ms of {n} tasks that sleep 100 ms"),
    "gather_cpu": ("ms", "CPU time of {n} tasks that sleep 100 ms"),
    "gather_rss": ("MiB", "most memory in use with {n} tasks that sleep 100 ms"),
    "cancel": ("ns", "cancel a task that sleeps, until it has ended; 100 000 of them"),
    "queue": ("ns", "an item to another task through a queue, and one back"),
    "lock": ("ns", "take a lock that is free, and release it"),
    "startup": ("ms", "start a program that prints a line from a task, until its end"),
    "to_thread": ("ns", "an empty function to another thread, and its end back"),
    "call_soon_threadsafe": ("ns", "a callback from one of four threads to the loop"),
    "threadsafe_queue": ("ns", "an item from a thread to the loop"),
    "subprocess": ("ns", "start /bin/true and wait for its end"),
    "message": ("ns", "64 bytes to another one, and back"),
    "switch": ("ns", "hand a token on to the next of {n} in a ring"),
    "cpu_bound": ("ms", "{n} units of computing, some 40 ms each"),
    "io_bound": ("ms", "{n} of them answer a peer 50 times each"),
    "echo": ("ns", "the server's CPU time for a message that it sends back; {n}: bytes, connections, depth"),
    "connections": ("B", "memory of the server for a connection that is idle; {n} of them"),
    "connections_cpu": ("ns", "the server's CPU time for a message of 64 bytes, on a hundredth of {n} connections at a time"),
    "connections_lost": ("", "messages that did not come back, and connections that ended, of {n}"),
    "echo_rate": ("1/s", "messages that came back; {n}: bytes, connections, depth"),
    "http": ("ns", "the server's CPU time for a request"),
    "http_rate": ("1/s", "requests answered"),
    "http_pipelined": ("ns", "the server's CPU time for a request, 16 of them at once"),
    "http_pipelined_rate": ("1/s", "requests answered, 16 of them at once"),
    "resp_get": ("ns", "the server's CPU time for a GET, {n} of them at once"),
    "resp_get_rate": ("1/s", "GETs answered, {n} of them at once"),
    "resp_set": ("ns", "the server's CPU time for a SET, {n} of them at once"),
    "resp_set_rate": ("1/s", "SETs answered, {n} of them at once"),
    "file_read": ("ns", "read 4 KiB anywhere in a file that is in memory, {n} at once"),
    "file_read_cpu": ("ns", "CPU time of that"),
    "file_read_direct": ("ns", "the same from the disk (O_DIRECT), {n} at once"),
    "file_read_direct_cpu": ("ns", "CPU time of that"),
    "file_copy": ("ms", "copy 1 GiB that is in memory"),
}

SYSTEMS = {
    "coil": "this library",
    "coil-stream": "for echo: this library through Stream and start_server",
    "coil-busy": "for echo: the same with RunOptions::busy_poll",
    "limit": "the least that runs coroutines, written by hand: bench/limit",
    "epoll": "for echo: written by hand on epoll",
    "thread": "a std::thread for each task",
    "process": "a fork for each task",
    "asyncio": "Python's asyncio",
    "uvloop": "asyncio on uvloop",
    "asio": "Boost.Asio with coroutines, on epoll",
    "asio-uring": "Boost.Asio with coroutines, on io_uring",
    "libuv": "libuv, with callbacks",
    "go": "goroutines, on one core",
    "nginx": "for HTTP: nginx with one worker; the answer stands in its configuration",
    "nginx-file": "for HTTP: nginx with one worker; the answer is a file",
    "redis": "for RESP: redis-server",
    "pread": "for files: system calls that block",
    "cp": "for file_copy: cp",
}

# How many operations one measurement does: (--quick, otherwise, --full). None: not measured then.
COUNTS = {
    "spawn": {
        "coil": (200_000, 1_000_000, 3_000_000),
        "limit": (200_000, 1_000_000, 3_000_000),
        "thread": (2_000, 10_000, 20_000),
        "process": (1_000, 3_000, 10_000),
        "asyncio": (20_000, 100_000, 200_000),
    },
    "await_task": {
        "coil": (300_000, 1_000_000, 3_000_000),
        "limit": (300_000, 1_000_000, 3_000_000),
        "asyncio": (20_000, 100_000, 200_000),
    },
    "wait_for": {
        "coil": (200_000, 1_000_000, 3_000_000),
        "asyncio": (20_000, 100_000, 200_000),
    },
    "yield": {
        "coil": (300_000, 1_000_000, 3_000_000),
        "limit": (300_000, 1_000_000, 3_000_000),
        "asyncio": (50_000, 200_000, 500_000),
    },
    "chain": {
        "coil": (1_000_000, 10_000_000, 10_000_000),
        "limit": (1_000_000, 10_000_000, 10_000_000),
        "asyncio": (200_000, 1_000_000, 1_000_000),
    },
    "timers": {
        "coil": (200_000, 1_000_000, 1_000_000),
        "limit": (200_000, 1_000_000, 1_000_000),
        "asyncio": (20_000, 100_000, 200_000),
    },
    "idle": {
        "coil": (100_000, 1_000_000, 1_000_000),
        "limit": (100_000, 1_000_000, 1_000_000),
        "thread": (500, 10_000, 10_000),
        "process": (100, 1_000, 10_000),
        "asyncio": (20_000, 100_000, 200_000),
    },
    "cancel": {
        "coil": (20_000, 100_000, 100_000),
        "asyncio": (20_000, 100_000, 100_000),
    },
    "queue": {
        "coil": (300_000, 1_000_000, 3_000_000),
        "limit": (300_000, 1_000_000, 3_000_000),
        "asyncio": (30_000, 100_000, 300_000),
    },
    "lock": {
        "coil": (1_000_000, 10_000_000, 30_000_000),
        "limit": (1_000_000, 10_000_000, 30_000_000),
        "asyncio": (100_000, 1_000_000, 1_000_000),
    },
    "startup": {
        "coil": (10, 20, 50),
        "limit": (10, 20, 50),
        "thread": (10, 20, 50),
        "process": (10, 20, 50),
        "asyncio": (3, 5, 10),
    },
}

# Between threads, processes and tasks: programs of their own, models.cpp, and on all cores.
MODELS = {
    "to_thread": {
        "coil": (20_000, 100_000, 300_000),
        "limit": (20_000, 100_000, 300_000),
        "asyncio": (2_000, 10_000, 30_000),
    },
    "call_soon_threadsafe": {
        "coil": (200_000, 1_000_000, 3_000_000),
        "limit": (200_000, 1_000_000, 3_000_000),
        "asyncio": (20_000, 100_000, 300_000),
    },
    "threadsafe_queue": {
        "coil": (200_000, 1_000_000, 3_000_000),
        "limit": (200_000, 1_000_000, 3_000_000),
    },
    "subprocess": {
        "coil": (200, 1_000, 3_000),
        "limit": (200, 1_000, 3_000),
        "asyncio": (50, 200, 500),
    },
    "message": {
        "coil": (200_000, 1_000_000, 3_000_000),
        "thread": (5_000, 100_000, 300_000),
        "process": (5_000, 100_000, 300_000),
        "asyncio": (20_000, 100_000, 300_000),
    },
}
# switch/N and the like: the systems that are asked for so many, with --quick and otherwise.
THREE = ("coil", "thread", "process")
CROWDS = {
    "switch": {
        3: (THREE + ("asyncio",), THREE + ("asyncio", "uvloop")),
        1000: (THREE, THREE + ("asyncio", "uvloop")),
        10_000: ((), THREE),
        100_000: ((), ("coil",)),
    },
    "cpu_bound": {4: (THREE, THREE)},
    "io_bound": {3: ((), THREE), 300: (THREE, THREE), 3000: ((), THREE)},
}

# echo/BYTESxCONNECTIONSxDEPTH: how many messages come back in one measurement: (--quick, otherwise, --full).
ECHO_SYSTEMS = ("coil", "limit", "epoll", "asyncio")
ECHOES = {
    "64x1x1": (2_000, 20_000, 50_000),
    "64x50x1": (50_000, 200_000, 500_000),
    "64x1000x1": (50_000, 200_000, 500_000),
    "64x10x1": (None, 100_000, 300_000),
    "64x10000x1": (None, 200_000, 500_000),
    "16384x50x1": (30_000, 100_000, 300_000),
    "64x50x16": (500_000, 2_000_000, 5_000_000),
}

# connections/N: with --quick or not, and with --full.
HOLDS = {10_000: ("default", "full"), 100_000: ("full",)}

# Shapes that only show how the cost grows.
GROWTH = {
    "64x10x1": ("coil", "coil-stream", "limit", "epoll", "thread"),
    "64x10000x1": ("coil", "coil-stream", "limit", "epoll", "thread"),
}

# gather/N: the systems that are asked for so many, with --quick and otherwise.
EVERY = ("coil", "limit", "thread", "process", "asyncio", "uvloop")
LIGHT = ("coil", "limit", "asyncio")
GATHERS = {
    1: ((), ("coil", "limit", "thread")),
    3: (EVERY, EVERY),
    10: ((), ("coil", "limit", "thread")),
    100: ((), EVERY),
    1000: (EVERY, EVERY),
    10_000: (LIGHT, EVERY),
    100_000: ((), LIGHT + ("uvloop",)),
    1_000_000: ((), ("coil", "limit")),
}

# What wrk and redis-benchmark ask of a server: seconds, or answers.
SERVICES = {
    "http": {system: (1, 3, 6) for system in ("coil", "nginx", "nginx-file")} | {"asyncio": (None, 3, 6)},
    "http_pipelined": {system: (1, 3, 6) for system in ("coil", "nginx", "nginx-file", "asyncio")},
    "resp_get/1": {system: (60_000, 200_000, 500_000) for system in ("coil", "redis")},
    "resp_set/1": {system: (60_000, 200_000, 500_000) for system in ("coil", "redis")},
    "resp_get/16": {system: (500_000, 2_000_000, 5_000_000) for system in ("coil", "redis")},
    "resp_set/16": {system: (500_000, 2_000_000, 5_000_000) for system in ("coil", "redis")},
}

# How many reads; of a copy there is one.
READERS = ("coil", "limit", "pread", "thread")
FILES = {
    "file_read/1": {system: (100_000, 300_000, 1_000_000) for system in READERS} | {"asyncio": (5_000, 20_000, 50_000)},
    "file_read/32": {system: (300_000, 1_000_000, 3_000_000) for system in READERS}
    | {"asyncio": (10_000, 50_000, 100_000)},
    "file_read/128": {system: (300_000, 1_000_000, 3_000_000) for system in READERS}
    | {"asyncio": (10_000, 50_000, 100_000)},
    "file_read_direct/32": {system: (20_000, 100_000, 300_000) for system in ("coil", "limit", "thread")},
    "file_copy": {system: (1, 1, 1) for system in ("coil", "limit", "pread", "cp")},
}

MODES = ("quick", "default", "full")
ROUNDS = {"quick": 2, "default": 5, "full": 9}

# What --quick measures of a case that was not asked for by name: the other systems take minutes.
QUICK_SYSTEMS = {"coil", "coil-stream", "coil-busy", "limit", "epoll", "thread", "process", "asyncio", "nginx", "redis",
                 "pread"}
QUICK_LEAVES_OUT = {"gather/10000", "echo/64x1000x1", "echo/16384x50x1", "echo/64x50x16", "http_pipelined", "resp_set/1", "resp_get/16",
                    "resp_set/16", "file_read/1", "file_read/32", "file_read/128", "file_read_direct/32", "file_copy"}


@dataclass(frozen=True)
class Case:
    """One line of the plan: `counts` says how many operations each system does in a measurement."""

    name: str  # as on the command line and in the results, "gather/1000" for example
    counts: dict

    def figure_name(self, printed):
        """What the program calls `gather_cpu` is `gather_cpu/1000` here."""
        return printed + self.name.removeprefix(self.kind)

    @property
    def kind(self):
        return self.name.partition("/")[0]


def describe(figure):
    """The unit of a figure and what it says."""
    kind, _, count = figure.partition("/")
    unit, text = FIGURES[kind]
    return unit, text.format(n=count)


def quick(case):
    """What --quick measures of a case."""
    if case.name in QUICK_LEAVES_OUT:
        return Case(case.name, {})
    return Case(case.name, {system: count for system, count in case.counts.items() if system in QUICK_SYSTEMS})


def all_cases(mode):
    """All cases in the order in which they are measured; those without a system are not for this mode."""
    column = MODES.index(mode)
    cases = []
    for kind, systems in (COUNTS | MODELS).items():
        if kind == "startup":
            cases += [gather_case(count, mode) for count in GATHERS]
        counts = {system: counts[column] for system, counts in systems.items()}
        if "asyncio" in counts:
            counts["uvloop"] = counts["asyncio"]
        cases.append(Case(kind, rivals.with_rivals(kind, counts)))
    for kind, sizes in CROWDS.items():
        for size, (quick, otherwise) in sizes.items():
            cases.append(Case(f"{kind}/{size}", dict.fromkeys(quick if mode == "quick" else otherwise, size)))
    cases += [hold_case(count) for count, modes in HOLDS.items() if mode in modes]
    cases += [echo_case(shape, counts[column]) for shape, counts in ECHOES.items()]
    for name, systems in (SERVICES | FILES).items():
        cases.append(Case(name, {system: counts[column] for system, counts in systems.items() if counts[column]}))
    return cases


def hold_case(count):
    return Case(f"connections/{count}", dict.fromkeys(("coil", "coil-stream", "limit", "epoll"), count))


def echo_case(shape, count):
    if count is None:
        return Case(f"echo/{shape}", {})
    if shape in GROWTH:
        return Case(f"echo/{shape}", dict.fromkeys(GROWTH[shape], count))
    counts = {system: count // (5 if system == "asyncio" else 1) for system in ECHO_SYSTEMS}
    if shape == "64x1x1":
        counts["coil-busy"] = counts["coil"]
    return Case(f"echo/{shape}", rivals.with_rivals("echo", counts | {"uvloop": counts["asyncio"]}))


def gather_case(count, mode):
    quick, otherwise = GATHERS[count]
    counts = dict.fromkeys(quick if mode == "quick" else otherwise, count)
    return Case(f"gather/{count}", rivals.with_rivals("gather", counts) if "asyncio" in counts else counts)


def command(build, case, system):
    """The program that makes one measurement. It prints lines `figure=value`."""
    programs = build / "bench"
    if case.kind == "echo":
        return [str(programs / "echo-client"), case.name.partition("/")[2], str(case.counts[system]),
                *echo_server(programs, system)]
    if case.kind == "connections":
        return [str(programs / "echo-hold"), str(case.counts[system]), *echo_server(programs, system)]
    for script, kinds in ((HERE / "service.py", SERVICES), (HERE / "files.py", FILES)):
        if case.name in kinds:
            return [sys.executable, str(script), case.name, system, str(case.counts[system]), str(build)]
    program = "models" if compares_models(case) else "cases"
    python = [interpreter(system), str(HERE / "asyncio" / ("hello.py" if case.kind == "startup" else f"{program}.py"))]
    if system == "uvloop":
        python.append("--uvloop")
    interpreted = system in ("asyncio", "uvloop")
    if case.kind == "startup":
        hello = python if interpreted else [str(programs / f"{system}-hello")]
        return [str(programs / "launch"), str(case.counts[system]), *hello]
    return [*(python if interpreted else [str(programs / f"{system}-{program}")]), case.kind, str(case.counts[system])]


def interpreter(system):
    return rivals.uvloop_python() if system == "uvloop" else sys.executable


def echo_server(programs, system):
    if system in ("asyncio", "uvloop"):
        return [interpreter(system), str(HERE / "asyncio" / "echo.py"), *(["--uvloop"] if system == "uvloop" else [])]
    if system == "coil-busy":
        return [str(programs / "coil-stream-echo"), "busy"]
    return [str(programs / f"{system}-echo")]


def compares_models(case):
    return case.kind in MODELS or case.kind in CROWDS


def runs_on_one_core(case, system):
    """Systems of one thread are kept on one core; threads and processes may use them all, and so may client and server.

    Reading files is on one core for all: a pool of threads is slower on two.
    """
    if case.name in FILES:
        return True
    alone = system not in ("thread", "process") and not compares_models(case)
    return alone and case.kind not in ("echo", "connections") and case.name not in SERVICES
