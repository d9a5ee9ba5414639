"""What the figures were measured on: lines for the top of the output."""
import json
import os
import platform
import subprocess
from pathlib import Path

BUSY = 0.5  # load average for each CPU above which figures are not worth much


def read(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def field(text, name):
    """The value of the first line `name : value`."""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return ""


def processor():
    info = read("/proc/cpuinfo")
    name = field(info, "model name") or platform.machine()
    kib = field(read("/proc/meminfo"), "MemTotal").split()
    memory = f", {int(kib[0]) / 2**20:.0f} GiB" if kib else ""
    virtual = ", a virtual machine" if "hypervisor" in field(info, "flags").split() else ""
    return f"{name}, {len(os.sched_getaffinity(0))} CPUs{memory}{virtual}"


def introspection(build, name):
    text = read(build / "meson-info" / f"intro-{name}.json")
    return json.loads(text) if text else {}


def compiler(build):
    options = {option["name"]: option["value"] for option in introspection(build, "buildoptions") or []}
    command = next(
        (source["compiler"] for target in introspection(build, "targets") for source in target["target_sources"]
         if source.get("compiler")), ["c++"])
    name = first_line([*command, "--version"]) or "unknown"
    return f"{name}; the library as {options.get('buildtype', '?')}, the programs with -O2"


def first_line(command):
    """What a command prints first; empty if it cannot be run."""
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return output.partition("\n")[0]


def versions(build):
    project = introspection(build, "projectinfo").get("version", "?")
    found = introspection(build, "dependencies") or []
    libraries = {dependency["name"]: dependency.get("version", "?") for dependency in found}
    uring = f", liburing {libraries['liburing']}" if "liburing" in libraries else ""
    return f"{project}{revision()}{uring}, Python {platform.python_version()}"


def revision():
    """The commit, with a star if the tree differs from it; nothing where git or the repository is missing."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f" ({commit.stdout.strip()}{'*' if dirty else ''})"


def describe(build):
    """Pairs of a word and what is to be said about it."""
    lines = [
        ("machine", processor()),
        ("kernel", f"{platform.system()} {platform.release()} {platform.machine()}, {' '.join(platform.libc_ver())}"),
        ("compiler", compiler(build)),
        ("coil", versions(build)),
    ]
    load = os.getloadavg()[0]
    if load > BUSY * (os.cpu_count() or 1):
        lines.append(("busy", f"load average {load:.1f}: other programs are running, the figures will be worse for it"))
    return lines


