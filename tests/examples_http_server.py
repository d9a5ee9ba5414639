#!/usr/bin/env python3
"""Checks what http_server promises: examples_http_server.py PROGRAM"""
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
import tempfile
import threading
import time

from example_check import TIME_MAX, Failed, expect, main, run, step

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
PAGE = b"<h1>hello</h1>\n"
LARGE = bytes(range(256)) * 4096 * 3  # 3 MiB


class Server:
    """http_server over a folder, on a port of its own."""
    def __init__(self, program, folder, **options):
        self.process = subprocess.Popen([program, "0", folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **options)
        line = self.process.stdout.readline().decode()
        match = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        if not match:
            raise Failed(f"prints {line!r} first: {self.process.stderr.read().decode()}")
        self.port = int(match[1])

    def connect(self, receive_buffer=None):
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(TIME_MAX)
        client.connect(("127.0.0.1", self.port))
        return client

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def memory(self):
        """Resident, in bytes."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def end(self, number=signal.SIGTERM):
        """Its exit status, what else it printed, and the time it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=TIME_MAX)
        return self.process.returncode, out.decode(), err.decode(), time.monotonic() - start


@contextlib.contextmanager
def serving(programs, folder, **options):
    """A server that has to end well, and has nothing to say."""
    (folder / "www").mkdir()
    (folder / "www/index.html").write_bytes(PAGE)
    (folder / "www/a.txt").write_bytes(b"0123456789")
    server = Server(programs["http_server"], folder / "www", **options)
    try:
        yield server
        if server.process.poll() is not None:
            return
        status, out, err, _ = server.end()
        expect((status, out, err) == (0, "", ""), f"ends with {status}, {out!r}, {err!r}")
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


class Answer:
    def __init__(self, file, method="GET"):
        self.lines = []
        while (line := file.readline()) not in (b"\r\n", b""):
            expect(line.endswith(b"\r\n"), f"a line of the head is {line!r}")
            self.lines.append(line[:-2].decode())
        if not self.lines:
            raise Failed("the connection ends without an answer")
        match = re.fullmatch(r"HTTP/1\.1 (\d\d\d) .+", self.lines[0])
        expect(match, f"the status line is {self.lines[0]!r}")
        self.status = int(match[1])
        self.fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in self.lines[1:])}
        no_body = method == "HEAD" or self.status in (100, 204, 304)
        size = 0 if no_body else int(self.fields["content-length"])
        self.body = file.read(size)
        expect(len(self.body) == size, f"the body has {len(self.body)} bytes instead of {size}")


def answers(server, sent, methods=("GET",), half_close=False):
    """Sends bytes on a new connection, reads an answer for each method. Gives also what comes after, to the end, unless
    the connection is kept."""
    with server.connect() as client:
        def send():
            with contextlib.suppress(OSError):  # the server may refuse what was sent, and close before all of it is
                client.sendall(sent)

        sender = threading.Thread(target=send)
        sender.start()
        with client.makefile("rb") as file:
            got = [Answer(file, method) for method in methods]
            if half_close:
                client.shutdown(socket.SHUT_WR)
            closed = got[-1].fields.get("connection") == "close"
            rest = file.read() if closed or half_close else None
        sender.join()
    return got, rest


def ask(server, sent, method="GET"):
    return answers(server, sent, (method,))[0][0]


def check_refused(server, sent, *statuses):
    """The answer is one of the statuses, whole, and then the connection ends without a reset."""
    (answer,), rest = answers(server, sent)
    expect(answer.status in statuses, f"answers {sent[:90]!r} with {answer.status} instead of {statuses}")
    expect(answer.fields.get("connection") == "close" and rest == b"", f"keeps the connection after {sent[:90]!r}")


def post(fields, body=b"", path="/echo"):
    return f"POST {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode() + body


# ---- Files -----------------------------------------------------------------------------------------------

