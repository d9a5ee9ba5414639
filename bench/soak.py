"""Holds a coil server under mixed clients and says whether it stays as it was: what `sh bench/soak` runs.

Once a second it asks the server and the clients where they stand, and the kernel for the server's memory and
descriptors. At the end all clients go, and the server has to be as it was before they came. Exit status 1 if not.
"""
import argparse
import json
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

import soak_plot  # noqa: E402

BUILD = Path(__file__).resolve().parents[1] / ".build"
PAGE = os.sysconf("SC_PAGESIZE")
ANSWER_MAX_S = 60  # without an answer a program hangs
RESTORE_MAX_S = 45  # until the server is as before; it tries for 30 s to send what a client does not take
GROWTH_MAX = 0.02  # what is given back is no growth
SETTLED_AFTER_S = 1200  # in less time the most that was needed at once is still growing
RSS_MAX_MIB = 64  # then
KILLED_AFTER_S = (0.1, 3.0)  # a process of clients
STOPPED_S = 1  # some of them, before they are killed
HEAP_GROWTH_MAX_KIB = 256  # what is set up at the first use, and stays


class Hangs(Exception):
    pass


class Program:
    """A program that answers lines of its stdin by lines of its stdout. Dies with this one."""

    def __init__(self, *command):
        self.name = Path(command[0]).name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.pending = b""
        self.complaints = b""
        self.reader = threading.Thread(target=self.read_errors, daemon=True)
        self.reader.start()

    def read_errors(self):
        while more := self.process.stderr.read1():
            self.complaints += more

    def send(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; its exit status is looked at

    def read_line(self):
        until = time.monotonic() + ANSWER_MAX_S
        output = self.process.stdout
        while b"\n" not in self.pending:
            if not select.select([output], [], [], max(0, until - time.monotonic()))[0]:
                raise Hangs(f"{self.name} has not answered for {ANSWER_MAX_S} s")
            more = os.read(output.fileno(), 65536)
            if not more:
                raise Hangs(f"{self.name} has ended: exit status {self.process.wait()}")
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def sample(self):
        self.send("sample")
        return json.loads(self.read_line())

    def end(self):
        """Asks it to end; gives its exit status."""
        self.send("quit")
        try:
            return self.process.wait(ANSWER_MAX_S)
        except subprocess.TimeoutExpired:
            raise Hangs(f"{self.name} does not end") from None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()

    def proc(self, name):
        return Path(f"/proc/{self.process.pid}/{name}")

    def resident_kib(self):
        return int(self.proc("statm").read_text().split()[1]) * PAGE // 1024

    def descriptors(self):
        return len(os.listdir(self.proc("fd")))

    def cpu_s(self):
        user, system = self.proc("stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Victims(threading.Thread):
    """A process of clients that is killed at any time; then the next one."""

    def __init__(self, command, rate, chance):
        super().__init__(daemon=True)
        self.command = command
        self.rate = rate
        self.chance = chance
        self.ended = threading.Event()
        self.kills = 0
        self.complaints = []

    def run(self):
        while not self.ended.is_set():
            victim = Program(*self.command, self.chance.getrandbits(63), self.rate, "victim")
            self.ended.wait(self.chance.uniform(*KILLED_AFTER_S))
            if self.chance.random() < 0.3:  # its connections stay, and neither say nor read anything
                victim.process.send_signal(signal.SIGSTOP)
                self.ended.wait(STOPPED_S)
            if victim.process.poll() is not None:
                self.complaints.append(f"a victim ended by itself: exit status {victim.process.returncode}")
            victim.kill()
            self.kills += 1
            if victim.complaints:
                self.complaints.append(victim.complaints.decode(errors="replace"))

    def end(self):
        self.ended.set()
        self.join()


class Soak:
    def __init__(self, options, json_file):
        self.options = options
        self.json_file = json_file
        self.chance = random.Random(options.seed)
        self.early = {}  # connections that ended although they kept to what was agreed
        self.chosen = set()  # those that the server was told to cancel
        self.errors = []
        self.samples = []

    def write(self, row):
        if self.json_file:
            self.json_file.write(json.dumps(row) + "\n")
            self.json_file.flush()

    def learn(self, server, clients):
        self.chosen.update(server.pop("chosen"))
        self.errors += ["server: " + text for text in server.pop("errors")]
        if clients is not None:
            self.early.update(clients.pop("early"))
            self.errors += ["clients: " + text for text in clients.pop("errors")]

    def sample(self, start):
        server, clients = self.server.sample(), self.clients.sample()
        self.learn(server, clients)
        row = {"time": round(time.monotonic() - start, 3), "rss_kib": self.server.resident_kib(),
               "descriptors": self.server.descriptors(), "cpu_s": self.server.cpu_s(),
               "clients_cpu_s": self.clients.cpu_s(), "kills": self.victims.kills, **server, **clients}
        row["rate"] = 0.0
        if self.samples:
            before = self.samples[-1]
            row["rate"] = round((row["messages"] - before["messages"]) / (row["time"] - before["time"]), 1)
        self.samples.append(row)
        self.write(row)

    def run(self):
        folder = self.options.build / "bench"
        self.server = Program(folder / "soak-server", self.chance.getrandbits(63), self.options.cancels)
        try:
            port = int(self.server.read_line())
            self.before = self.state()
            self.write({"seed": self.options.seed, "before": self.before, "rate": self.options.rate,
                        "cancels": self.options.cancels})
            command = (folder / "soak-clients", port)
            self.victims = Victims(command, self.options.rate / 10, random.Random(self.chance.getrandbits(63)))
            self.clients = Program(*command, self.chance.getrandbits(63), self.options.rate * 0.9)
            try:
                self.victims.start()
                self.hold()
                self.victims.end()
                self.end_of_clients()
            finally:
                self.victims.ended.set()
                self.clients.kill()
            self.after = self.restored()
            self.write({"after": self.after})
            self.end_of_server()
        finally:
            self.server.kill()

    def hold(self):
        start = time.monotonic()
        for second in range(1, self.options.seconds + 1):
            time.sleep(max(0.0, start + second - time.monotonic()))
            self.sample(start)
            if sys.stderr.isatty():
                row = self.samples[-1]
                print(f"\r{second} s: {row['messages']} messages, {row['rss_kib']} KiB  ", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def end_of_clients(self):
        status = self.clients.end()
        self.clients_end = json.loads(self.clients.read_line())
        self.learn(self.server.sample(), self.clients_end)
        if status != 0:
            self.errors.append(f"clients: exit status {status}")

    def end_of_server(self):
        status = self.server.end()
        if status != 0:
            self.errors.append(f"server: exit status {status}")
        self.server.reader.join()
        self.errors += self.victims.complaints
        for program in (self.server, self.clients):
            if program.complaints:
                self.errors.append(f"{program.name} says: {program.complaints.decode(errors='replace')}")

    def state(self):
        row = self.server.sample()
        self.learn(row, None)
        return {"rss_kib": self.server.resident_kib(), "descriptors": self.server.descriptors(), **row}

    def restored(self):
        """Where the server stands once it is as before, or does not become so."""
        until = time.monotonic() + RESTORE_MAX_S
        while True:
            row = self.state()
            same = all(row[key] <= self.before[key] for key in ("descriptors", "tasks", "operations", "timers", "frames"))
            if same or time.monotonic() > until:
                return row
            time.sleep(0.1)

    def unexplained(self):
        return {number: what for number, what in self.early.items() if number not in self.chosen}

    # ---- The verdict ----

    def growth(self):
        """Median resident memory of the first and of the last tenth after the warm-up, in KiB."""
        warm = [row["rss_kib"] for row in self.samples if row["time"] > self.options.warm_up]
        tenth = max(1, len(warm) // 10)
        return statistics.median(warm[:tenth]), statistics.median(warm[-tenth:])

    def memory_verdict(self):
        if self.options.rss_max is not None:
            most = max(row["rss_kib"] for row in self.samples) / 1024
            return ["resident memory, the most", f"{most:.1f} MiB", f"{self.options.rss_max} MiB",
                    most <= self.options.rss_max]
        first, last = self.growth()
        return ["resident memory, growth", f"{first:.0f} to {last:.0f} KiB: {last / first - 1:+.2%}",
                f"{GROWTH_MAX:.0%}", last / first - 1 <= GROWTH_MAX]

    def verdicts(self):
        for key, name in (("descriptors", "descriptors"), ("tasks", "tasks"), ("operations", "kernel operations"),
                          ("timers", "timers"), ("frames", "blocks of the frame pool")):
            more = self.after[key] - self.before[key]
            yield [f"{name} more than at the start", str(more), "0", more <= 0]
        more = self.after["heap_kib"] - self.before["heap_kib"]
        yield ["heap in use, more than at the start", f"{more} KiB", f"{HEAP_GROWTH_MAX_KIB} KiB",
               more <= HEAP_GROWTH_MAX_KIB]
        if self.options.rss_max != 0:
            yield self.memory_verdict()
        faults = len(self.errors) + len(self.unexplained())
        yield ["errors that were not injected", str(faults), "0", faults == 0]
        end = self.clients_end
        yield ["connections of clients that have not ended", str(end["connected"] - end["left"]), "0",
               end["connected"] == end["left"]]
        idle = [key for key in ("cancelled", "timed_out", "reset", "thrown", "late") if self.after[key] == 0]
        yield ["kinds of injected trouble that did not happen", ", ".join(idle) or "0", "0", not idle]

    def figures(self):
        last, end, after = self.samples[-1], self.clients_end, self.after
        warm = [row for row in self.samples if row["time"] > self.options.warm_up]
        percentiles = [statistics.median(row[key] for row in warm) for key in ("p50_us", "p99_us")]
        return {
            "messages": f"{end['messages']:,}, each byte compared; {end['messages'] / last['time']:.0f} a second",
            "bytes echoed": f"{end['bytes'] / 2**20:,.0f} MiB",
            "connections": f"{end['connected']:,}, {end['cut_off']:,} of them half-open; and those of {self.victims.kills:,} processes that "
                           "were killed",
            "handlers": f"{after['ended']:,} ended in order, {after['cancelled']:,} cancelled, {after['reset']:,} reset, "
                        f"{after['timed_out']:,} timed out, {after['thrown']:,} threw",
            "latency": f"p50 {percentiles[0]:.0f} us, p99 {percentiles[1]:.0f} us (medians of the seconds)",
            "most at once": f"{max(row['descriptors'] for row in self.samples)} descriptors, "
                            f"{max(row['tasks'] for row in self.samples)} tasks, "
                            f"{max(row['rss_kib'] for row in self.samples)} KiB resident",
            "CPU": f"server {last['cpu_s'] / last['time']:.1%} of a core, "
                   f"clients {last['clients_cpu_s'] / last['time']:.1%}",
        }

    def report(self):
        for name, text in self.figures().items():
            print(f"{name:14} {text}")
        print()
        good = True
        for name, measured, bound, passed in self.verdicts():
            good = good and passed
            print(f"{name:54} {measured:32} at most {bound:8} {'passed' if passed else 'FAILED'}")
        for number, what in self.unexplained().items():
            print(f"connection {number} ended early, and was not cancelled: {what}")
        print(*self.errors[:20], sep="\n", end="\n" * bool(self.errors))
        return good


def parse(arguments):
    parser = argparse.ArgumentParser(prog="sh bench/soak", description=__doc__.splitlines()[0])
    parser.add_argument("seconds", nargs="?", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="of all that is random")
    parser.add_argument("--rate", type=float, default=1000, help="messages a second, all clients together")
    parser.add_argument("--cancels", type=float, default=5, help="connections that the server cancels a second")
    parser.add_argument("--warm-up", type=float, help="seconds that memory may grow; a third of all by default")
    parser.add_argument("--rss-max", type=float, metavar="MIB",
                        help="bounds the server's memory instead of its growth; 0: does not look at it; "
                             f"{RSS_MAX_MIB} by default in less than {SETTLED_AFTER_S} s")
    parser.add_argument("--json", type=Path, default=None, help="a line for each second; .build/soak.jsonl by default")
    parser.add_argument("--plot", type=Path, default=None, help="SVG; .build/soak.svg by default")
    parser.add_argument("--no-files", action="store_true", help="neither of them")
    parser.add_argument("--build", type=Path, default=BUILD, help="where the programs are")
    options = parser.parse_args(arguments)
    if options.seconds < 2:
        parser.error("at least 2 seconds")
    if options.warm_up is None:
        options.warm_up = options.seconds / 3
    if options.rss_max is None and options.seconds < SETTLED_AFTER_S:
        options.rss_max = RSS_MAX_MIB
    options.json = options.json or options.build / "soak.jsonl"
    options.plot = options.plot or options.build / "soak.svg"
    return options


def main():
    options = parse(sys.argv[1:])
    print(f"seed {options.seed}, {options.seconds} s, {options.rate:g} messages a second", flush=True)
    json_file = None if options.no_files else options.json.open("w")
    soak = Soak(options, json_file)
    try:
        soak.run()
    except Hangs as error:
        print(error, *soak.errors, sep="\n")
        for program in ("server", "clients"):
            if hasattr(soak, program):
                print(getattr(soak, program).complaints.decode(errors="replace"))
        return 1
    good = soak.report()
    if json_file:
        json_file.close()
        print(f"\nfigures: {options.json}")
        if soak_plot.draw(soak.samples, options.plot):
            print(f"picture: {options.plot}")
    print("passed" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
