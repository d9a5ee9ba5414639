"""What the Python halves of the pairs share: @scenario, log(), virtual time; conformance.main() runs all of a file.

A scenario logs what happens, and when, in milliseconds of virtual time. Its C++ half (the same name, conformance.hpp) is to
log the same, line by line; compare.py runs both.
"""
import asyncio
import selectors
import sys

SCENARIOS = []


class Failure(Exception):
    """What scenarios throw. conformance::Failure in C++."""


class VirtualSelector(selectors.SelectSelector):
    """Jumps to the next timer instead of waiting for it."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("nothing is left that could happen")
        self.now += max(timeout, 0)
        return super().select(0)


def new_loop():
    selector = VirtualSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    loop._clock_resolution = 1e-6  # sums of floating-point numbers are a little off
    loop.set_exception_handler(lambda _, context: log("handler:", describe(context.get("exception"))))
    return loop


def scenario(name, since=(3, 11)):
    """Registers the coroutine function below it. Names are unique within a file, and the same in C++.

    `since`: the first Python that can do it.
    """

    def register(body):
        SCENARIOS.append((name, since, body))
        return body

    return register


def log(*words):
    """Prints the time and the words: numbers as they are, booleans as true or false, exceptions by describe()."""
    try:
        now = round(asyncio.get_running_loop().time() * 1000)
    except RuntimeError:
        now = 0
    print(f"{now:6} {' '.join(map(text_of, words))}")


def text_of(word):
    if isinstance(word, bool):
        return "true" if word else "false"
    if isinstance(word, BaseException):
        return describe(word)
    if isinstance(word, (list, tuple)):
        return "[" + ", ".join(map(text_of, word)) + "]"
    return "none" if word is None else str(word)


def describe(error):
    """The kind of an exception, and its text where the text is the scenario's own."""
    if error is None:
        return "none"
    if isinstance(error, BaseExceptionGroup):
        return f"ExceptionGroup({', '.join(map(describe, error.exceptions))})"
    if isinstance(error, Failure):
        return f"Failure({error})"
    if isinstance(error, asyncio.CancelledError):
        return f"CancelledError({error.args[0] if error.args and error.args[0] is not None else ''})"
    return type(error).__name__


def main():
    for name, since, body in SCENARIOS:
        print(f"== {name}")
        if sys.version_info < since:
            print(f"needs Python {since[0]}.{since[1]}")
            continue
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(body())
        except BaseException as error:  # also CancelledError
            log("raised", error)
        sys.stdout.flush()
