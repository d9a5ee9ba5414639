#!/usr/bin/env python3
"""Checks what kv_server promises: examples_kv_server.py PROGRAM"""
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from example_check import expect, main, run, step
from kv_streams import Streams, encode, same

PATIENCE = 60  # seconds for an answer; none needs more than a few
SANITIZED = "ASAN_OPTIONS" in os.environ
MIB = 1 << 20


# ---- Servers and clients ---------------------------------------------------------------------------------

class Server:
    """kv_server on a port of its own, killed at the end of the `with`."""
    def __init__(self, program, *arguments, port=0, **options):
        self.process = subprocess.Popen([program, str(port), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        self.line = self.process.stdout.readline()
        listening = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.line)
        expect(listening, f"prints {self.line!r} first, and says {self.line or self.process.communicate()[1]!r}")
        self.port = int(listening[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, self.said = self.process.communicate(timeout=PATIENCE)
        expect(out == "", f"prints {out!r} after the first line")
        return self.process.returncode

    def memory(self):
        """Bytes that are resident."""
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()


class Client:
    def __init__(self, server, **buffers):
        self.socket = socket.socket()
        for name, size in buffers.items():
            self.socket.setsockopt(socket.SOL_SOCKET, getattr(socket, name), size)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", server if isinstance(server, int) else server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        self.socket.sendall(encode([word if isinstance(word, bytes) else str(word).encode() for word in words]))

    def __call__(self, *words):
        self.send(*words)
        return self.reply()

    def reply(self):
        """One reply: bytes, None, a number, a list, or the text of a simple string or an error with its first byte."""
        line = self.file.readline()
        expect(line.endswith(b"\r\n"), f"the connection ends with {line!r} instead of a reply")
        kind, rest = line[:1], line[1:-2]
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return (kind + rest).decode()

    def exchange(self, pieces):
        """Sends all, and that nothing follows; returns what comes until the end."""
        received = []
        with contextlib.suppress(OSError):  # it may be closed by then
            for piece in pieces:
                self.socket.sendall(piece)
            self.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):  # a reset ends it as well; what came before is compared
            while part := self.socket.recv(1 << 16):
                received.append(part)
        return b"".join(received)


def check(client, expected):
    for request, reply in expected:
        got = client(*request.split(" ")) if isinstance(request, str) else client(*request)
        expect(got == reply, f"{request}: {got!r} instead of {reply!r}")


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < end, f"it does not come about that {what}")
        time.sleep(0.005)


# ---- Starting and ending ---------------------------------------------------------------------------------

@step("a port that is no port, an option or too many arguments are answered with the usage")
def usage(programs, folder):
    for arguments in (["x"], ["65536"], ["-1"], [""], ["1", "2", "3"], ["--help"], ["0", ""], ["0", "-x"], ["1.5"]):
        done = run(programs["kv_server"], *arguments, cwd=folder)
        expect(done.returncode == 2 and done.stdout == "", f"{arguments}: exit {done.returncode}, prints {done.stdout!r}")
        expect("usage: kv_server" in done.stderr, f"{arguments}: says {done.stderr!r}")


@step("a port in use: exit 1, and says which")
def port_in_use(programs, folder):
    with Server(programs["kv_server"]) as server:
        done = run(programs["kv_server"], server.port)
        expect(done.returncode == 1 and done.stdout == "", f"exit {done.returncode}, prints {done.stdout!r}")
        expect(str(server.port) in done.stderr and "in use" in done.stderr and done.stderr.count("\n") <= 3,
               f"says {done.stderr!r}")


@step("SIGTERM and SIGINT end it with 0: what is under way is answered, new connections are refused")
def drained(programs, folder):
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server(programs["kv_server"]) as server, Client(server) as idle, Client(server) as busy:
            check(idle, [("PING", "+PONG")])
            check(busy, [("SET k 1", "+OK")])
            busy.socket.sendall(b"*2\r\n$4\r\nINCR\r\n$1")
            check(idle, [("PING", "+PONG")])  # so that it has come
            begin = time.monotonic()
            server.process.send_signal(number)
            expect(idle.file.read() == b"", "an idle connection is told something")
            expect(time.monotonic() - begin < 2, "an idle connection is not closed")
            try:
                Client(server)
                expect(False, "takes new connections")
            except ConnectionRefusedError:
                pass
            busy.socket.sendall(b"\r\nk\r\n")
            expect(busy.reply() == 2, "does not finish what is under way")
            expect(busy.file.read() == b"", "does not end the connection afterwards")
            status = server.process.wait(PATIENCE)
            expect(status == 0, f"exit {status}")
            expect(time.monotonic() - begin < 4, "does not end once everything is finished")


@step("what does not end by itself is aborted after 5 seconds, by a second signal at once")
def aborted(programs, folder):
    for signals in (1, 2):
        with Server(programs["kv_server"]) as server, Client(server) as stuck:
            stuck.socket.sendall(b"PING\r\n*2\r\n")
            expect(stuck.reply() == "+PONG", "does not answer")
            begin = time.monotonic()
            for _ in range(signals):
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.1)  # two that come together are one
            status = server.process.wait(PATIENCE)
            took = time.monotonic() - begin
            expect(status == 0 or signals == 2, f"exit {status}")
            expect(4.5 < took < 20 if signals == 1 else took < 4, f"{signals} signals: takes {took:.1f} s")


