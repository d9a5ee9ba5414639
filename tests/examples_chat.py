#!/usr/bin/env python3
"""Checks what chat promises: examples_chat.py PROGRAM"""
import signal
import socket
import sys
import time

from example_check import Failed, expect, main, step
from example_server import Server, wait_until

PEOPLE = 50


class Person:
    """A client that has its name."""
    def __init__(self, server, name):
        self.socket = server.connect()
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.say(name)
        self.hear("* welcome, what is your name?")

    def say(self, *lines):
        self.socket.sendall("".join(line + "\n" for line in lines).encode())

    def hear(self, text):
        """Reads up to the line that is or has `text`."""
        for line in self.lines:
            if text in line:
                return line.rstrip("\n")
        raise Failed(f"does not hear {text!r}")

    def hear_to_end(self):
        return self.lines.read()

    def close(self):
        self.lines.close()
        self.socket.close()


@step("fifty people hear each other once, each line whole and in order")
def fifty(programs, folder):
    with Server(programs["chat"]) as server:
        people = []
        for number in range(PEOPLE):
            people.append(Person(server, f"p{number}"))
            people[-1].hear("* you are in lobby, with: ")
        for number, person in enumerate(people):
            person.say(*[f"line {line} of {number}" for line in range(10)])
        for number, person in enumerate(people):
            person.hear(f"* p{PEOPLE - 1} has come") if number < PEOPLE - 1 else None
            heard = {}
            for _ in range(10 * (PEOPLE - 1)):
                name, text = person.lines.readline().rstrip("\n").split(": ")
                heard.setdefault(name, []).append(text)
            expect(len(heard) == PEOPLE - 1 and f"p{number}" not in heard, f"p{number} hears {sorted(heard)}")
            for name, lines in heard.items():
                expect(lines == [f"line {line} of {name[1:]}" for line in range(10)], f"{name} is heard with {lines}")


@step("rooms: who is there, who comes and who leaves")
def rooms(programs, folder):
    with Server(programs["chat"]) as server:
        ann, bob, eve = Person(server, "ann"), None, None
        ann.hear("* you are in lobby, with: ann")
        bob = Person(server, "bob")
        expect(ann.hear("bob") == "* bob has come", "ann does not hear of bob")
        bob.say("/join kitchen", "hello?")
        expect(ann.hear("bob") == "* bob has left", "ann does not hear of bob")
        eve = Person(server, "eve")
        eve.say("/join kitchen", "/who", "hi")
        expect(eve.hear("here: ") == "* here: bob, eve", "eve does not see bob")
        expect(bob.hear(": ") and bob.hear("hi") == "eve: hi", "bob does not hear eve")
        eve.say("/quit")
        expect(bob.hear("left") == "* eve has left", "bob does not hear that eve left")
        expect("bob:" not in eve.hear_to_end(), "eve hears what was said before")
        bob.socket.close()
        bob.lines.close()
        ann.say("/who")
        expect(ann.hear("here: ") == "* here: ann", "ann is not alone")


@step("names: one of each, and nothing in them or in lines that a terminal would obey")
def names(programs, folder):
    with Server(programs["chat"]) as server:
        ann = Person(server, "ann")
        other = Person(server, "ann")
        other.hear("* ann is here already")
        for bad in ("two words", "x" * 33, "*", "/who", "a:b", "x\x1b[2J y"):
            other.say(bad)
            other.hear("* a name has up to")
        other.say("eve", "red: \x1b[31m\a\ttab", "ünï")
        expect(ann.hear("eve: ") == "eve: red:  [31m  tab", "control characters get through")
        ann.hear("eve: ünï")
        other.say("x" * 5000)
        expect("too long" in other.hear_to_end(), "a line of 5000 is taken")
        ann.hear("* eve has left")
        third = Person(server, "eve")  # the name is free again
        third.hear("* you are in lobby, with: ann, eve")


@step("one who does not read is let go, and the others hear all of it; memory stays")
def slow_reader(programs, folder):
    with Server(programs["chat"]) as server:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(b"slow\n")
        speaker, listener = Person(server, "speaker"), Person(server, "listener")
        speaker.hear("* listener has come")
        listener.hear("* you are in lobby")
        before = server.memory()
        sent, gone = 0, False
        speaker.socket.settimeout(10)
        while not gone:
            speaker.say(*[f"{sent + line} " + "x" * 3900 for line in range(20)])
            for line in range(20):
                heard = listener.hear(": ") if line == 0 else listener.lines.readline().rstrip("\n")
                if heard == "* slow has left":
                    gone = True
                    heard = listener.lines.readline()
                expect(heard.startswith(f"speaker: {sent + line} x"), f"hears {heard[:50]!r} instead of {sent + line}")
            sent += 20
            expect(sent < 20_000, "the slow one stays")
        expect(server.memory() - before < 16 << 20, f"costs {server.memory() - before} bytes")
        slow.close()
        expect(speaker.hear("left") == "* slow has left", "the speaker does not hear of it")


@step("SIGTERM: good bye to all, also to those without a name, exit status 0")
def closes(programs, folder):
    with Server(programs["chat"]) as server:
        people = [Person(server, f"p{number}") for number in range(5)]
        unnamed = server.connect()
        people[0].hear("* p4 has come")
        wait_until(lambda: unnamed.recv(100), "no welcome")
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for person in people:
            expect(person.hear_to_end().endswith("* the chat closes, good bye\n"), "no good bye")
        expect(server.wait() == (0, ""), "does not end well")
        expect(time.monotonic() - start < 4, f"takes {time.monotonic() - start} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
