"""Draws what sh bench/soak --json wrote: python3 bench/soak_plot.py SOAK.jsonl PICTURE.svg; needs gnuplot.

The background is transparent, so that the picture suits light and dark pages.
"""
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

GREY = "#808080"  # seen on white and on black
# Half of what gnuplot writes says nothing.
SHORTER = (
    (r"<defs>.*?</defs>", ""),
    (r"<g [^>]*>\s*</g>\n?", ""),
    (r' (stroke-width="1.00" )?stroke-linecap="butt" stroke-linejoin="miter"', ""),
    (r'<text><tspan font-family="sans-serif" >([^<]*)</tspan></text>', r"<text>\1</text>"),
    (r"rgb\(128, ?128, ?128\)", GREY),
    (r"(\d\.\d)\d(?=[ ,')])", r"\1"),
    (r"\t", ""),
    (r" +'", "'"),
)
POINTS_MAX = 120  # on a line: each the median of its part of the time
PANELS = (  # title, further settings, lines: key, divisor, colour, name
    ("messages a second", "", (("rate", 1, "#2f81f7", ""),)),
    ("resident memory, MiB", "", (("rss_kib", 1024, "#57a773", ""),)),
    ("descriptors and tasks", "", (("tasks", 1, "#b87fd9", "tasks"), ("descriptors", 1, "#d9a21b", "descriptors"))),
    ("latency of an echo, ms", "set logscale y; set yrange [0.01:1000]; set key top",
     (("p99_us", 1000, "#e3653b", "p99"), ("p50_us", 1000, "#2f81f7", "p50"))),
)
HEAD = """set terminal svg size 760,460 dynamic font 'sans-serif,11' linewidth 1
set output '{output}'
set border 3 lc rgb '{grey}'
set tics textcolor rgb '{grey}' nomirror
set key inside bottom right horizontal textcolor rgb '{grey}'
set grid ytics lc rgb '{grey}' lw 0.3
set xlabel '{unit}' textcolor rgb '{grey}'
set title textcolor rgb '{grey}'
set format y '%g'
unset mytics
set multiplot layout 2,2
"""


def binned(samples, key, scale, seconds_of_unit):
    size = -(-len(samples) // POINTS_MAX)
    for first in range(0, len(samples), size):
        part = samples[first:first + size]
        yield (f"{statistics.mean(row['time'] for row in part) / seconds_of_unit:.4g} "
               f"{statistics.median(row[key] for row in part) / scale:.4g}")


def panel(samples, seconds_of_unit, title, setting, lines):
    script = f"set title '{title}'\nset yrange [0:*]\n{setting}\n"
    plots = []
    for key, scale, colour, name in lines:
        script += f"${key} << EOD\n" + "\n".join(binned(samples, key, scale, seconds_of_unit)) + "\nEOD\n"
        plots.append(f"${key} using 1:2 with lines lc rgb '{colour}' lw 1.3 "
                     + (f"title '{name}'" if name else "notitle"))
    return script + "plot " + ", ".join(plots) + "\n"


def draw(samples, output):
    """False, and says so, if there is no gnuplot."""
    if not shutil.which("gnuplot"):
        print("no picture: gnuplot is missing")
        return False
    samples = samples[1:]  # the first one has no rate
    unit, seconds_of_unit = ("min", 60) if samples[-1]["time"] > 300 else ("s", 1)
    script = HEAD.format(output=output, grey=GREY, unit=unit)
    script += "".join(panel(samples, seconds_of_unit, *parts) for parts in PANELS)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    text = Path(output).read_text()
    for long, short in SHORTER:
        text = re.sub(long, short, text, flags=re.DOTALL)
    Path(output).write_text(text)
    return True


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python3 bench/soak_plot.py SOAK.jsonl PICTURE.svg")
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    draw([row for row in rows if "time" in row], sys.argv[2])


if __name__ == "__main__":
    main()
