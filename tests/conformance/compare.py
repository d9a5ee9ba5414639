#!/usr/bin/env python3
"""compare.py PROGRAM FILE.py...: do the two halves of each scenario say the same?

Prints what does not match, then how many scenarios there are. DIFFERENCES has those that differ on purpose, with the sentence
of the README's section "Where coil differs" that says so; they have to differ.

What is not the same in all versions of Python is compared with what one version said: FILE.recorded has that version, then a
digest and a name for each scenario. With that very version its own words are compared; --record FILE.py writes the file.
"""
import difflib
import hashlib
import pathlib
import platform
import subprocess
import sys

DIFFERENCES = {
    "what is ready when main ends":
        "When main ends, nothing gets another turn before it is cancelled: it may refer to main's frame, which is gone.",
    "sleep: equal deadlines end in the order of their beginning":
        "Timers that are due at the same time fire in the order in which they were made.",
    "cancel of one of two waiters cancels the task, and so reaches the other":
        "Every awaiter of a cancelled task is told the message of the cancellation, not only the first.",
    "gather: a coroutine's failure and its siblings":
        "`gather` owns the coroutines passed to it: when one fails, the others are cancelled and waited for.",
    "gather: cancelling it waits for the children's cleanup":
        "A `gather` that is cancelled waits until the cleanup of all its children is done.",
}


def run(*command):
    """The lines that each scenario printed, by its name."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    said = {}
    for line in done.stdout.splitlines():
        if line.startswith("== "):
            name = line[3:]
            if name in said:
                sys.exit(f"two scenarios are named {name!r}")
            said[name] = []
        else:
            said[name].append(line)
    return said


def digest(lines):
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Recorded:
    """What a Python half said once."""

    def __init__(self, file):
        self.path = file.with_suffix(".recorded")
        self.version, *lines = self.path.read_text().splitlines() if self.path.exists() else [""]
        self.digests = {name: said for said, _, name in (line.partition(" ") for line in lines)}

    def replaces_python(self):
        return self.version not in ("", platform.python_version())

    def compare(self, name, lines, speaker):
        if not self.version or digest(lines or []) == self.digests.get(name):
            return None
        return f"{speaker} does not say what Python {self.version} said; run this with that version to see both"

    def write(self, said):
        lines = [platform.python_version(), *(f"{digest(lines)} {name}" for name, lines in said.items())]
        self.path.write_text("\n".join(lines) + "\n")


def compare(name, python, cpp):
    """What is wrong with a scenario, or None."""
    if python is None or cpp is None:
        return "has no half in " + ("Python" if python is None else "C++")
    if name in DIFFERENCES:
        return "says the same as asyncio: it is no difference" if python == cpp else None
    if python == cpp:
        return None
    return "\n".join(difflib.unified_diff(python, cpp, "asyncio", "coil", lineterm="", n=20))


def undocumented():
    """Sentences of DIFFERENCES that the README does not have."""
    readme = pathlib.Path(__file__).resolve().parents[2] / "README.md"
    text = " ".join(readme.read_text().split())
    return [sentence for sentence in DIFFERENCES.values() if sentence not in text]


def main(program, *files):
    wrong = 0
    count = 0
    for sentence in undocumented():
        wrong += 1
        print(f"the README does not say: {sentence}")
    for file in map(pathlib.Path, files):
        recorded = Recorded(file)
        cpp = run(program, file.stem)
        python = recorded.digests if recorded.replaces_python() else run(sys.executable, str(file))
        for name in dict.fromkeys((*python, *cpp)):
            count += 1
            if recorded.replaces_python():
                finding = recorded.compare(name, cpp.get(name), "coil")
            else:
                finding = compare(name, python.get(name), cpp.get(name)) or recorded.compare(name, python.get(name), "this")
            if finding:
                wrong += 1
                print(f"{file.stem}: {name}\n{finding}\n")
    print(f"{count} scenarios, {wrong} wrong")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    if sys.argv[1] == "--record":
        Recorded(pathlib.Path(sys.argv[2])).write(run(sys.executable, sys.argv[2]))
        sys.exit()
    sys.exit(main(*sys.argv[1:]))
