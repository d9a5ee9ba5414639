#!/usr/bin/env python3
"""Checks what every server among the examples promises, and the echo: examples_server.py PROGRAM..."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

from example_check import TIME_MAX, expect, main, run, step
from example_server import ARGUMENTS, Server, wait_until

def echo(connection, data):
    connection.sendall(data)
    received = b""
    while len(received) < len(data) and (part := connection.recv(65536)):
        received += part
    return received


# ---- Every server ----------------------------------------------------------------------------------------

@step("servers: a port that is in use is named, exit status 1")
def port_in_use(programs, folder):
    for name, program in programs.items():
        with Server(program) as server:
            done = run(program, server.port, *ARGUMENTS.get(name, []))
            expect(done.returncode == 1, f"{name}: exit {done.returncode}")
            expect(done.stdout == "", f"{name}: prints {done.stdout}")
            expect(str(server.port) in done.stderr and "in use" in done.stderr, f"{name}: says {done.stderr!r}")
            expect(len(done.stderr.splitlines()) <= 3, f"{name}: says {done.stderr!r}")


@step("servers: bad ports are answered with the usage")
def bad_ports(programs, folder):
    for name, program in programs.items():
        for port in ("x", "65536", "-1", "", "0x10", " 1", "1.5", "99999999999999999999"):
            done = run(program, port, *ARGUMENTS.get(name, []))
            expect(done.returncode == 2 and "usage" in done.stderr and done.stdout == "", f"{name} {port!r}: {done}")


@step("servers: SIGTERM and SIGINT end one without clients at once, exit status 0")
def ended_idle(programs, folder):
    for name, program in programs.items():
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server(program) as server:
                start = time.monotonic()
                server.process.send_signal(number)
                status, errors = server.wait()
                expect(status == 0 and errors == "", f"{name}: exit {status}, says {errors!r}")
                expect(time.monotonic() - start < 4, f"{name}: takes {time.monotonic() - start} s")
                with Server(program, server.port):  # the port is free at once
                    pass


@step("servers: after SIGTERM connections are refused at once; a second signal ends it at once")
def ended_twice(programs, folder):
    for name, program in programs.items():
        with Server(program) as server, server.connect() as client:
            client.sendall(b"x")
            time.sleep(0.05)  # or it may be refused, which is right as well
            server.process.send_signal(signal.SIGTERM)
            wait_until(server.is_refused, f"{name}: accepts connections after SIGTERM")
            server.process.send_signal(signal.SIGTERM)
            server.wait()


@step("servers: out of descriptors it says so, serves the others, and does not spin")
def out_of_descriptors(programs, folder):
    for name, program in programs.items():
        if b"__ubsan_" in program.read_bytes():
            print(f"  {name}: the sanitizer needs descriptors itself, to look at objects: not tried")
            continue
        with Server(program, descriptors=16) as server:
            clients = [server.connect() for _ in range(40)]
            wait_until(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) == 16, f"{name}: does not take them")
            before = server.cpu()
            time.sleep(1)
            expect(server.cpu() - before < 0.05, f"{name}: spends {server.cpu() - before} s in a second")
            for client in clients[:35]:  # fewer are left than there are descriptors for
                client.close()
            wait_until(lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) < 16, f"{name}: does not let go")
            clients[39].close()
            server.process.kill()
            errors = server.wait()[1]
            lines = [line for line in errors.splitlines() if "Too many open files" in line]
            expect(1 <= len(lines) <= 4, f"{name}: says {errors!r}")


@step("servers: four clients that send and never read cost less than 16 MiB")
def clients_that_never_read(programs, folder):
    for name, program in programs.items():
        with Server(program) as server:
            server.connect().close()
            before = server.memory()
            clients = [server.connect() for _ in range(4)]
            for client in clients:
                client.setblocking(False)
                sent = 0
                try:
                    while sent < 1 << 26:
                        sent += client.send(b"x" * 65536)
                        time.sleep(0.0001)
                except (BlockingIOError, ConnectionError):
                    pass
            time.sleep(0.1)
            cost = server.memory() - before
            expect(cost < 16 << 20, f"{name}: {cost >> 10} KiB")
            for client in clients:
                client.close()


# ---- Echo ------------------------------------------------------------------------------------------------

LINES = "".join(f"line {number}\n" for number in range(10000))


@step("echo_server: sends back ten thousand lines, to several clients at once, and half-closes last")
def echo_lines(programs, folder):
    with Server(programs["echo_server"]) as server:
        clients = [server.connect() for _ in range(20)]
        for client in clients:
            expect(echo(client, LINES.encode()) == LINES.encode(), "something else comes back")
        clients[0].sendall(b"last")
        clients[0].shutdown(socket.SHUT_WR)
        rest = b""
        while part := clients[0].recv(100):
            rest += part
        expect(rest == b"last", f"after a half-close {rest} comes back")


@step("echo_server: after SIGTERM goes on with those who are there, and ends with the last of them")
def echo_drained(programs, folder):
    with Server(programs["echo_server"]) as server:
        client = server.connect()
        expect(echo(client, b"before") == b"before", "does not echo")
        server.process.send_signal(signal.SIGTERM)
        wait_until(server.is_refused, "accepts connections after SIGTERM")
        expect(echo(client, b"after") == b"after", "does not echo after SIGTERM")
        client.close()
        expect(server.wait() == (0, ""), "does not end well")


@step("echo_server: a client that stays is aborted five seconds after SIGTERM, exit status 0")
def echo_aborted(programs, folder):
    with Server(programs["echo_server"]) as server:
        client = server.connect()
        expect(echo(client, b"x") == b"x", "does not echo")
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        expect(server.wait() == (0, ""), "does not end well")
        expect(4.9 < time.monotonic() - start < 20, f"after {time.monotonic() - start} s")
        client.close()


@step("echo_client: the lines of its input come back; no server is an error that names the port")
def echo_client(programs, folder):
    program = programs["echo_server"].parent / "echo_client"
    with Server(programs["echo_server"]) as server:
        done = subprocess.run([program, str(server.port)], input=LINES, encoding="ascii", capture_output=True,
                              timeout=TIME_MAX, check=False)
        expect(done.returncode == 0 and done.stderr == "", f"exit {done.returncode}: {done.stderr}")
        expect(done.stdout == LINES, "prints something else")
        if shutil.which("nc"):
            done = subprocess.run(["nc", "-N", "127.0.0.1", str(server.port)], input=LINES, encoding="ascii",
                                  capture_output=True, timeout=TIME_MAX, check=False)
            expect(done.stdout == LINES, "nc gets something else")
        port = server.port
    wait_until(server.is_refused, "the kernel keeps the port of one that was killed")
    done = run(program, port)
    expect(done.returncode == 1 and str(port) in done.stderr and "refused" in done.stderr, f"{done}")
    expect(len(done.stderr.splitlines()) == 1, f"says {done.stderr!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
