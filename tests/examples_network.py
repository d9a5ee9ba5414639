#!/usr/bin/env python3
"""Checks what tcp_proxy, port_scan, udp_dns and offload promise: examples_network.py PROGRAM..."""
import hashlib
import http.server
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from example_check import TIME_MAX, Failed, expect, main, output_until, run, step
from example_server import Server, wait_until


# ---- tcp_proxy -------------------------------------------------------------------------------------------

class Target:
    """A TCP server here that gives each connection to `serve(socket)`, in a thread of its own."""
    def __init__(self, serve):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.name = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.serve = serve
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=[connection], daemon=True).start()

    def handle(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def read_all(connection):
    received = bytearray()
    while part := connection.recv(1 << 20):
        received += part
    return bytes(received)


def answer_after_end(connection):
    """Reads to the end, then answers: only one that passes half-closes on gets there."""
    received = read_all(connection)
    connection.sendall(b"got %d, " % len(received) + hashlib.sha256(received).hexdigest().encode() + received[::-1])


def line_of(server, pattern):
    """The line of the proxy's log that matches, which comes at the end of a connection."""
    line = server.process.stderr.readline().decode()
    found = re.fullmatch(pattern + "\n", line)
    expect(found, f"says {line!r} instead of {pattern!r}")
    return found


@step("tcp_proxy: both directions, half-closes as well, and counts")
def proxy_both_ways(programs, folder):
    with Target(answer_after_end) as target, Server(programs["tcp_proxy"], arguments=[target.name]) as server:
        clients = [server.connect() for _ in range(20)]
        sent = [os.urandom(number * 50_000) for number in range(20)]
        for client, data in zip(clients, sent):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        for client, data in zip(clients, sent):
            right = b"got %d, " % len(data) + hashlib.sha256(data).hexdigest().encode() + data[::-1]
            expect(read_all(client) == right, f"something else comes back for {len(data)} bytes")
            client.close()
        counts = set()
        for _ in clients:
            counts.add(int(line_of(server, r"127\.0\.0\.1:\d+: (\d+) bytes there, \d+ bytes back, \d+\.\d\d s, closed")[1]))
        expect(counts == {len(data) for data in sent}, f"counts {counts}")


@step("tcp_proxy: a target that closes first, or breaks off, is passed on as such")
def proxy_ends(programs, folder):
    def close_first(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        expect(read_all(connection) == b"still here", "the target does not hear the client")

    with Target(close_first) as target, Server(programs["tcp_proxy"], arguments=[target.name]) as server:
        with server.connect() as client:
            expect(read_all(client) == b"bye", "the client does not hear the target")
            client.sendall(b"still here")
        line_of(server, r"\S+: 10 bytes there, 3 bytes back, .*, closed")

    def reset(connection):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Target(reset) as target, Server(programs["tcp_proxy"], arguments=[target.name]) as server:
        with server.connect() as client:
            client.sendall(b"x")
            try:
                expect(False, f"reads {client.recv(10)} instead of a reset")
            except ConnectionResetError:
                pass
        line_of(server, r"\S+: 1 bytes there, 0 bytes back, .*reset.*")


@step("tcp_proxy: no target closes the connection, and it says why")
def proxy_without_target(programs, folder):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with Server(programs["tcp_proxy"], arguments=[f"127.0.0.1:{port}"]) as server:
        with server.connect() as client:
            try:
                expect(client.recv(1) == b"", "reads something")
            except ConnectionResetError:
                pass
        line_of(server, rf"\S+: 0 bytes there, 0 bytes back, .*{port}.*refused.*")
        server.process.send_signal(signal.SIGTERM)
        expect(server.wait() == (0, ""), "does not end well")


@step("tcp_proxy: a connection through which nothing goes is broken off, not before its time")
def proxy_idle(programs, folder):
    target_ended = threading.Event()

    def echo(connection):
        try:
            while part := connection.recv(10):
                connection.sendall(part)
        except ConnectionResetError:
            target_ended.set()

    with Target(echo) as target, Server(programs["tcp_proxy"], arguments=[target.name, "1"]) as server:
        with server.connect() as client:
            time.sleep(0.3)
            sent = time.monotonic()
            client.sendall(b"x")
            expect(client.recv(10) == b"x", "no echo")
            try:
                expect(False, f"reads {client.recv(10)} instead of a reset")
            except ConnectionResetError:
                pass
            took = time.monotonic() - sent
        expect(took >= 1, f"broken off {took:.2f} s after the last byte")
        line_of(server, r"\S+: 1 bytes there, 1 bytes back, .* s, idle for 1 s")
        expect(target_ended.wait(TIME_MAX), "the target is not broken off")


@step("tcp_proxy: with few descriptors clients wait for each other, and all are served")
def proxy_without_descriptors(programs, folder):
    with Target(answer_after_end) as target, \
            Server(programs["tcp_proxy"], arguments=[target.name], descriptors=100) as server:
        clients = [server.connect() for _ in range(40)]
        for client in clients:
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
        for client in clients:
            expect(read_all(client).startswith(b"got 1"), "one is not served")
            client.close()


@step("tcp_proxy: one that does not read holds the other side up, and memory stays")
def proxy_pushes_back(programs, folder):
    def send_much(connection):
        for _ in range(1 << 10):
            connection.sendall(b"x" * (1 << 16))

    with Target(send_much) as target, Server(programs["tcp_proxy"], arguments=[target.name]) as server:
        before = server.memory()
        clients = [server.connect() for _ in range(4)]
        time.sleep(0.3)
        expect(server.memory() - before < 16 << 20, f"costs {server.memory() - before} bytes")
        expect(len(read_all(clients[0])) == 1 << 26, "something is lost")
        for client in clients:
            client.close()


@step("tcp_proxy: curl and iperf3 through it")
def proxy_tools(programs, folder):
    (folder / "file").write_bytes(os.urandom(5_000_000))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with Server(programs["tcp_proxy"], arguments=["127.0.0.1:%d" % web.server_address[1]]) as server:
        if shutil.which("curl"):
            url = f"http://127.0.0.1:{server.port}/file"
            done = run("curl", "-sS", "-o", folder / "got", url)
            expect(done.returncode == 0, f"curl: {done.stderr}")
            expect((folder / "got").read_bytes() == (folder / "file").read_bytes(), "curl gets something else")
        else:
            print("  curl is not installed: not tried")
    web.shutdown()
    if shutil.which("iperf3") is None:
        print("  iperf3 is not installed: not tried")
        return
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    iperf = subprocess.Popen(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", str(port), "--forceflush"],
                             stdout=subprocess.PIPE, encoding="ascii")
    while "listening" not in iperf.stdout.readline():
        pass
    with Server(programs["tcp_proxy"], arguments=[f"127.0.0.1:{port}"]) as server:
        done = run("iperf3", "-c", "127.0.0.1", "-p", server.port, "-n", "200M", "-P", "2")
        expect(done.returncode == 0, f"iperf3: {done.stdout} {done.stderr}")
    iperf.kill()
    iperf.communicate()


@step("tcp_proxy: targets that are none are answered with the usage")
def proxy_targets(programs, folder):
    for target in ("x", "x:", ":80", "x:0", "x:65536", "x:-1", "[]:80", "x:80y", ""):
        done = run(programs["tcp_proxy"], 0, target)
        expect(done.returncode == 2 and "usage" in done.stderr and done.stdout == "", f"{target!r}: {done}")


# ---- port_scan -------------------------------------------------------------------------------------------

def scan(program, *arguments, **options):
    done = run(program, *arguments, **options)
    expect(done.returncode == 0 and done.stderr == "", f"exit {done.returncode}: {done.stderr}")
    *lines, last = done.stdout.splitlines()
    found = re.fullmatch(r"(\d+) of (\d+) ports are open, \d+\.\d\d s", last)
    expect(found and int(found[1]) == len(lines), f"prints {done.stdout}")
    return lines, int(found[2])


@step("port_scan: finds the ports that are listened on, and no others")
def scan_ports(programs, folder):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
    ports = sorted(listener.getsockname()[1] for listener in listeners)
    lines, total = scan(programs["port_scan"], "127.0.0.1", f"{ports[0]}-{ports[-1]}")
    found = sorted(int(re.fullmatch(r"127\.0\.0\.1:(\d+) is open", line)[1]) for line in lines)
    expect(set(ports) <= set(found), f"finds {found} of {ports}")
    expect(total == ports[-1] - ports[0] + 1, f"tries {total}")
    lines, total = scan(programs["port_scan"], "localhost", str(ports[0]))
    expect(total == 1, f"tries {total}")
    for listener in listeners:
        listener.close()
    lines, total = scan(programs["port_scan"], "127.0.0.1", str(ports[0]))
    expect(lines == [], f"finds {lines}")


def listen_everywhere():
    if shutil.which("ss") is None:
        return set()
    local = [line.split()[3].rsplit(":", 1) for line in run("ss", "-Hltn").stdout.splitlines()]
    return {int(port) for host, port in local if host in ("0.0.0.0", "*", "[::]")}


@step("port_scan: all ports, and what it says is what ss says; no connection to itself")
def scan_all(programs, folder):
    # On an address of its own: nothing else listens there, but some may listen on all.
    listeners = [socket.create_server(("127.9.8.7", 0)) for _ in range(3)]
    ports = sorted(listener.getsockname()[1] for listener in listeners)
    everywhere = listen_everywhere()
    lines, total = scan(programs["port_scan"], "127.9.8.7")
    everywhere |= listen_everywhere()
    found = {int(line.split(":")[1].split()[0]) for line in lines}
    own = range(32768, 61000)  # the kernel's choice for this end of a connection
    expect({port for port in found - everywhere if port in own} == set(ports), f"finds {found} for {ports}, {everywhere}")
    expect(total == 65535, f"tries {total}")


@step("port_scan: a progress bar on a terminal; SIGINT ends it with 130; bad ports are answered with the usage")
def scan_terminal(programs, folder):
    process, seen = output_until([programs["port_scan"], "127.0.0.1", "1-60000"], " ports")
    process.send_signal(signal.SIGINT)
    expect(process.wait(timeout=TIME_MAX) == 130, "does not end with 130")
    expect("[" in seen, f"shows {seen!r}")
    for ports in ("0", "0-1", "1-65536", "5-4", "x", "1-", "1-2-3", "-", " 1", ""):
        done = run(programs["port_scan"], "127.0.0.1", ports)
        expect(done.returncode == 2 and done.stdout == "" and "usage" in done.stderr, f"{ports!r}: {done}")
    done = run(programs["port_scan"], "no-such-host.invalid")
    expect(done.returncode == 1 and "no-such-host.invalid" in done.stderr, f"{done}")


@step("port_scan: too few descriptors are an error, not closed ports")
def scan_without_descriptors(programs, folder):
    done = run(programs["port_scan"], "127.0.0.1", "1-1000",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)))
    if done.returncode != 0:  # refused connections may end sooner than others begin
        expect(done.returncode == 1 and "Too many open files" in done.stderr, f"{done}")