@step("serves files with their type, and / as index.html")
def files(programs, folder):
    with serving(programs, folder) as server:
        (folder / "www/sub").mkdir()
        (folder / "www/sub/index.html").write_bytes(b"sub")
        (folder / "www/large").write_bytes(LARGE)
        (folder / "www/with space").write_bytes(b"space")
        for target, body, kind in [("/", PAGE, "text/html"), ("/index.html", PAGE, "text/html"), ("/?x", PAGE, "text/html"),
                                   ("/a.txt", b"0123456789", "text/plain"), ("/sub/", b"sub", "text/html"),
                                   ("/large", LARGE, "application/octet-stream"), ("/with%20space", b"space", ""),
                                   ("//a.txt", b"0123456789", "text/plain"), ("http://h/a.txt", b"0123456789", "text/plain")]:
            answer = ask(server, f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            expect(answer.status == 200 and answer.body == body, f"{target}: {answer.lines}, {answer.body[:90]!r}")
            expect(answer.fields["content-type"].startswith(kind), f"{target}: {answer.fields['content-type']}")
            head = ask(server, f"HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), "HEAD")
            expect({**head.fields, "date": 0} == {**answer.fields, "date": 0}, f"HEAD {target}: {head.lines}")
        moved = ask(server, b"GET //sub HTTP/1.1\r\nHost: h\r\n\r\n")
        expect(moved.status == 301 and moved.fields["location"] == "/sub/", f"/sub: {moved.lines}")
        for target, status in [("/none", 404), ("/a.txt/", 404), ("/sub/none", 404), ("/%zz", 400), ("/%00", 400)]:
            answer = ask(server, f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            expect(answer.status == status, f"{target}: {answer.lines}")


@step("nothing outside the folder is served, by whatever name")
def outside(programs, folder):
    (folder / "secret").write_bytes(b"secret")
    with serving(programs, folder) as server:
        www = folder / "www"
        (www / "sub").mkdir()
        (www / "to-secret").symlink_to("../secret")
        (www / "absolute").symlink_to(folder / "secret")
        (www / "up").symlink_to("..")
        (www / "root").symlink_to("/")
        (www / "sub/to-a").symlink_to("../a.txt")
        (www / "proc").symlink_to("/proc/self/root")
        (www / ".hidden").write_bytes(b"secret")
        os.mkfifo(www / "fifo")
        for target in ["/../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub/../../secret", "/sub/..%2f..%2fsecret",
                       "//../secret", "/./../secret", "/.%2e/secret", "/%252e%252e/secret", "/..%5csecret", "/to-secret",
                       "/absolute", "/up/secret", f"/root{folder}/secret", f"/proc{folder}/secret", "/up/www/a.txt",
                       "/.hidden", "/fifo", "/root/dev/zero", str(folder / "secret"), f"http://h/../secret",
                       "/..;/secret", "/%c0%ae%c0%ae/secret", "/sub", "/up", "/root/"]:
            answer = ask(server, f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            expect(answer.status in (301, 400, 403, 404), f"{target}: {answer.lines}")
            expect(b"secret" not in answer.body, f"{target}: {answer.body!r}")
        inside = ask(server, b"GET /sub/to-a HTTP/1.1\r\nHost: h\r\n\r\n")
        expect(inside.status == 200 and inside.body == b"0123456789", f"a link to inside: {inside.lines}")


@step("a file that is changed, replaced or removed is served as it is now")
def changes(programs, folder):
    with serving(programs, folder) as server:
        path = folder / "www/a.txt"
        ask_it = lambda: ask(server, b"GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n")
        os.utime(path, (1e9, 1e9))
        for number in range(40):
            content = f"{number:04}".encode()
            if number % 2:
                path.write_bytes(content)
            else:
                (folder / "new").write_bytes(content)
                (folder / "new").rename(path)
            for _ in range(2):
                expect((got := ask_it().body) == content, f"{got!r} instead of {content!r}")
        path.unlink()
        expect(ask_it().status == 404, "a file that is gone is served")


@step("a file that is kept is noticed to have changed, and cannot become another one")
def kept(programs, folder):
    with serving(programs, folder) as server:
        path = folder / "www/a.txt"
        ask_it = lambda: ask(server, b"GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n")
        while ask_it().body and time.time() - path.stat().st_ctime < 3.5:
            time.sleep(0.05)  # until it is old enough to be kept
        ask_it()
        path.write_bytes(b"abcdefghij")
        expect((got := ask_it().body) == b"abcdefghij", f"{got!r}")
        path.unlink()
        path.symlink_to("../../secret")
        expect(ask_it().status in (403, 404), "a link to outside is followed")


@step("ranges, and conditions")
def ranges(programs, folder):
    with serving(programs, folder) as server:
        (folder / "www/large").write_bytes(LARGE)
        size = len(LARGE)
        for target, content in (("/a.txt", b"0123456789"), ("/large", LARGE)):
            size = len(content)
            for text, status, first, end in [("bytes=2-5", 206, 2, 6), ("bytes=7-", 206, 7, size), ("bytes=-3", 206, size - 3, size),
                                             ("bytes=0-0", 206, 0, 1), (f"bytes=1-{size + 5}", 206, 1, size),
                                             (f"bytes={size}-", 416, 0, 0), ("bytes=5-2", 200, 0, size), ("x=1-2", 200, 0, size),
                                             ("bytes=0-1,3-4", 200, 0, size)]:
                answer = ask(server, f"GET {target} HTTP/1.1\r\nHost: h\r\nRange: {text}\r\n\r\n".encode())
                expect(answer.status == status, f"{target} {text}: {answer.lines}")
                if status == 416:
                    expect(answer.fields["content-range"] == f"bytes */{size}", f"{target} {text}: {answer.lines}")
                    continue
                expect(answer.body == content[first:end], f"{target} {text}: {answer.body[:90]!r}")
                expect(status == 200 or answer.fields["content-range"] == f"bytes {first}-{end - 1}/{size}",
                       f"{target} {text}: {answer.lines}")
        tag = ask(server, b"GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n").fields
        for field in (f"If-None-Match: {tag['etag']}", f"If-Modified-Since: {tag['last-modified']}"):
            sent = f"GET /a.txt HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n".encode()
            got, _ = answers(server, sent + GET, ("GET", "GET"))
            expect([answer.status for answer in got] == [304, 200], f"{field}: {got[0].lines}")


# ---- Requests --------------------------------------------------------------------------------------------

@step("keeps connections, and answers pipelined requests in order")
def pipelined(programs, folder):
    with serving(programs, folder) as server:
        parts = [(GET, PAGE), (b"GET /a.txt HTTP/1.1\r\nHost: h\r\n\r\n", b"0123456789"),
                 (post("Content-Length: 3\r\n", b"abc"), b"abc"), (b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", b""),
                 (post("Transfer-Encoding: chunked\r\n", b"2;x=y\r\nde\r\n1\r\nf\r\n0\r\nT: x\r\n\r\n"), b"def"),
                 (b"GET /none HTTP/1.1\r\nHost: h\r\n\r\n", b"404 Not Found\n"), (b"\r\n" + GET, PAGE)] * 20
        sent = b"".join(request for request, _ in parts)
        methods = ["HEAD" if request.startswith(b"HEAD") else "GET" for request, _ in parts]
        got, rest = answers(server, sent, methods, half_close=True)
        expect([answer.body for answer in got] == [body for _, body in parts], "the answers are not those of the requests")
        expect(rest == b"", f"sends {rest[:90]!r} after the last answer")
        with server.connect() as client, client.makefile("rb") as file:
            for byte in sent[:len(sent) // 20]:
                client.sendall(bytes([byte]))
            for method, (_, body) in zip(methods, parts[:7]):
                expect(Answer(file, method).body == body, "the answers are not those of requests that came byte by byte")


@step("the connection ends when the client says so, or speaks HTTP/1.0")
def ends(programs, folder):
    with serving(programs, folder) as server:
        for sent, kept, field in [(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", False, "close"),
                                  (b"GET / HTTP/1.0\r\n\r\n", False, "close"),
                                  (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, "keep-alive"),
                                  (GET, True, None)]:
            (answer,), rest = answers(server, sent)
            expect(answer.body == PAGE and answer.fields.get("connection") == field, f"{sent!r}: {answer.lines}")
            expect((rest is None) == kept, f"{sent!r}: kept {rest is None}")


@step("POST /echo answers with the body, of any size")
def echo(programs, folder):
    with serving(programs, folder) as server:
        for size in (0, 1, 65535, 65536, 65537, 3 << 20, 16 << 20):
            body = (LARGE * 6)[:size]
            answer = ask(server, post(f"Content-Length: {size}\r\n", body))
            expect(answer.status == 200 and answer.body == body, f"{size} bytes: {answer.lines}")
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 100000]), body[at:at + 100000])
                              for at in range(0, size, 100000))
            answer = ask(server, post("Transfer-Encoding: chunked\r\n", chunks + b"0\r\n\r\n"))
            expect(answer.status == 200 and answer.body == body, f"{size} bytes in chunks: {answer.lines}")


@step("Expect: 100-continue is answered before the body comes, with 100 or with what is wrong")
def expect_continue(programs, folder):
    with serving(programs, folder) as server:
        with server.connect() as client, client.makefile("rb") as file:
            for _ in range(2):
                client.sendall(post("Expect: 100-Continue\r\nContent-Length: 5\r\n"))
                expect(Answer(file).status == 100, "no 100")
                client.sendall(b"hello")
                expect(Answer(file).body == b"hello", "not the body")
        for fields, path, status in [("Content-Length: 16777217\r\n", "/echo", 413), ("Content-Length: 5\r\n", "/other", 405)]:
            check_refused(server, post("Expect: 100-continue\r\n" + fields, path=path), status)


@step("other methods are refused, and their bodies skipped")
def methods(programs, folder):
    with serving(programs, folder) as server:
        sent = post("Content-Length: 5\r\n", b"hello", "/a.txt") + GET.replace(b"/ ", b"* ", 1).replace(b"GET", b"OPTIONS")
        sent += b"DELETE /a.txt HTTP/1.1\r\nHost: h\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx"
        got, rest = answers(server, sent, ["GET"] * 4, half_close=True)
        expect([answer.status for answer in got] == [405, 204, 405, 200], f"{[answer.status for answer in got]}")
        expect("GET" in got[0].fields["allow"] and rest == b"", f"{got[0].lines}, then {rest!r}")
        check_refused(server, b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501)
        check_refused(server, b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501)


@step("what is wrong is refused with its status, and the client can read that")
def refusals(programs, folder):
    head = b"GET / HTTP/1.1\r\nHost: h\r\n"
    body = b"5\r\nhello\r\n0\r\n\r\n"
    coding = "Transfer-Encoding: chunked\r\n"
    with serving(programs, folder) as server:
        for sent, *statuses in [
                (b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % (b"a" * 8192), 414),
                (b"A" * 100000, 414),
                (head + b"x: %s\r\n\r\n" % (b"a" * 65536), 431),
                (head + b"x: y\r\n" * 100 + b"\r\n", 431),
                (head + b"x: y\r\n" * 100000, 431),
                (post("Content-Length: 16777217\r\n", b"x" * 3000000), 413),
                (post("Content-Length: 99999999999999999999\r\n"), 413),
                (post(coding, b"1000001\r\n" + b"x" * 3000000), 413),
                (post(coding, (b"100000\r\n" + b"x" * 0x100000 + b"\r\n") * 17), 413),
                (post(coding, b"5;" + b"x" * 4096 + b"\r\nhello\r\n0\r\n\r\n"), 400, 413, 431),
                (post(coding, b"0\r\n" + b"x: y\r\n" * 101 + b"\r\n"), 431),
                (post(coding, b"0\r\nx: " + b"y" * 65536 + b"\r\n\r\n"), 431),
                (post(coding + "Content-Length: 15\r\n", body), 400),
                (post("Content-Length: 15\r\n" + coding, body), 400),
                (post("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), 400),
                (post("Content-Length: five\r\n", b"hello"), 400),
                (post("Content-Length: +5\r\n", b"hello"), 400),
                (post("Content-Length: 5, 5\r\n", b"hello"), 400),
                (post("Transfer-Encoding: gzip, chunked\r\n", body), 400, 501),
                (post("Transfer-Encoding: chunked, chunked\r\n", body), 400, 501),
                (post(coding + coding, body), 400, 501),
                (post(coding, b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
                (post(coding, b"5\nhello\n0\n\n"), 400),
                (b"GET / HTTP/1.1\r\n\r\n", 400),
                (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
                (head + b"x : y\r\n\r\n", 400),
                (head + b"x\r\n\r\n", 400),
                (head + b"x: \0\r\n\r\n", 400),
                (head + b"x: y\rz: w\r\n\r\n", 400),
                (head + b" x: y\r\n\r\n", 400),
                (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
                (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)]:
            check_refused(server, sent, *statuses)
            check_refused(server, sent + GET * 1000, *statuses)  # and nothing after it is a request


@step("a request that is cut off by the end of the stream is not answered as a whole one")
def cut_off(programs, folder):
    with serving(programs, folder) as server:
        for sent in (GET[:-2], GET[:5], post("Content-Length: 6\r\n", b"hello"), post("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
                     post("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n")):
            with server.connect() as client, client.makefile("rb") as file:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                expect(Answer(file).status == 400 and file.read() == b"", f"{sent!r} is not answered with 400 and the end")


# ---- Time and memory -------------------------------------------------------------------------------------

class Beside(threading.Thread):
    """A check that takes long, beside the others."""
    def __init__(self, function, *arguments):
        super().__init__(daemon=True)
        self.run_it = lambda: function(*arguments)
        self.failure = None
        self.start()

    def run(self):
        try:
            self.run_it()
        except Exception as failure:
            self.failure = failure

    def result(self):
        self.join()
        if self.failure:
            raise self.failure


def slow_heads(programs, folder):
    with serving(programs, folder) as server, contextlib.ExitStack() as stack:
        connect = lambda: stack.enter_context(server.connect())
        silent, dribbling, second, idle, body, many = (connect() for _ in range(6))
        start = time.monotonic()
        silent.sendall(b"G")
        body.sendall(post("Content-Length: 40\r\n"))
        second.sendall(GET + GET[:-1])
        many.sendall(GET[:-1])
        ended = {}
        dribble = iter([bytes([byte]) for byte in b"GET / HTTP/1.1\r\nx: " + b"x" * 1000])
        while len(ended) < 3 and (now := time.monotonic() - start) < 13:
            for name, client in (("silent", silent), ("dribbling", dribbling), ("second", second)):
                if name in ended:
                    continue
                try:
                    client.settimeout(0.001)
                    part = client.recv(65536)
                    if part == b"" or b"HTTP/1.1 408" in part:
                        ended[name] = time.monotonic() - start
                except TimeoutError:
                    pass
            if "dribbling" not in ended:
                with contextlib.suppress(OSError):  # the server ends it between two of our bytes
                    dribbling.sendall(next(dribble))
            if many and now > 1:  # its head is whole in time, with the next one begun
                many.sendall(b"\nG")
                expect(Answer(stack.enter_context(many.makefile("rb"))).body == PAGE, "not the page")
                many = None
            body.sendall(b"x" if now < 3 and int(now * 10) % 10 == 0 else b"")
            time.sleep(0.1)
        expect(len(ended) == 3, f"only these ended within 13 s: {ended}")
        expect(all(9.5 < when < 12 for when in ended.values()), f"ended after {ended} s")
        body.sendall(b"x" * 40)
        expect(Answer(stack.enter_context(body.makefile("rb"))).body == b"x" * 40, "the slow body is lost")
        idle.sendall(GET)
        expect(Answer(stack.enter_context(idle.makefile("rb"))).body == PAGE, "the idle connection is lost")


def never_read(programs, folder):
    with serving(programs, folder) as server, contextlib.ExitStack() as stack:
        (folder / "www/large").write_bytes(LARGE)
        ask(server, GET)
        before = server.memory()
        kinds = (GET, b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n", post("Content-Length: 3000000\r\n", LARGE[:3000000]),
                 post("Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n" * 100000 + b"0\r\n\r\n"))
        for kind in kinds:
            client = stack.enter_context(server.connect(receive_buffer=4096))
            client.settimeout(0.3)
            with contextlib.suppress(TimeoutError):  # what is expected: the server stops reading
                for _ in range(1000):
                    client.sendall(kind * (1 + 200000 // len(kind)))
                raise Failed(f"takes any number of requests like {kind[:50]!r}")
        grown = server.memory() - before
        expect(grown < 16 << 20 or "ASAN_OPTIONS" in os.environ, f"{grown >> 20} MiB for four peers")
        expect(ask(server, GET).body == PAGE, "the others are not served")
        status, _, err, took = server.end()
        expect((status, err) == (0, "") and took < 9, f"exit {status} after {took} s: {err!r}")


# ---- The end ---------------------------------------------------------------------------------------------

@step("SIGTERM: idle connections end, what was begun is answered, new ones are refused")
def drained(programs, folder):
    with serving(programs, folder) as server, contextlib.ExitStack() as stack:
        idle, used, head, body = (stack.enter_context(server.connect()) for _ in range(4))
        files = {client: stack.enter_context(client.makefile("rb")) for client in (idle, used, head, body)}
        used.sendall(GET)
        expect(Answer(files[used]).body == PAGE, "not the page")
        head.sendall(GET[:10])
        body.sendall(post("Content-Length: 5\r\nExpect: 100-continue\r\n"))
        expect(Answer(files[body]).status == 100, "no 100")
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        expect(files[idle].read() == b"" and files[used].read() == b"", "idle connections do not end")
        expect(time.monotonic() - start < 1, f"idle connections end after {time.monotonic() - start} s")
        with contextlib.suppress(ConnectionRefusedError):  # what is expected
            server.connect()
            raise Failed("a new connection is accepted")
        head.sendall(GET[10:])
        body.sendall(b"hello")
        for client, content in ((head, PAGE), (body, b"hello")):
            answer = Answer(files[client])
            expect(answer.body == content and answer.fields.get("connection") == "close", f"{answer.lines}")
            expect(files[client].read() == b"", "the connection is kept")
        for client in files:
            files[client].close()
            client.close()
        status = server.process.wait(timeout=TIME_MAX)
        expect(status == 0 and time.monotonic() - start < 3, f"exit {status} after {time.monotonic() - start} s")


@step("SIGTERM: clients that were answered and do not close do not hold it up")
def drained_without_them(programs, folder):
    with serving(programs, folder) as server, server.connect() as refused, server.connect() as begun:
        refused.sendall(b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
        with refused.makefile("rb") as answers:
            expect(Answer(answers).status == 400, "not refused")
        begun.sendall(GET[:10])
        expect(ask(server, GET).body == PAGE, "not the page")  # what was sent before has been read
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        begun.sendall(GET[10:])
        with begun.makefile("rb") as answers:
            expect(Answer(answers).body == PAGE, "not the page")
        status = server.process.wait(timeout=TIME_MAX)
        expect(status == 0 and time.monotonic() - start < 3, f"exit {status} after {time.monotonic() - start} s")


@step("a folder that is missing, or none, is named, exit status 1")
def no_folder(programs, folder):
    (folder / "file").write_text("")
    for name in ("missing", "file"):
        done = run(programs["http_server"], "0", folder / name)
        expect(done.returncode == 1 and done.stdout == "", f"{name}: exit {done.returncode}, prints {done.stdout!r}")
        expect(str(folder / name) in done.stderr and done.stderr.count("\n") == 1, f"{name}: says {done.stderr!r}")


# ---- Other people's clients ------------------------------------------------------------------------------

@step("curl: files, HEAD, ranges, uploads")
def curl(programs, folder):
    if shutil.which("curl") is None:
        print("  curl is not installed")
        return
    with serving(programs, folder) as server:
        (folder / "www/large").write_bytes(LARGE)
        (folder / "17m").write_bytes(bytes(17 << 20))
        def fetch(*arguments):
            done = subprocess.run(["curl", "-sS", "--max-time", "60", *map(str, arguments)], capture_output=True)
            expect(done.returncode == 0, f"curl {arguments}: {done.returncode} {done.stderr}")
            return done.stdout
        expect(fetch(server.url("/large")) == LARGE, "not the file")
        expect(fetch(server.url("/a.txt"), server.url("/"), server.url("/a.txt")) == b"0123456789" + PAGE + b"0123456789",
               "not the files")
        expect(b"Content-Length: 10\r\n" in fetch("-I", server.url("/a.txt")), "not the length")
        expect(fetch("-r", "2-4", server.url("/a.txt")) == b"234", "not the range")
        large = folder / "www/large"
        expect(fetch("--data-binary", f"@{large}", server.url("/echo")) == LARGE, "not what was sent")
        expect(fetch("-X", "POST", "-T", large, server.url("/echo")) == LARGE, "not what was sent after a 100")
        expect(fetch("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{large}", server.url("/echo")) == LARGE,
               "not what was sent in chunks")
        for more in ([], ["-H", "Expect:"]):
            said = fetch("-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", *more, "-T", folder / "17m", server.url("/echo"))
            expect(said == b"413", f"too large a body is answered with {said}")


@step("wrk and ab: every request is answered")
def load(programs, folder):
    with serving(programs, folder) as server:
        if shutil.which("wrk"):
            done = run("wrk", "-t1", "-c50", "-d1", server.url("/"))
            expect(done.returncode == 0 and "Requests/sec" in done.stdout, f"wrk: {done.stdout}{done.stderr}")
            expect("Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, f"wrk: {done.stdout}")
        if shutil.which("ab"):
            for more in ([], ["-k"]):
                done = run("ab", "-q", *more, "-c20", "-n2000", server.url("/a.txt"))
                expect(re.search(r"Complete requests: +2000\nFailed requests: +0\n", done.stdout), f"ab: {done.stdout}{done.stderr}")


@step("a head that is not whole within 10 s of its first byte ends the connection, idle ones and slow bodies stay")
def slow_heads_result(programs, folder):
    slow.result()


@step("peers that send and never read: they cost little memory, the others are served, and SIGTERM ends all the same")
def never_read_result(programs, folder):
    deaf.result()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        slow, deaf = (Beside(function, {"http_server": pathlib.Path(sys.argv[1]).resolve()}, pathlib.Path(folder))
                      for function, folder in ((slow_heads, first), (never_read, second)))
        sys.exit(main(sys.argv[1:]))
