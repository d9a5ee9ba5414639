#!/usr/bin/env python3
"""Checks what the compiler, or the program, says to a mistake: check.py PROGRAM.cpp TOP LIBRARY COMPILER...

The comment at the head of the program says what to expect, one line for all compilers or for one (gcc, clang) or one
version of it (gcc12); the closest counts:

    // expect-error: REGEX        it does not compile, and the first error matches
    // expect-error(clang): REGEX
    // expect-abort: REGEX        it compiles, and aborts with one line on stderr, which matches
    // expect-output: TEXT        it compiles, exits with 0 and prints TEXT
    // expect-compiles:
"""
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

EXPECTATION = re.compile(r"// expect-(error|abort|output|compiles)(?:\((\w+)\))?: ?(.*)")


def kinds_of(compiler):
    """["gcc12", "gcc", None]: what the lines for this compiler are marked with, closest first."""
    run = subprocess.run([*compiler, "-dM", "-E", "-x", "c++", "/dev/null"], text=True, capture_output=True, check=True)
    macros = dict(line.split(None, 2)[1:] for line in run.stdout.splitlines() if len(line.split(None, 2)) == 3)
    if "__clang__" in macros:
        return ["clang" + macros["__clang_major__"], "clang", None]
    return ["gcc" + macros["__GNUC__"], "gcc", None]


def expectation(source, compiler):
    lines = {}
    for line in source.read_text().splitlines():
        match = EXPECTATION.fullmatch(line)
        if not match:
            break
        lines[match[2]] = (match[1], match[3])
    for kind in kinds_of(compiler):
        if kind in lines:
            return lines[kind]
    sys.exit(f"{source}: says nothing for {' '.join(compiler)}")


def pkg_config(*arguments):
    return subprocess.run(["pkg-config", *arguments], text=True, capture_output=True, check=True).stdout.split()


def check(source, top, library, compiler):
    what, text = expectation(source, compiler)
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "program")
        command = [*compiler, "-std=c++20", "-g", f"-I{top}/runtime/include", f"-I{top}/io/include", source]
        if what in ("error", "compiles"):
            command.append("-fsyntax-only")
        else:
            command += ["-o", program, library, "-Wl,-rpath," + str(library.parent)]
            command += pkg_config("--libs", "liburing", "fmt")
        built = subprocess.run(command, text=True, capture_output=True)
        errors = [line for line in built.stderr.splitlines() if re.search(r"\berror: ", line)]
        if what == "error":
            if built.returncode == 0:
                return f"compiles, but the first error should match: {text}"
            if not errors or not re.search(text, errors[0]):
                return f"the first error should match: {text}\n{built.stderr}"
            print(errors[0])
            return None
        if built.returncode != 0:
            return f"does not compile:\n{built.stderr}"
        if what == "compiles":
            return None
        run = subprocess.run([program], text=True, capture_output=True, timeout=60)
        if what == "abort":
            lines = run.stderr.splitlines()
            if run.returncode != -signal.SIGABRT or len(lines) != 1 or not re.search(text, lines[0]):
                return f"should abort with one line that matches: {text}\nexit {run.returncode}\n{run.stderr}"
            print(lines[0])
        elif run.returncode != 0 or run.stdout != text + "\n":
            return f"should print: {text}\nexit {run.returncode}\n{run.stdout}{run.stderr}"
    return None


if __name__ == "__main__":
    source_arg, top_arg, library_arg, *compiler_args = sys.argv[1:]
    problem = check(pathlib.Path(source_arg), top_arg, pathlib.Path(library_arg), compiler_args)
    sys.exit(f"{source_arg}: {problem}" if problem else 0)
