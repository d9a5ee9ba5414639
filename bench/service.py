"""Measures a server of HTTP or RESP under a client that people use: service.py CASE SYSTEM COUNT PROGRAMS

The server has the last core for itself, the client (wrk, redis-benchmark) the first one. What the server answers is
looked at before it is timed. Prints what an answer cost the server in CPU time, and how many there were a second.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGES = HERE / "http"  # a file that is some seconds old: http_server keeps no younger one in memory
BODY = (PAGES / "hello.txt").read_bytes()
CONNECTIONS = 64
START_LIMIT_S = 10
CORES = sorted(os.sched_getaffinity(0))


class Refused(Exception):
    """The server did not do what it should; says what."""


def on_core(core):
    return lambda: os.sched_setaffinity(0, {core})


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_ns(root):
    """CPU time of a process, its threads and its children, as the scheduler counts it."""
    total = 0
    for task in Path(f"/proc/{root}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
        total += sum(cpu_ns(child) for child in (task / "children").read_text().split())
    return total


class Server:
    """Runs from `with` until its end, in a session of its own."""

    def __init__(self, command, port):
        self.command = command
        self.port = port  # 0: the server prints it

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=on_core(CORES[-1]))
        try:
            if self.port == 0:
                self.port = self.printed_port()
            self.wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def printed_port(self):
        line = self.process.stdout.readline().decode()
        numbers = re.findall(r"\d+", line)
        if not numbers:
            raise Refused(f"{self.command[0]} printed no port but {line!r}")
        return int(numbers[-1])

    def wait_until_it_listens(self):
        until = time.monotonic() + START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.005)
        raise Refused(f"{self.command[0]} does not listen")

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended, and nothing of it is left
        self.process.wait()

    def cpu_ns(self):
        return cpu_ns(self.process.pid)


def exchange(port, request, complete):
    """What comes back for `request` until `complete` says so."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_LIMIT_S) as connection:
        connection.sendall(request)
        answer = b""
        while not complete(answer):
            more = connection.recv(65536)
            if not more:
                break
            answer += more
    return answer


# HTTP

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000000; tcp_nodelay on; default_type text/plain;
  open_file_cache max=100;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port} backlog=1024; root {pages}; location = /hello.txt {{ {answer} }} }}
}}
"""


def http_server(system, programs, folder):
    if system == "coil":
        return Server([programs / "examples" / "http_server", "0", PAGES], 0)
    if system == "asyncio":
        return Server([sys.executable, HERE / "asyncio" / "http_server.py"], 0)
    if system in ("nginx", "nginx-file"):
        port = free_port()
        answer = f'return 200 "{BODY.decode().strip()}\\n";' if system == "nginx" else ""
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, pages=PAGES, port=port, answer=answer))
        return Server([find("nginx"), "-p", folder, "-e", "/dev/null", "-c", folder / "nginx.conf"], port)
    raise Refused(f"{system} has no server of HTTP here")


def check_http(port):
    """Two requests at once: two answers with the right body."""
    request = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = exchange(port, request * 2, lambda text: text.count(BODY) == 2)
    if answer.count(b"HTTP/1.1 200 OK\r\n") != 2 or answer.count(BODY) != 2:
        raise Refused(f"answered {answer[:200]!r}")


PIPELINE = """
local requests = {}
init = function(args) for i = 1, 16 do requests[i] = wrk.format(nil) end requests = table.concat(requests) end
request = function() return requests end
"""


def load_http(port, folder, pipelined, seconds):
    """Puts wrk to work. Returns how many answers it got, in how many seconds."""
    command = [find("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    if pipelined:
        (folder / "pipeline.lua").write_text(PIPELINE)
        command += ["-s", folder / "pipeline.lua"]
    url = f"http://127.0.0.1:{port}/hello.txt"
    run = subprocess.run([*command, url], capture_output=True, text=True, preexec_fn=on_core(CORES[0]), check=False)
    total = re.search(r"(\d+) requests in ([\d.]+)s", run.stdout)
    if run.returncode != 0 or total is None or "Non-2xx" in run.stdout or "Socket errors" in run.stdout:
        raise Refused(" ".join((run.stdout + run.stderr).split())[-200:])
    return int(total[1]), float(total[2])


def measure_http(case, system, seconds, programs, folder):
    with http_server(system, programs, folder) as server:
        check_http(server.port)
        load_http(server.port, folder, case == "http_pipelined", 1)  # warm
        before = server.cpu_ns()
        count, took = load_http(server.port, folder, case == "http_pipelined", seconds)
        used = server.cpu_ns() - before
    return {case: used / count, f"{case}_rate": count / took}


# RESP

def resp_server(system, programs):
    if system == "coil":
        return Server([programs / "examples" / "kv_server", "0"], 0)
    if system == "redis":
        port = free_port()
        return Server([find("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                       "no"], port)
    raise Refused(f"{system} has no server of RESP here")


def check_resp(port):
    request = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
    expected = b"+OK\r\n$5\r\nvalue\r\n"
    answer = exchange(port, request, lambda text: len(text) >= len(expected))
    if answer != expected:
        raise Refused(f"answered {answer[:200]!r}")


def load_resp(port, name, depth, count):
    """Puts redis-benchmark to work. Returns how many answers it got a second."""
    command = [find("redis-benchmark"), "-h", "127.0.0.1", "-p", str(port), "-t", name, "-P", str(depth), "-n",
               str(count), "-c", "50", "-r", "10000", "--csv"]
    run = subprocess.run(command, capture_output=True, text=True, preexec_fn=on_core(CORES[0]), check=False)
    rate = re.search(rf'^"{name.upper()}","([\d.]+)"', run.stdout, re.MULTILINE)
    if run.returncode != 0 or rate is None:
        raise Refused(" ".join((run.stdout + run.stderr).split())[-200:])
    return float(rate[1])


def measure_resp(case, system, count, programs):
    name, _, depth = case.partition("/")
    verb = name.removeprefix("resp_")
    with resp_server(system, programs) as server:
        check_resp(server.port)
        load_resp(server.port, "set", 16, 50_000)  # warm, and there is something to get
        before = server.cpu_ns()
        rate = load_resp(server.port, verb, int(depth), count)
        used = server.cpu_ns() - before
    return {name: used / count, f"{name}_rate": rate}


def main():
    case, system, count, programs = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="coil-bench-") as folder:
        os.chmod(folder, 0o755)
        if case.startswith("http"):
            figures = measure_http(case, system, int(count), Path(programs), Path(folder))
        else:
            figures = measure_resp(case, system, int(count), Path(programs))
    for name, value in figures.items():
        print(f"{name}={value:.9g}")


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(str(refused))
