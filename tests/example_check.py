"""What the checks of the examples share."""
import os
import pathlib
import pty
import subprocess
import tempfile

os.environ.pop("MALLOC_PERTURB_", None)  # meson's, for unit tests: memory that is only reserved would count as used

TIME_MAX = 120  # of one program; none needs more than a few seconds
steps = []


class Failed(Exception):
    pass


def step(sentence):
    """Marks a function (programs by name, an empty folder) as a check."""
    def mark(function):
        steps.append((sentence, function))
        return function
    return mark


def expect(holds, what):
    if not holds:
        raise Failed(what)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], encoding="utf-8", errors="replace", capture_output=True,
                          timeout=TIME_MAX, stdin=subprocess.DEVNULL, **options)


def output_until(command, text):
    """Starts a program on a terminal, so that it prints line by line; returns once it has printed `text`."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = ""
    while text not in seen:
        try:
            part = os.read(ours, 4096)
        except OSError:
            part = b""
        if not part:
            process.wait()
            raise Failed(f"ends without printing {text!r}: {seen}")
        seen += part.decode()
    return process, seen


def main(paths):
    programs = {pathlib.Path(path).name: pathlib.Path(path).resolve() for path in paths}
    failed = 0
    for sentence, function in steps:
        with tempfile.TemporaryDirectory() as folder:
            try:
                function(programs, pathlib.Path(folder))
                print(f"{sentence}: ok", flush=True)
            except (Failed, subprocess.TimeoutExpired, KeyError) as failure:
                failed += 1
                print(f"{sentence}: FAILED\n  {failure}", flush=True)
    print(f"{len(steps) - failed} passed, {failed} failed")
    return 1 if failed else 0
