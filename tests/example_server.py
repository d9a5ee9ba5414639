"""A server among the examples that runs, for the checks of several of them."""
import os
import re
import resource
import socket
import subprocess
import time

from example_check import Failed, TIME_MAX, expect

ARGUMENTS = {}  # beside the port, by name


class Server:
    """A server that runs; as a context it is killed at the end, if it has not ended before."""
    def __init__(self, program, port=0, descriptors=None, arguments=None):
        # Memory that was freed is not to be kept for long, or `memory` says nothing.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        limit = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        arguments = arguments or ARGUMENTS.get(program.name, [])
        self.process = subprocess.Popen([str(program), str(port), *arguments], preexec_fn=limit,
                                        env={**os.environ, "ASAN_OPTIONS": sanitizer},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        if not found:
            self.process.kill()
            raise Failed(f"begins with {line!r}, says {self.process.stderr.read().decode()}")
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), TIME_MAX)

    def is_refused(self):
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    def cpu(self):
        with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def wait(self):
        """Its exit status, and what it says on stderr."""
        output, errors = self.process.communicate(timeout=TIME_MAX)
        expect(output == b"", f"prints {output}")
        return self.process.returncode, errors.decode()


def wait_until(holds, what):
    end = time.monotonic() + TIME_MAX
    while not holds():
        if time.monotonic() > end:
            raise Failed(what)
        time.sleep(0.01)
