#!/usr/bin/env python3
"""Installs coil into a folder and builds a program against it in every way offered to users.

check.py TOP BUILD_FOLDER MESON COMPILER...
"""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile


class Failed(Exception):
    pass


def run(*command, **environment):
    command = [str(word) for word in command]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **{name: str(value) for name, value in environment.items()}})
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


class Check:
    def __init__(self, top, build, meson, compiler, work):
        self.top, self.build, self.meson, self.compiler, self.work = top, build, meson, compiler, work
        self.here = top / "tests/install"
        options = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
        option = {row["name"]: row["value"] for row in options}
        self.installed = work / "stage" / option["prefix"].lstrip("/")
        self.libdir = self.installed / option["libdir"]
        self.shared = option["default_library"] != "static"
        self.static = option["default_library"] != "shared"
        self.tls = (build / "libcoil-tls.a").exists()
        os.environ["CXX"] = shlex.join(compiler)
        # The prefix of an installation that lies below a folder of its own.
        self.staged = {"PKG_CONFIG_PATH": self.libdir / "pkgconfig", "PKG_CONFIG_SYSROOT_DIR": work / "stage"}
        run(meson, "install", "-C", build, "--no-rebuild", "--destdir", work / "stage")

    def runs(self, program, libdir=None):
        printed = run(program, **({"LD_LIBRARY_PATH": libdir} if libdir else {}))
        if printed != "42\n":
            raise Failed(f"{program} prints {printed!r} instead of 42")

    def headers(self):
        in_tree = {path.relative_to(self.top / part).as_posix() for part in ("runtime/include", "io/include")
                   for path in (self.top / part).rglob("*.hpp")}
        there = {path.relative_to(self.installed / "include").as_posix()
                 for path in (self.installed / "include").rglob("*") if path.is_file()}
        if in_tree != there:
            raise Failed(f"in the tree or installed, not both: {sorted(in_tree ^ there)}")

    def pkg_config(self, static, package="coil", source="consumer.cpp"):
        said = run("pkg-config", *(["--static"] if static else []), "--cflags", "--libs", package, **self.staged).split()
        if any(word.startswith("-std") for word in said):
            raise Failed(f"pkg-config sets the user's standard: {said}")
        if not static and any(word in ("-lfmt", "-luring") for word in said):
            raise Failed(f"pkg-config links what only coil uses: {said}")
        if static:
            said = ["-l:libcoil.a" if word == "-lcoil" else word for word in said]
        program = self.work / f"pkg-config-{package}-{static}"
        run(*self.compiler, "-std=c++20", "-o", program, self.here / source, *said)
        self.runs(program, None if static else self.libdir)

    def cmake(self, static, libdir):
        build = self.work / f"cmake-{static}-{libdir.parts[-3]}"
        run("cmake", "-G", "Ninja", "-S", self.here, "-B", build, f"-Dcoil_DIR={libdir / 'cmake/coil'}",
            f"-Dcoil_USE_STATIC_LIBS={'ON' if static else 'OFF'}")
        run("cmake", "--build", build)
        self.runs(build / "consumer")
        if self.tls:
            self.runs(build / "tls_consumer")

    def cmake_moved(self):
        moved = self.work / "moved"
        shutil.copytree(self.installed, moved, symlinks=True)
        hidden = self.installed.rename(self.work / "hidden")
        try:
            self.cmake(not self.shared, moved / self.libdir.relative_to(self.installed))
        finally:
            hidden.rename(self.installed)

    def project(self, name):
        project = self.work / name
        project.mkdir()
        shutil.copy(self.here / "consumer.cpp", project)
        shutil.copy(self.here / "meson.build.in", project / "meson.build")
        return project

    def meson_dependency(self):
        project = self.project("meson-dependency")
        run(self.meson, "setup", project / "build", project, **self.staged)
        run(self.meson, "compile", "-C", project / "build")
        self.runs(project / "build/consumer", self.libdir)

    def meson_subproject(self):
        project = self.project("meson-subproject")
        (project / "subprojects").mkdir()
        (project / "subprojects/coil").symlink_to(self.top)
        # Unoptimized and without debug information it compiles in a third of the time.
        run(self.meson, "setup", "--force-fallback-for=coil", "-Doptimization=0", "-Ddebug=false", project / "build", project)
        run(self.meson, "compile", "-C", project / "build")
        self.runs(project / "build/consumer")
        targets = json.loads(run(self.meson, "introspect", "--targets", project / "build"))
        names = {target["name"] for target in targets if target["build_by_default"]}
        if names != {"consumer", "coil"}:
            raise Failed(f"as a subproject coil builds more than its library: {sorted(names)}")
        if json.loads(run(self.meson, "introspect", "--installed", project / "build")):
            raise Failed("as a subproject coil installs files")


def main(top, build, meson, *compiler):
    with tempfile.TemporaryDirectory() as folder:
        check = Check(pathlib.Path(top), pathlib.Path(build), meson, compiler, pathlib.Path(folder))
        steps = {"headers": check.headers}
        if check.shared:
            steps["pkg-config"] = lambda: check.pkg_config(static=False)
            steps["meson dependency"] = check.meson_dependency
        if check.static:
            steps["pkg-config, static"] = lambda: check.pkg_config(static=True)
        if check.tls:
            steps["pkg-config, TLS"] = lambda: check.pkg_config(not check.shared, "coil-tls", "tls_consumer.cpp")
        if shutil.which("cmake"):
            if check.shared:
                steps["CMake"] = lambda: check.cmake(False, check.libdir)
            if check.static:
                steps["CMake, static"] = lambda: check.cmake(True, check.libdir)
            steps["CMake, moved"] = check.cmake_moved
        else:
            print("CMake is not installed: its package is not tried")
        steps["meson subproject"] = check.meson_subproject
        failed = 0
        for name, step in steps.items():
            try:
                step()
                print(f"{name}: ok")
            except Failed as failure:
                failed += 1
                print(f"{name}: {failure}")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
