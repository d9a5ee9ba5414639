#!/usr/bin/env python3
"""Checks what tls_echo_server and https_get promise: examples_tls.py PROGRAM..."""
import http.server
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading

from example_check import TIME_MAX, expect, main, run, step
from example_server import Server


class Files:
    """An authority, and a certificate for localhost that it has signed, made by openssl."""
    def __init__(self, folder):
        self.folder = folder
        self.authority = folder / "authority.pem"
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"
        self.openssl("req", "-x509", "-subj", "/CN=authority", "-keyout", folder / "authority.key", "-out",
                     self.authority)
        self.openssl("req", "-x509", "-subj", "/CN=here", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                     "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", self.key, "-out", self.certificate,
                     "-CA", self.authority, "-CAkey", folder / "authority.key")

    @staticmethod
    def openssl(*arguments):
        done = run("openssl", *arguments, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        expect(done.returncode == 0, f"openssl: {done.stderr}")

    def client(self):
        return ssl.create_default_context(cafile=self.authority)

    def server(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def echo_server(programs, files):
    return Server(programs["tls_echo_server"], arguments=[files.certificate, files.key])


@step("tls_echo_server: what Python sends comes back, a million bytes, to several at once")
def echo_to_python(programs, folder):
    files = Files(folder)
    with echo_server(programs, files) as server:
        clients = [files.client().wrap_socket(server.connect(), server_hostname="localhost") for _ in range(5)]
        for number, client in enumerate(clients):
            data = os.urandom(1_000_000 * (number == 0) + 1000 * number)
            received = bytearray()
            for first in range(0, len(data), 50_000):  # Python's sockets of TLS are for one thread
                client.sendall(data[first:first + 50_000])
                while len(received) < min(first + 50_000, len(data)):
                    received += client.recv(1 << 20)
            expect(received == data, f"something else comes back to client {number}")
        for client in clients:
            client.unwrap().close()  # both sides say that they end
        server.process.send_signal(signal.SIGTERM)
        status, errors = server.wait()
        expect(status == 0 and errors == "", f"exit {status}: {errors}")


@step("tls_echo_server: openssl s_client talks to it, by TLS 1.2 and 1.3, and nothing older")
def echo_to_openssl(programs, folder):
    files = Files(folder)
    with echo_server(programs, files) as server:
        for version, works in (("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False)):
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", files.authority,
                       "-verify_return_error", "-verify_hostname", "localhost", "-quiet", version]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as client:
                client.stdin.write(b"hello\n")
                client.stdin.flush()
                line = client.stdout.readline()
                client.kill()
            expect((line == b"hello\n") == works, f"{version}: {line}")


@step("tls_echo_server: garbage, a reset and a silent client are said, and cost nobody else anything")
def echo_to_others(programs, folder):
    files = Files(folder)
    with echo_server(programs, files) as server:
        good = files.client().wrap_socket(server.connect(), server_hostname="127.0.0.1")
        silent = server.connect()
        with server.connect() as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while plain.recv(1000):
                pass
        with server.connect() as broken:
            broken.sendall(b"\x16\x03\x01")
            broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with files.client().wrap_socket(server.connect(), server_hostname="localhost") as cut:
            cut.sendall(b"x")
            expect(cut.recv(1) == b"x", "nothing comes back")  # and goes without close_notify
        lines = sorted(server.process.stderr.readline().decode() for _ in range(3))
        for line, words in zip(lines, ("TLS handshake: http request", "Connection reset by peer", "without saying so")):
            expect(any(words in line for line in lines), f"says {lines}, not {words}")
        good.sendall(b"still here")
        expect(good.recv(100) == b"still here", "the others are not served")
        silent.close()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"a page\n" * 100_000 if self.path == "/page" else b"nothing\n"
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@step("https_get: prints the page, and refuses whom it does not know")
def get_page(programs, folder):
    files = Files(folder)
    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    server.socket = files.server().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    program = programs["https_get"]
    done = run(program, "localhost", "/page", port, files.authority)
    expect(done.returncode == 0 and done.stdout == "a page\n" * 100_000, f"{done.returncode}: {done.stderr}")
    done = run(program, "127.0.0.1", "/other", port, files.authority)
    expect(done.returncode == 1 and done.stdout == "nothing\n" and "404" in done.stderr, f"{done.stderr}")
    done = run(program, "localhost", "/page", port)
    expect(done.returncode == 1 and done.stdout == "", f"takes an unknown authority: {done.stdout[:100]}")
    expect("unable to get local issuer certificate" in done.stderr and len(done.stderr.splitlines()) == 1,
           f"says {done.stderr}")
    done = run(program, "localhost", "/page", port, folder / "missing.pem")
    expect(done.returncode == 1 and "missing.pem" in done.stderr, f"says {done.stderr}")
    server.shutdown()


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("openssl, which makes the certificates, is not installed: nothing is tried")
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
