#!/usr/bin/env python3
"""Checks the public headers with a compiler: headers.py TOP COMPILER...

Each compiles alone and twice over, without a warning, as a header of the user's own would have to. <coil/coil.hpp>
also does as C++23 and without RTTI, and stays small enough not to slow a user's build down.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

WARNINGS = "-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror".split()
LINES_MAX = 70_000  # of <coil/coil.hpp> after g++ 12's preprocessor
PARTS = ("runtime/include", "io/include")


def compile_text(compiler, text, *options):
    """(did it compile, what the compiler said)"""
    run = subprocess.run([*compiler, "-x", "c++", *options, "-"], input=text, text=True, capture_output=True)
    return run.returncode == 0, run.stdout + run.stderr


def is_gcc12(compiler):
    macros = subprocess.run([*compiler, "-dM", "-E", "-x", "c++", "/dev/null"], text=True, capture_output=True).stdout
    return "__clang__" not in macros and re.search(r"#define __GNUC__ 12$", macros, re.MULTILINE) is not None


def main(top, *compiler):
    top = pathlib.Path(top)
    base = ["-std=c++20", *(f"-I{top / part}" for part in PARTS)]
    headers = [path.relative_to(top / part).as_posix()
               for part in PARTS for path in sorted((top / part).rglob("*.hpp"))]
    jobs = [(header, ["-std=c++20"]) for header in headers]
    jobs += [("coil/coil.hpp", ["-std=c++23"]), ("coil/coil.hpp", ["-std=c++20", "-fno-rtti"])]
    failed = 0

    def compile_header(job):
        header, options = job
        return compile_text(compiler, f"#include <{header}>\n" * 2, "-fsyntax-only", *base, *options, *WARNINGS)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (header, options), (ok, said) in zip(jobs, pool.map(compile_header, jobs)):
            if not ok:
                failed += 1
                print(f"<{header}> with {' '.join(options)}:\n{said}")
    print(f"{len(jobs) - failed} of {len(jobs)} compile without a warning")

    ok, text = compile_text(compiler, "#include <coil/coil.hpp>\n", "-E", *base)
    lines = text.count("\n")
    print(f"<coil/coil.hpp> is {lines} lines after the preprocessor (at most {LINES_MAX} with g++ 12)")
    failed += not ok or (is_gcc12(compiler) and lines > LINES_MAX)

    example = top / "examples/gather_three_workers.cpp"
    start = time.monotonic()
    subprocess.run([*compiler, *base, "-O2", "-g", "-c", "-o", os.devnull, example])
    print(f"{example.name} compiles in {time.monotonic() - start:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
