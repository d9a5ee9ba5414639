"""Draws what bench/run measured: python3 bench/plot.py RESULTS.jsonl [FOLDER]; needs gnuplot.

RESULTS is what `sh bench/run --json RESULTS.jsonl` wrote. FOLDER: bench/pictures by default. A whisker reaches from the
least to the most of all rounds. The background is transparent, so that pictures suit light and dark pages.
"""
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import compare  # noqa: E402

HERE = Path(__file__).resolve().parent
COLOURS = {"coil": "#2f81f7", "coil-stream": "#7fb2fa", "limit": "#8b949e", "epoll": "#57a773", "thread": "#e3653b",
           "asyncio": "#b87fd9", "uvloop": "#8a5fbf", "asio": "#d9a21b", "asio-uring": "#a87b0a", "libuv": "#2aa198",
           "go": "#39b3d7", "process": "#b03060"}
GREY = "#808080"  # seen on white and on black
HEAD = """set terminal svg size {width},{height} dynamic font 'sans-serif,12' linewidth 1
set output '{output}'
set border 3 lc rgb '{grey}'
set tics textcolor rgb '{grey}' nomirror
set key outside top center horizontal textcolor rgb '{grey}'
set grid ytics lc rgb '{grey}' lw 0.3
set xlabel textcolor rgb '{grey}'
set ylabel textcolor rgb '{grey}'
set title textcolor rgb '{grey}'
set logscale y
set format y '%g'
"""


def draw(script):
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def head(output, width, height):
    return HEAD.format(output=output, width=width, height=height, grey=GREY)


def systems_in(rows, figures):
    return [system for system in COLOURS if any((figure, system) in rows for figure in figures)]


def block(name, lines):
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


def variable(system):
    return system.replace("-", "_")


def bars(rows, output, figures, title, unit):
    """Groups of bars, a group for each figure."""
    figures = [figure for figure in figures if (figure, "coil") in rows]
    systems = systems_in(rows, figures)
    width = 0.8 / len(systems)
    script = head(output, 760, 340) + f"set title '{title}'\nset ylabel '{unit}'\nset style fill solid\n"
    names = ", ".join(f"'{figure.removeprefix('echo/')}' {place}" for place, figure in enumerate(figures))
    script += f"set boxwidth {width * 0.9}\nset xtics ({names})\nset xrange [-0.5:{len(figures) - 0.5}]\n"
    plots = []
    for index, system in enumerate(systems):
        lines = []
        for place, figure in enumerate(figures):
            row = rows.get((figure, system))
            if row is not None:
                x = place + (index - (len(systems) - 1) / 2) * width
                lines.append(f"{x:.3f} {row['median']} {row['min']} {row['max']}")
        script += block(variable(system), lines)
        plots.append(f"${variable(system)} using 1:2 with boxes lc rgb '{COLOURS[system]}' title '{system}'")
        plots.append(f"${variable(system)} using 1:2:3:4 with yerrorbars lc rgb '{GREY}' pt 0 notitle")
    draw(script + "plot " + ", ".join(plots) + "\n")


def growth_panel(rows, number, kind, systems, size_of, title, unit):
    """The figure of a kind over its size, a line for each system."""
    script = f"set title '{title}'\nset ylabel '{unit}'\n"
    plots = []
    for system in systems:
        points = sorted((size_of(figure), row) for (figure, name), row in rows.items()
                        if name == system and figure.partition("/")[0] == kind and size_of(figure))
        lines = [f"{size} {row['median']} {row['min']} {row['max']}" for size, row in points if row["median"] > 0]
        if lines:
            name = f"{variable(system)}_{number}"
            script += block(name, lines)
            plots.append(f"${name} using 1:2:3:4 with yerrorlines lc rgb '{COLOURS[system]}' pt 7 ps 0.4 title '{system}'")
    return script + "plot " + ", ".join(plots) + "\n"


def growth(rows, output, label, panels):
    script = head(output, 760, 320) + f"set logscale x\nset format x '10^{{%L}}'\nset xlabel '{label}'\n"
    script += f"set multiplot layout 1,{len(panels)}\n"
    script += "".join(growth_panel(rows, number, *panel) for number, panel in enumerate(panels))
    draw(script + "unset multiplot\n")


def tasks_of(figure):
    return int(figure.partition("/")[2])


def connections_of(figure):
    """Of echo/64xNx1; 0 for other shapes."""
    size, connections, depth = figure.partition("/")[2].split("x")
    return int(connections) if (size, depth) == ("64", "1") else 0


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python3 bench/plot.py RESULTS.jsonl [FOLDER]")
    rows = compare.read(sys.argv[1])
    folder = Path(sys.argv[2]) if len(sys.argv) == 3 else HERE / "pictures"
    folder.mkdir(exist_ok=True)
    kinds = {figure.partition("/")[0] for figure, system in rows if system == "coil"}
    models = ("coil", "thread", "asyncio", "go")
    if "gather_cpu" in kinds:
        growth(rows, folder / "models.svg", "tasks or threads that sleep at once", [
            ("gather_cpu", models, tasks_of, "CPU time", "ms"),
            ("gather_rss", models, tasks_of, "most memory in use", "MiB")])
    if {"spawn", "yield", "queue"} & kinds:
        bars(rows, folder / "tasks.svg", ("spawn", "await_task", "yield", "chain", "queue", "timers"),
             "what an operation costs (less is better)", "ns")
    if "echo" in kinds:
        shapes = ("64x1x1", "64x50x1", "64x1000x1", "16384x50x1", "64x50x16")
        bars(rows, folder / "echo.svg", [f"echo/{shape}" for shape in shapes],
             "server CPU time for an echoed message (less is better): bytes x connections x depth", "ns")
        growth(rows, folder / "connections.svg", "connections, a message of 64 bytes under way on each", [
            ("echo", ("coil", "coil-stream", "limit", "epoll", "thread"), connections_of, "server CPU a message", "ns"),
            ("echo_rate", ("coil", "coil-stream", "limit", "epoll", "thread"), connections_of, "messages a second",
             "1/s")])


if __name__ == "__main__":
    main()