# ---- Replies ---------------------------------------------------------------------------------------------

WRONG_NUMBER = "-ERR wrong number of arguments for '%s' command"
NOT_AN_INTEGER = "-ERR value is not an integer or out of range"


@step("answers commands as Redis 7.0 does")
def commands(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as client:
        check(client, [
            ("PING", "+PONG"), ("ping hello", b"hello"), ("ECHO hi", b"hi"), ("GET k", None), ("SET k v", "+OK"),
            ("GET k", b"v"), ("SET k w NX", None), ("SET n w XX", None), ("SET k w XX GET", b"v"), ("DEL k n", 1),
            ("EXISTS k", 0), ("INCR n", 1), ("INCRBY n 41", 42), ("DECR n", 41), ("EXISTS n n k", 2), ("TTL n", -1),
            ("TTL k", -2), ("EXPIRE n 100", 1), ("TTL n", 100), ("PERSIST n", 1), ("TTL n", -1), ("SET n x EX 50", "+OK"),
            ("TTL n", 50), ("INCR n", NOT_AN_INTEGER), ("SET n 9223372036854775807", "+OK"),
            ("INCR n", "-ERR increment or decrement would overflow"), ("GET", WRONG_NUMBER % "get"),
            ("SET a b EX 0", "-ERR invalid expire time in 'set' command"), ("SET a b NX XX", "-ERR syntax error"),
            ("FOO a b", "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' "), ("DBSIZE", 1),
            ("EXPIRE n 9223372036854775807", "-ERR invalid expire time in 'expire' command"), ("EXPIRE n -1", 1),
            ("DBSIZE", 0), ("MSET a 1 b 2", "+OK"), ("MGET a b c", [b"1", b"2", None]), ("KEYS [a]", [b"a"]),
            ("CONFIG GET save", [b"save", b""]), ("CONFIG GET appendonly", [b"appendonly", b"no"]), ("SELECT 0", "+OK"),
            ("SELECT 99", "-ERR DB index is out of range"), ("HELLO 3", "-NOPROTO unsupported protocol version"),
            ("CONFIG FOO", "-ERR unknown subcommand 'FOO'. Try CONFIG HELP."), ("FLUSHALL", "+OK"), ("DBSIZE", 0),
        ])
        expect(b"redis_version:" in client("INFO"), "INFO does not say redis_version")
        expect(len(client("COMMAND")) == client("COMMAND", "COUNT"), "COMMAND COUNT is not what COMMAND has")
        check(client, [("QUIT", "+OK")])
        expect(client.file.read() == b"", "QUIT does not end the connection")


@step("keys go by themselves when their time has come")
def expiry(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as client:
        for number in range(2000):
            client.send("SET", f"k{number}", "v", "PX", "20")
        client.send("SET", "stays", "v", "PX", "1000000")
        expect([client.reply() for _ in range(2001)] == ["+OK"] * 2001, "does not set all keys")
        until(lambda: client("DBSIZE") == 1, "all keys that expire are gone")
        check(client, [("GET k7", None), ("GET stays", b"v"), ("KEYS *", [b"stays"])])


@step("one pipeline of 20,000 commands, also byte by byte in part, is answered in order")
def pipeline(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as client:
        sent = b"".join(encode([b"INCR", b"n"]) for _ in range(20_000))
        pieces = [sent[at:at + 1] for at in range(2000)] + [sent[2000:]]
        sender = threading.Thread(target=lambda: [client.socket.sendall(piece) for piece in pieces])
        sender.start()
        expect([client.reply() for _ in range(20_000)] == list(range(1, 20_001)), "answers something else")
        sender.join()


@step("a value of 64 MiB arrives in small pieces, is kept and comes back; larger than 512 MiB is refused")
def large_values(programs, folder):
    value = os.urandom(MIB) * 64
    with Server(programs["kv_server"]) as server, Client(server) as client:
        client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % len(value))
        for at in range(0, len(value), 5000):
            client.socket.sendall(value[at:at + 5000])
        client.socket.sendall(b"\r\n")
        expect(client.reply() == "+OK", "does not take it")
        expect(client("GET", "k") == value, "gives back something else")
        expect(client("ECHO", value[:MIB]) == value[:MIB], "ECHO gives back something else")
        limit = (4 if SANITIZED else 2) * len(value)
        expect(server.memory() < limit, f"takes {server.memory() >> 20} MiB for 64 MiB")
        client.socket.sendall(b"*2\r\n$4\r\nECHO\r\n$536870913\r\n")
        expect(client.file.read() == b"-ERR Protocol error: invalid bulk length\r\n", "does not refuse more than 512 MiB")


# ---- Side by side with Redis -----------------------------------------------------------------------------

@contextlib.contextmanager
def redis_server(folder, *arguments):
    """The port of a redis-server; None, and it says so, where none is installed."""
    if shutil.which("redis-server") is None:
        print("  redis-server is not installed: there is nothing to compare with")
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
               *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if "Ready to accept connections" in line:
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield port
    finally:
        process.kill()
        process.wait()


@step("answers 400 random streams of good and bad requests byte for byte as redis-server")
def side_by_side(programs, folder):
    with redis_server(folder) as redis, Server(programs["kv_server"]) as server:
        if redis is None:
            return
        version = run("redis-server", "--version").stdout
        if "v=7.0." not in version:
            print(f"  nothing is compared with {version.strip()}")
            return
        streams = Streams(int(os.environ.get("COIL_TEST_SEED", "1")))
        for number in range(int(os.environ.get("COIL_TEST_STREAMS", "400"))):
            stream = streams.stream(number)
            pieces = streams.pieces(stream)
            answers = []
            for port in (redis, server.port):
                with Client(port) as client:
                    check(client, [("FLUSHALL", "+OK")])
                    answers.append(client.exchange(pieces))
            at = len(os.path.commonprefix(answers))
            expect(same(*answers), f"stream {number}, {stream!r}: from byte {at}\n"
                   f"  {answers[0][at:at + 200]!r} of Redis, not\n  {answers[1][at:at + 200]!r}, after {answers[0][:at][-200:]!r}")


REFUSED = [
    (b"*1\r\n$2147483648\r\n", b"invalid bulk length"), (b"*1\r\n$-1\r\n", b"invalid bulk length"),
    (b"*99999999999\r\n", b"invalid multibulk length"), (b"*1\r\n:1\r\n", b"expected '$', got ':'"),
    (b"x" * 70_000, b"too big inline request"), (b"*" + b"1" * 70_000, b"too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 70_000, b"too big bulk count string"), (b"echo 'x\r\n", b"unbalanced quotes in request"),
]


@step("what is against the protocol is answered with Redis' words, and ends that connection only")
def refused(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as other:
        for sent, why in REFUSED:
            with Client(server) as client:
                client.socket.sendall(b"PING\r\n" + sent + b"PING\r\n" * 1000)
                got = client.file.read()
                expect(got == b"+PONG\r\n-ERR Protocol error: " + why + b"\r\n", f"{sent[:40]}: answers {got!r}")
        for sent in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: here\r\n"):
            with Client(server) as client:
                got = client.exchange([sent, b"\r\nSET k v\r\n"])
                expect(b"OK" not in got, f"a browser can send commands: {got!r}")
        check(other, [("PING", "+PONG"), ("EXISTS k", 0)])


@step("redis-cli and redis-benchmark talk to it")
def redis_tools(programs, folder):
    with Server(programs["kv_server"], folder / "log") as server:
        if shutil.which("redis-cli") is None:
            print("  redis-cli is not installed: only sockets are tried")
        else:
            for words, answer in (["set k v", "OK"], ["get k", "v"], ["incr n", "1"], ["ttl k", "-1"], ["keys n", "n"]):
                done = run("redis-cli", "-p", server.port, *words.split())
                expect(done.stdout == answer + "\n" and done.stderr == "", f"{words}: {done.stdout!r}{done.stderr!r}")
            done = subprocess.run(["redis-cli", "-p", str(server.port)], input="set k w\nget k\nfoo\n", capture_output=True,
                                  encoding="utf-8", timeout=PATIENCE)
            expect(done.stdout.splitlines()[:2] == ["OK", "w"] and "unknown command" in done.stdout, f"says {done.stdout!r}")
        if shutil.which("redis-benchmark") is None:
            return print("  redis-benchmark is not installed: only sockets are tried")
        for depth in (1, 16):
            done = run("redis-benchmark", "-p", server.port, "-t", "ping,set,get,incr,mset", "-n", 2000, "-P", depth, "--csv")
            expect(done.returncode == 0 and done.stderr == "", f"exit {done.returncode}: {done.stderr}")
            expect(done.stdout.count("\n") == 7, f"prints {done.stdout}")


# ---- Subscribers -----------------------------------------------------------------------------------------

@step("what is published comes to all subscribers of the channel, in order")
def subscribers(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as publisher, contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(Client(server)) for _ in range(20)]
        for client in listeners:
            client.send("SUBSCRIBE", "news", "sport")
            expect([client.reply(), client.reply()] == [[b"subscribe", b"news", 1], [b"subscribe", b"sport", 2]], "subscribe")
        check(listeners[0], [("PING", [b"pong", b""]), ("GET k", "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / "
              "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"), ("PSUBSCRIBE n*", [b"psubscribe", b"n*", 3])])
        texts = [f"{number}" * (number % 500) for number in range(1000)]
        for text in texts:
            publisher.send("PUBLISH", "news", text)
        expect([publisher.reply() for _ in texts] == [21] * len(texts), "counts others")
        for client in listeners:
            for text in texts:
                expect(client.reply() == [b"message", b"news", text.encode()], "a message is another one")
                if client is listeners[0]:
                    expect(client.reply() == [b"pmessage", b"n*", b"news", text.encode()], "a message is another one")
        check(listeners[1], [("UNSUBSCRIBE sport", [b"unsubscribe", b"sport", 1]), ("UNSUBSCRIBE", [b"unsubscribe", b"news", 0]),
                             ("GET k", None)])
        check(listeners[3], [("QUIT", "+OK")])
        listeners[2].close()
        until(lambda: publisher("PUBLISH", "news", "x") == 18, "who has gone or unsubscribed is not counted")


@step("a subscriber that is 32 MiB behind is let go; the others get everything, and the memory comes back")
def slow_subscriber(programs, folder):
    message = b"m" * 100_000
    with Server(programs["kv_server"]) as server, Client(server) as publisher, Client(server) as quick, \
            Client(server, SO_RCVBUF=4096) as slow:
        for client in (quick, slow):
            check(client, [("SUBSCRIBE c", [b"subscribe", b"c", 1])])
        before, sent = server.memory(), 0
        while publisher("PUBLISH", "c", message) == 2:
            sent += 1
            expect(sent < 2000, "the slow one is never let go")
            expect(quick.reply() == [b"message", b"c", message], "the quick one gets something else")
        expect(31 * MIB < sent * len(message) < 50 * MIB, f"it is let go after {sent * len(message) >> 20} MiB")
        expect(SANITIZED or server.memory() - before < 12 * MIB, f"{server.memory() - before >> 20} MiB are not given back")


# ---- Hostile peers ---------------------------------------------------------------------------------------

@step("who sends and never reads is not read from any more; the memory stays flat and the others are served")
def never_read(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as other, contextlib.ExitStack() as stack:
        check(other, [(["SET", "large", b"v" * MIB], "+OK"), (["SET", "small", b"v" * 1000], "+OK")])
        before = server.memory()
        for request in (["GET", "large"], ["GET", "small"], ["PING"], ["FOO", "x" * 100]):
            client = stack.enter_context(Client(server, SO_RCVBUF=4096))
            client.socket.settimeout(0.5)
            flood = encode([word.encode() for word in request]) * 1000
            with contextlib.suppress(TimeoutError):  # what is expected: the server stops reading
                while True:
                    client.socket.sendall(flood)
        grown = server.memory() - before
        check(other, [("PING", "+PONG"), ("GET small", b"v" * 1000)])
        expect(grown < (64 if SANITIZED else 16) * MIB, f"four of them cost {grown >> 10} KiB")


@step("a command with an answer of more than 48 MiB ends the connection, or is sent as it is read")
def much_from_little(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as client, Client(server) as other:
        check(client, [(["SET", "k", b"v" * 30_000], "+OK"), (["SET", "large", b"v" * MIB], "+OK")])
        before = server.memory()
        client.send("MGET", *["large"] * 200)
        expect(client.reply() == [b"v" * MIB] * 200, "gives something else")
        client.send("MGET", *["k"] * 100_000)
        with contextlib.suppress(ConnectionResetError):  # closed with replies unsent
            expect(client.file.read() == b"", "answers with 3 GB")
        check(other, [("PING", "+PONG")])
        expect(server.memory() - before < 96 * MIB, f"{server.memory() - before >> 20} MiB more")


@step("lengths that are announced and not sent, and half-open connections, cost nothing")
def announced(programs, folder):
    with Server(programs["kv_server"]) as server, Client(server) as other, contextlib.ExitStack() as stack:
        check(other, [("PING", "+PONG")])
        before = server.memory()
        for sent in (b"*2147483647\r\n$536870912\r\n", b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc", b"*1000000\r\n", b"GET", b"*"):
            for _ in range(20):
                stack.enter_context(Client(server)).socket.sendall(sent)
        check(other, [("PING", "+PONG")] * 100)
        grown = server.memory() - before
        expect(grown < (16 if SANITIZED else 4) * MIB, f"100 of them cost {grown >> 10} KiB")


# ---- The append-only file --------------------------------------------------------------------------------

CHANGES = [("SET a 1", "+OK"), ("SET b 2 EX 1000", "+OK"), ("INCR a", 2), ("EXPIRE a 2000", 1), ("SET c 3 PX 1", "+OK"),
           ("APPEND d xyz", 3), ("MSET e 5 f 6", "+OK"), ("DEL f", 1), ("SET g 7 EX 9", "+OK"), ("PERSIST g", 1),
           ("SET h 8 EX 3000", "+OK"), ("SET h 9 KEEPTTL", "+OK"), (["SET", "large", b"l" * 100_000], "+OK"),
           (["SET", b"k\r\n\0", b"\r\n\0"], "+OK"), ("GETDEL e", b"5"), ("SET i 1 PX 1", "+OK")]
KEPT = [("GET a", b"2"), ("GET b", b"2"), ("GET c", None), ("GET d", b"xyz"), ("GET e", None), ("EXISTS f", 0), ("TTL g", -1),
        ("GET h", b"9"), ("GET large", b"l" * 100_000), (["GET", b"k\r\n\0"], b"\r\n\0"), ("TTL i", -1), ("GET i", b"1"),
        ("DBSIZE", 8)]


def change(client):
    check(client, CHANGES)
    until(lambda: client("EXISTS", "c", "i") == 0, "keys with a short life are gone")
    check(client, [("INCR i", 1)])  # it has no time to live now, whatever the file is read


@step("what was answered is there after kill -9, with the time that is left to it")
def killed(programs, folder):
    with Server(programs["kv_server"], folder / "log") as server, Client(server) as client:
        change(client)
        check(client, [("CONFIG GET appendonly", [b"appendonly", b"yes"])])
        server.process.kill()
    for _ in range(2):
        with Server(programs["kv_server"], folder / "log") as server, Client(server) as client:
            check(client, KEPT)
            for key, at_most in (("a", 2000), ("b", 1000), ("h", 3000)):
                left = client("TTL", key)
                expect(at_most - 60 < left <= at_most, f"{key} has {left} s left of {at_most}")
            expect(server.end() == 0 and server.said == "", f"exit {server.process.returncode}, says {server.said!r}")


@step("kill -9 in the middle of many writers loses nothing that was answered")
def killed_under_load(programs, folder):
    for _ in range(3):
        with Server(programs["kv_server"], folder / "log") as server:
            answered = {}

            def write(name):
                with contextlib.suppress(Exception), Client(server) as client:
                    while True:
                        answered[name] = client("INCR", name)

            writers = [threading.Thread(target=write, args=[f"w{number}"]) for number in range(8)]
            for writer in writers:
                writer.start()
            until(lambda: sum(list(answered.values())) > 500, "something is written")
            server.process.kill()
            for writer in writers:
                writer.join()
        with Server(programs["kv_server"], folder / "log") as server, Client(server) as client:
            for name, value in answered.items():
                kept = int(client("GET", name))
                expect(value <= kept <= value + 1, f"{name} was {value}, and is {kept}")


@step("a record that is torn off is cut off, wherever it is, and said")
def torn(programs, folder):
    whole = encode([b"SELECT", b"0"]) + encode([b"SET", b"a", b"1"])
    last = encode([b"SET", b"b", b"some value"])
    for end, tail in [(size, b"") for size in range(1, len(last))] + [(0, b"\0" * 5000)]:
        (folder / "log").write_bytes(whole + last[:end] + tail)
        with Server(programs["kv_server"], folder / "log") as server, Client(server) as client:
            check(client, [("KEYS *", [b"a"])])
            if end % 10 == 0:
                check(client, [("SET c 3", "+OK")])
            client.close()
            expect(server.end() == 0, f"{end} bytes: exit {server.process.returncode}")
            expect(server.said.count("\n") == 1 and "cut off" in server.said and "log" in server.said, f"says {server.said!r}")
        after = (folder / "log").read_bytes()
        expect(after == whole + (encode([b"SET", b"c", b"3"]) if end % 10 == 0 else b""), f"{end} bytes: leaves {after!r}")


FOREIGN = [b"hello\n", b"REDIS0011\xfa\tredis-ver", b"\0" * 100, b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
           b"*1\r\n$3\r\nFOO\r\n", b"*2\r\n$3\r\nSET\r\n$1\r\nk\r\n", b"* a list\n* of things\n", b"#!/bin/sh\n", b"*0\r\n",
           b"*-1\r\n", b"*1\r\n$600000000\r\n", encode([b"SET", b"a", b"1"]) + b"hello", b"\x7fELF\x02\x01\x01\0",
           encode([b"SET", b"a", b"1"]) + b"*1\r\n$8\r\nFLUSHALLxx" + encode([b"SET", b"a", b"1"]), b"*3\n$3\nSET\n$1\na\n$1\nb\n"]


def check_refusal(done, path, word=""):
    expect(done.returncode == 1 and done.stdout == "", f"exit {done.returncode}, prints {done.stdout!r}")
    expect(done.stderr.count("\n") == 1 and str(path) in done.stderr and word in done.stderr, f"says {done.stderr!r}")


@step("a file of another kind is refused and left as it is")
def foreign(programs, folder):
    for content in FOREIGN:
        (folder / "log").write_bytes(content)
        check_refusal(run(programs["kv_server"], 0, folder / "log"), folder / "log")
        expect((folder / "log").read_bytes() == content, f"{content!r} is changed")
    os.mkfifo(folder / "fifo")
    check_refusal(run(programs["kv_server"], 0, folder / "fifo"), folder / "fifo")
    check_refusal(run(programs["kv_server"], 0, "/dev/null"), "/dev/null")


@step("a file that cannot be made, or that another server has, is refused")
def unusable(programs, folder):
    check_refusal(run(programs["kv_server"], 0, folder), folder, "Is a directory")
    check_refusal(run(programs["kv_server"], 0, folder / "no/log"), folder / "no/log", "No such file or directory")
    with Server(programs["kv_server"], folder / "log"):
        check_refusal(run(programs["kv_server"], 0, folder / "log"), folder / "log", "in use")


@step("a file that cannot be written any more: said, and changes are refused, but not the rest")
def unwritable(programs, folder):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
    with Server(programs["kv_server"], folder / "log", preexec_fn=limit) as server, Client(server) as client:
        check(client, [("SET a 1", "+OK")])
        client.send("SET", "b", "x" * 20_000)
        with contextlib.suppress(ConnectionResetError):
            expect(client.file.read() == b"", "answers what is not in the file")
        with Client(server) as other:
            check(other, [("GET a", b"1"), ("SET a 2", "-MISCONF Errors writing to the AOF file: File too large")])
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            until(lambda: other("SET", "a", "3") == "+OK", "it is written again")
        expect(server.end() == 0, f"exit {server.process.returncode}: {server.said}")
        expect("File too large" in server.said and "can be written again" in server.said, f"says {server.said!r}")
    with Server(programs["kv_server"], folder / "log") as server, Client(server) as client:
        check(client, [("GET a", b"3"), ("GET b", b"x" * 20_000)])


@step("redis-server reads the file, and kv_server one of redis-server")
def shared_file(programs, folder):
    with Server(programs["kv_server"], folder / "appendonly.aof") as server, Client(server) as client:
        change(client)
        expect(server.end() == 0, f"exit {server.process.returncode}: {server.said}")
    with redis_server(folder, "--appendonly", "yes", "--aof-use-rdb-preamble", "no") as redis:
        if redis is None:
            return
        with Client(redis) as client:
            check(client, KEPT)
            check(client, [("SET new 1 EX 1000", "+OK"), ("SET gone 1 PX 1", "+OK")])
            until(lambda: client("EXISTS", "gone") == 0, "a key is gone")
    logs = sorted((folder / "appendonlydir").glob("*.aof"))
    (folder / "log").write_bytes(b"".join(log.read_bytes() for log in logs))
    with Server(programs["kv_server"], folder / "log") as server, Client(server) as client:
        check(client, [*KEPT[:-1], ("DBSIZE", 9), ("GET new", b"1")])


if __name__ == "__main__":
    if SANITIZED:  # what was freed is not kept, so that the memory can be looked at
        os.environ["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    sys.exit(main(sys.argv[1:]))
