"""Counts the system calls of an echo server, with strace. The difference of two runs: without start and end."""
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

MESSAGE = b"x" * 64
FEW, MANY = 200, 1200  # messages or batches of the two runs, on all connections together
LIMIT_S = 10


def take(connection, size):
    while size > 0:
        got = len(connection.recv(65536))
        if got == 0:
            sys.exit("the server closed a connection")
        size -= got


def exchange(port, rounds, connections, depth):
    peers = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) for _ in range(connections)]
    for peer in peers:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(rounds):
        for peer in peers:
            peer.sendall(MESSAGE * depth)
        for peer in peers:
            take(peer, len(MESSAGE) * depth)
    for peer in peers:
        peer.close()


def traced_child(strace):
    children = Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text().split()
    return int(children[0])


def calls(server, rounds, connections, depth):
    """{system call: how often} of a whole run of `server`."""
    with tempfile.NamedTemporaryFile("r") as summary:
        strace = subprocess.Popen(["strace", "-f", "-c", "-U", "name,calls", "-o", summary.name, str(server), "0"],
                                  stdout=subprocess.PIPE, text=True)
        try:
            port = int(re.findall(r"\d+", strace.stdout.readline())[-1])
            exchange(port, rounds, connections, depth)
        finally:
            subprocess.run(["kill", str(traced_child(strace))], check=False)  # SIGTERM: it ends by itself
            strace.wait(LIMIT_S)
        rows = [line.split() for line in Path(summary.name).read_text().splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit() and row[0] != "total"}


def per_message(server, connections, depth):
    """System calls for each message: io_uring_enter, and all others together."""
    few = calls(server, FEW // connections, connections, depth)
    many = calls(server, MANY // connections, connections, depth)
    messages = (MANY // connections - FEW // connections) * connections * depth
    each = {name: (count - few.get(name, 0)) / messages for name, count in many.items()}
    enters = each.pop("io_uring_enter", 0.0)
    return enters, sum(each.values())
