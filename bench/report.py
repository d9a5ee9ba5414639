"""What is told about measurements: progress while they run, lines of JSON, the table at the end."""
import json
import os
import shutil
import statistics
import sys
import time

import compare
import plan

LIMIT = "limit"
OURS = "coil"


class Results:
    """All values, by figure, system and round."""

    def __init__(self):
        self.values = {}  # figure -> system -> {round: value}

    def add(self, figure, system, round_, value):
        self.values.setdefault(figure, {}).setdefault(system, {})[round_] = value

    def rows(self, figure):
        """What the JSON lines hold, in the order of the systems."""
        systems = self.values[figure]
        unit, _ = plan.describe(figure)
        for system in plan.SYSTEMS:
            if system not in systems:
                continue
            values = list(systems[system].values())
            ratio = self.ratio(figure, system, LIMIT)
            rival = compare.best_rival(compare.medians(systems), unit, LIMIT)
            to_rival = self.ratio(figure, system, rival) if rival and system in compare.OURS else None
            yield {
                "case": figure,
                "system": system,
                "unit": unit,
                "median": rounded(statistics.median(values)),
                "min": rounded(min(values)),
                "max": rounded(max(values)),
                "rounds": len(values),
                "to_limit": None if ratio is None else rounded(ratio),
                "to_rival": None if to_rival is None else rounded(to_rival),
                "rival": rival if to_rival is not None else None,
            }

    def ratio(self, figure, system, base):
        """The median of the ratios within a round; None where there is nothing to compare with."""
        mine = self.values[figure].get(system, {})
        bases = self.values[figure].get(base, {})
        ratios = [mine[r] / bases[r] for r in mine if bases.get(r, 0) > 0]
        return statistics.median(ratios) if ratios else None


def rounded(value):
    """Five significant digits: more would be noise."""
    return float(f"{value:.5g}")


def short(value):
    """For people: three or four digits."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Style:
    """Bold and dim, where the output is a terminal and nobody objects."""

    def __init__(self, stream):
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.on else text

    def bold(self, text):
        return self.paint("1", text)

    def dim(self, text):
        return self.paint("2", text)


class Progress:
    """On a terminal one line that is written over and over; elsewhere a line for each case that is done."""

    def __init__(self, measurements):
        self.stream = sys.stderr
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.style = Style(self.stream)
        self.left = list(measurements)  # (case, system), in any order
        self.total = len(self.left)
        self.took = {}  # (case, system) -> seconds of the latest
        self.case_began = time.monotonic()

    def begin(self, case, system):
        if self.live:
            done = self.total - len(self.left)
            cells = 20 * done // max(self.total, 1)
            bar = "#" * cells + "." * (20 - cells)
            text = f"[{bar}] {done}/{self.total}  {case} {system}  {self.time_left()} left"
            width = shutil.get_terminal_size().columns - 1
            self.write("\r\033[K" + self.style.dim(text[:width]))

    def end(self, case, system, seconds):
        self.took[case, system] = seconds
        self.left.remove((case, system))

    def give_up(self, case, system):
        self.left = [one for one in self.left if one != (case, system)]

    def time_left(self):
        guess = max(0.3, sum(self.took.values()) / max(len(self.took), 1))  # for what has not run yet
        seconds = round(sum(self.took.get(one, guess) for one in self.left))
        return f"{seconds // 60}:{seconds % 60:02}"

    def case_done(self, case, results):
        seconds = time.monotonic() - self.case_began
        self.case_began = time.monotonic()
        if not self.live and case in results.values:
            figures = ", ".join(f"{row['system']} {short(row['median'])} {row['unit']}" for row in results.rows(case))
            self.write(f"{case}: {figures} ({seconds:.1f} s)\n")

    def clear(self):
        if self.live:
            self.write("\r\033[K")

    def write(self, text):
        self.stream.write(text)
        self.stream.flush()


def print_head(lines, style):
    for word, text in lines:
        print(f"{style.bold(f'{word:9}')} {text}")
    print(flush=True)


def print_table(results, style):
    """A block for each figure, coil first."""
    for figure in results.values:
        unit, text = plan.describe(figure)
        print(f"{style.bold(figure)}: {text} [{unit}]")
        print(style.dim(f"  {'':12}{'median':>11}{'min':>11}{'max':>11}{'rounds':>8}{'to limit':>11}{'to coil':>11}"))
        for row in results.rows(figure):
            cells = "".join(f"{short(row[name]):>11}" for name in ("median", "min", "max"))
            ratios = [row["to_limit"], results.ratio(figure, row["system"], OURS)]
            line = f"  {row['system']:12}{cells}{row['rounds']:>8}" + "".join(f"{short(r):>11}" for r in ratios)
            print(style.bold(line) if row["system"] == OURS else line)
        for row in results.rows(figure):
            if row["to_rival"] is not None:
                word = "does" if unit == "1/s" else "needs"
                print(f"  {row['system']} {word} {short(row['to_rival'])} times what the best rival {word}, {row['rival']}")
        print()
    sys.stdout.flush()


def print_notes(notes):
    for note in notes:
        print(note)
    sys.stdout.flush()


def write_json(stream, results, figures):
    for figure in figures:
        for row in results.rows(figure):
            stream.write(json.dumps(row) + "\n")
    stream.flush()
