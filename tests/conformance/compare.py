#!/usr/bin/env python3
"""compare.py PROGRAM FILE.py...: do the two halves of each scenario say the same?

Runs the newest Python that is here; a scenario that needs a newer one is named and not compared. Prints what does not
match, then how many scenarios there are. DIFFERENCES has those that differ on purpose, with the sentence of the README's
section "Where coil differs" that says so; they have to differ.
"""
import difflib
import os
import pathlib
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
    "task_group: the body fails, then a task in its cleanup":
        "The failure of a task group's body has its place in time among those of the tasks, not the last.",
    "task_group: a failure inside the cleanup of a cancelled task":
        "A task group that fails inside the cleanup of a cancelled task does not deliver that cancellation again.",
    "wait_for: a result in the turn of the deadline":
        "`wait_for` gives a result that comes in the turn of the deadline.",
    "context: two tasks that are given the same one":
        "`create_task` copies the context it is given; asyncio shares it.",
}


def newest_python():
    """The Python to compare with: the newest of those on the PATH, those of pyenv, and the one that runs this."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv", "versions")
    candidates = [sys.executable, *(f"python3.{minor}" for minor in range(15, 10, -1)),
                  *map(str, sorted(pyenv.glob("3.*/bin/python3")))]
    found = {}
    for candidate in candidates:
        try:
            done = subprocess.run([candidate, "-c", "import sys; print(*sys.version_info[:2])"],
                                  capture_output=True, text=True, timeout=20, check=True)
            found.setdefault(tuple(map(int, done.stdout.split())), candidate)
        except (OSError, ValueError, subprocess.SubprocessError):
            continue
    return found[max(found)]


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


def compare(name, python, cpp):
    """What is wrong with a scenario, or None."""
    if python and python[0].startswith("needs Python"):
        print(f"not compared: {name}: {python[0]}")
        return None if cpp is not None else "has no half in C++"
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
    interpreter = newest_python()
    for sentence in undocumented():
        wrong += 1
        print(f"the README does not say: {sentence}")
    for file in map(pathlib.Path, files):
        python = run(interpreter, str(file))
        cpp = run(program, file.stem)
        for name in dict.fromkeys((*python, *cpp)):
            count += 1
            finding = compare(name, python.get(name), cpp.get(name))
            if finding:
                wrong += 1
                print(f"{file.stem}: {name}\n{finding}\n")
    print(f"{count} scenarios, {wrong} wrong")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