# ---- udp_dns ---------------------------------------------------------------------------------------------

NAMES = {"one.test": (1, bytes([10, 0, 0, 1])), "two.test": (1, bytes([10, 0, 0, 2])),
         "six.test": (28, bytes(range(16))), "short.test": (1, bytes([10, 0, 0, 3]))}


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def question(name, kind=1):
    return encoded(name) + struct.pack("!HH", kind, 1)


def query(name, kind=1, number=1, flags=0x0100):
    return struct.pack("!HHHHHH", number, flags, 1, 0, 0, 0) + question(name, kind)


class Upstream:
    """A small name server: knows NAMES, loses what asks for lost.*, lies about liar.*"""
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.name = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.asked = []
        self.identities = []
        self.dropped = set()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                message, client = self.socket.recvfrom(4096)
            except OSError:
                return
            number, flags, *counts = struct.unpack("!HHHHHH", message[:12])
            labels, at = [], 12
            while message[at]:
                labels.append(message[at + 1:at + 1 + message[at]].decode())
                at += 1 + message[at]
            kind, = struct.unpack("!H", message[at + 1:at + 3])
            name, asked = ".".join(labels).lower(), message[12:at + 5]
            self.asked.append(name)
            self.identities.append((number, client[1]))
            if name.startswith("lost") or (name == "once.test" and name not in self.dropped and not self.dropped.add(name)):
                continue
            if name == "slow.test":
                time.sleep(0.3)
            records, authority, code = [], [], 0
            ttl = 1 if name == "short.test" else 300
            address = NAMES.get(name, (1, bytes([10, 9, 9, 9])) if name in ("slow.test", "once.test", "liar.test") else None)
            if name.startswith("bulk"):
                address = (1, bytes([10, 8, 8, 8]))
            if address is None:
                code = 3
                soa = encoded("ns.test") + encoded("me.test") + struct.pack("!IIIII", 1, 2, 3, 4, 60)
                authority = [b"\xc0\x0c" + struct.pack("!HHIH", 6, 1, 60, len(soa)) + soa]
            elif address[0] == kind:
                records = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(address[1])) + address[1]]
            counts = struct.pack("!HHHH", 1, len(records), len(authority), 0)
            body = counts + asked + b"".join(records + authority)
            if name == "liar.test":  # others that try to be first
                for wrong in (struct.pack("!HH", number ^ 1, 0x8180) + body, struct.pack("!HH", number, 0x8180) + body[:-3],
                              struct.pack("!HH", number, 0x0100) + body, b"", b"x"):
                    self.socket.sendto(wrong, client)
            self.socket.sendto(struct.pack("!HH", number, 0x8180 | code) + body, client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Client:
    def __init__(self, server):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.settimeout(TIME_MAX)

    def ask(self, name, kind=1, number=1):
        self.socket.send(query(name, kind, number))
        return self.answer()

    def answer(self):
        """Identity, code, number of answers, time to live of the last record, last four bytes."""
        message = self.socket.recv(4096)
        number, flags, _, answers, others, _ = struct.unpack("!HHHHHH", message[:12])
        expect(flags & 0x8000, "is no answer")
        return number, flags & 15, answers, message


@step("udp_dns: answers, remembers them as long as they say, in whatever case they are asked for")
def dns_answers(programs, folder):
    with Upstream() as upstream, Server(programs["udp_dns"], arguments=[upstream.name]) as server:
        client = Client(server)
        number, code, answers, message = client.ask("one.test", number=7)
        expect((number, code, answers, message[-4:]) == (7, 0, 1, bytes([10, 0, 0, 1])), f"answers {message}")
        number, code, answers, message = client.ask("ONE.Test", number=8)
        expect((number, code, answers) == (8, 0, 1) and question("ONE.Test") in message, f"answers {message}")
        number, code, answers, message = client.ask("six.test", 28)
        expect((code, answers, message[-16:]) == (0, 1, bytes(range(16))), f"answers {message}")
        expect(client.ask("six.test", 1)[1:3] == (0, 0), "an address of another kind is answered")
        for _ in range(3):
            expect(client.ask("none.test")[1:3] == (3, 0), "a name that is not there is answered")
        expect(upstream.asked == ["one.test", "six.test", "six.test", "none.test"], f"asks for {upstream.asked}")
        client.ask("short.test")
        time.sleep(1.1)
        client.ask("short.test")
        expect(upstream.asked.count("short.test") == 2, "keeps it for longer than it may")
        ttl, = struct.unpack("!I", client.ask("one.test")[3][-10:-6])
        expect(200 < ttl < 300, f"it holds for {ttl} s still")
        server.process.send_signal(signal.SIGTERM)
        expect(server.wait() == (0, ""), "does not end well")


@step("udp_dns: many who ask for the same wait for one answer; those who ask at SIGTERM get it")
def dns_shared(programs, folder):
    with Upstream() as upstream, Server(programs["udp_dns"], arguments=[upstream.name]) as server:
        clients = [Client(server) for _ in range(50)]
        for number, client in enumerate(clients):
            client.socket.send(query("slow.test", number=number))
        wait_until(lambda: upstream.asked, "does not ask")
        time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        for number, client in enumerate(clients):
            expect(client.answer()[:3] == (number, 0, 1), "has another answer")
        expect(upstream.asked == ["slow.test"], f"asks for {upstream.asked}")
        expect(server.wait() == (0, ""), "does not end well")


@step("udp_dns: a thousand different names, each with an identity of its own")
def dns_many(programs, folder):
    with Upstream() as upstream, Server(programs["udp_dns"], arguments=[upstream.name]) as server:
        client = Client(server)
        for first in range(0, 1000, 50):
            for number in range(first, first + 50):
                client.socket.send(query(f"bulk{number}.test", number=number))
            got = {client.answer()[0] for _ in range(50)}
            expect(got == set(range(first, first + 50)), f"answers {got}")
        expect(len({number for number, _ in upstream.identities}) > 900, "identities can be guessed")
        expect(len({port for _, port in upstream.identities}) > 100, "ports can be guessed")


@step("udp_dns: what is lost is asked for again, what is false is not taken, nothing is an error")
def dns_faults(programs, folder):
    with Upstream() as upstream, Server(programs["udp_dns"], arguments=[upstream.name]) as server:
        client, other = Client(server), Client(server)
        other.socket.send(query("lost.test", number=5))
        for garbage in (b"", b"x", b"\0" * 12, b"\xff" * 500, query("one.test")[:-1], query("one.test", flags=0x8100),
                        struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\x3f" * 300, query("one.test", flags=0x2800)):
            client.socket.send(garbage)
        expect(client.ask("liar.test", number=9)[3][-4:] == bytes([10, 9, 9, 9]), "takes what is false")
        expect(client.ask("once.test", number=10)[:3] == (10, 0, 1), "does not ask again")
        expect(other.answer()[:3] == (5, 2, 0), "another answer than that it has failed")
        expect(upstream.asked.count("lost.test") == 2, f"asks for {upstream.asked}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = "127.0.0.1:%d" % unused.getsockname()[1]
    with Server(programs["udp_dns"], arguments=[nobody]) as server:
        expect(Client(server).ask("one.test")[1:3] == (2, 0), "another answer than that it has failed")


@step("udp_dns: dig")
def dns_dig(programs, folder):
    if shutil.which("dig") is None:
        print("  dig (Debian: bind9-dnsutils) is not installed: not tried")
        return
    with Upstream() as upstream, Server(programs["udp_dns"], arguments=[upstream.name]) as server:
        dig = ["dig", "@127.0.0.1", "-p", server.port, "+short", "+tries=1"]
        for name, kind, right in (("one.test", "A", "10.0.0.1"), ("six.test", "AAAA", "1:203:405:607:809:a0b:c0d:e0f"),
                                  ("one.test", "A", "10.0.0.1"), ("none.test", "A", "")):
            done = run(*dig, name, kind)
            expect(done.returncode == 0 and done.stdout.strip() == right, f"{name}: {done.stdout}{done.stderr}")
        expect(upstream.asked == ["one.test", "six.test", "none.test"], f"asks for {upstream.asked}")


@step("udp_dns: a port that is in use is named; bad arguments are answered with the usage")
def dns_arguments(programs, folder):
    with Server(programs["udp_dns"], arguments=["127.0.0.1"]) as server:
        done = run(programs["udp_dns"], server.port)
        expect(done.returncode == 1 and done.stdout == "", f"{done}")
        expect(f"port {server.port} is in use" in done.stderr and done.stderr.count("\n") == 1, f"says {done.stderr}")
    for arguments in (["x"], ["65536"], ["0", "x"], ["0", "127.0.0.1:0"], ["0", "1.2.3"], ["0", "/x"]):
        done = run(programs["udp_dns"], *arguments)
        expect(done.returncode == 2 and done.stdout == "" and "usage" in done.stderr, f"{arguments}: {done}")


# ---- offload ---------------------------------------------------------------------------------------------

@step("offload: the heart stops while the loop works, and beats while threads do")
def offload(programs, folder):
    printed = ""
    for _ in range(10):  # a busy machine may need a few tries
        printed = run(programs["offload"]).stdout
        found = re.fullmatch(r"in the loop: 33860 primes, the heart was up to (\d+) ms late\n"
                             r"in threads: 33860 primes, the heart was up to (\d+) ms late\n", printed)
        expect(found, f"prints {printed}")
        if 3 * int(found[2]) < int(found[1]):
            return
    raise Failed(f"prints {printed}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
