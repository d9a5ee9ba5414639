"""Measures coil beside other ways of doing the same: sh bench/run [--quick|--full] [--json FILE] [--compare OLD] [CASE...]

Each measurement is a process of its own. In a round every system has its turn, in an order that changes from round
to round, so that a machine that grows slower or faster does so for all of them.
"""
import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the tree stays as it was

import compare  # noqa: E402
import machine  # noqa: E402
import plan  # noqa: E402
import report  # noqa: E402
import rivals  # noqa: E402

TIME_LIMIT_S = 120  # for one measurement


class Failed(Exception):
    """A measurement that brought no figure; says why."""


def measure(command, core):
    """Runs one measurement, on `core` alone unless it is None. Returns the figures it printed."""
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    try:
        # In a session of its own: what it leaves behind can be ended with it, and Ctrl-C is for the driver.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace", start_new_session=True, preexec_fn=pin,
        )
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error
    try:
        output, errors = child.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"took more than {TIME_LIMIT_S} s") from error
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        said = errors.strip().splitlines()
        raise Failed(said[-1] if said else how_it_ended(child.returncode))
    return parse(output)


def how_it_ended(status):
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def parse(output):
    """{figure: value} from lines `figure=value`."""
    figures = {}
    for line in output.splitlines():
        name, equals, value = line.partition("=")
        if not equals or name not in plan.FIGURES:
            raise Failed(f"printed {line!r}")
        figures[name] = float(value)
    if not figures:
        raise Failed("printed nothing")
    return figures


class Session:
    """All measurements of one call of bench/run."""

    def __init__(self, build, cases, systems, rounds, json_stream):
        self.build = build
        self.cases = cases
        self.systems = systems
        self.rounds = rounds
        self.json_stream = json_stream
        self.core = max(os.sched_getaffinity(0))  # the first one serves most interrupts
        self.results = report.Results()
        self.notes = []
        self.progress = report.Progress(
            (case.name, system) for case in cases for system in self.systems_of(case) for _ in range(rounds)
        )

    def systems_of(self, case):
        return [system for system in case.counts if system in self.systems]

    def run(self):
        for case in self.cases:
            known = set(self.results.values)
            try:
                self.run_case(case)
            finally:
                report.write_json(self.json_stream, self.results, [f for f in self.results.values if f not in known])
            self.progress.case_done(self.first_figure(case), self.results)

    @staticmethod
    def first_figure(case):
        return case.figure_name(case.kind)

    def run_case(self, case):
        systems = self.systems_of(case)
        for round_ in range(self.rounds):
            start = round_ % max(len(systems), 1)
            for system in systems[start:] + systems[:start]:
                if system not in systems:
                    continue
                try:
                    self.run_one(case, system, round_)
                except Failed as failure:
                    self.notes.append(f"{case.name}: {system} is left out: {failure}")
                    self.progress.give_up(case.name, system)
                    systems = [one for one in systems if one != system]

    def run_one(self, case, system, round_):
        self.progress.begin(case.name, system)
        began = time.monotonic()
        core = self.core if plan.runs_on_one_core(case, system) else None
        figures = measure(plan.command(self.build, case, system), core)
        for printed, value in figures.items():
            self.results.add(case.figure_name(printed), system, round_, value)
        self.progress.end(case.name, system, time.monotonic() - began)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="sh bench/run",
        allow_abbrev=False,
        description="Measures coil beside other ways of doing the same.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const="quick", dest="mode",
                      help="under a minute, rough, without most of the rivals")
    size.add_argument("--full", action="store_const", const="full", dest="mode", help="more rounds, larger counts")
    parser.add_argument("--json", metavar="FILE", help="write one JSON object a line to FILE")
    parser.add_argument("--compare", metavar="OLD", help="what --json wrote before: fails if coil has become slower")
    parser.add_argument("--build", metavar="FOLDER", default=plan.HERE.parent / ".build", type=Path,
                        help="where the programs were built (default: .build)")
    parser.add_argument("case", nargs="*", help="what to measure (default: all); see bench/README.md")
    arguments = parser.parse_args()
    arguments.mode = arguments.mode or "default"
    arguments.cases = choose(parser, arguments.case, arguments.mode)
    return parser, arguments


def choose(parser, wanted, mode):
    """The cases to measure. `gather` stands for all that begin so; what --quick leaves out can be asked for."""
    if not wanted:
        cases = plan.all_cases(mode)
        return [case for case in (map(plan.quick, cases) if mode == "quick" else cases) if case.counts]
    usual = [case for case in plan.all_cases(mode) if case.counts]
    cases = plan.all_cases(mode)
    names = {case.name for case in cases} | {case.kind for case in cases}
    for name in wanted:
        if name not in names:
            known = dict.fromkeys(name for case in cases for name in (case.kind, case.name))
            parser.error(f"there is no case {name!r}; there are {', '.join(known)}")
    chosen = [case for case in cases if case.name in wanted or (case in usual and case.kind in wanted)]
    asked_for = {case.name: case for case in plan.all_cases("default")}
    return [case if case.counts else asked_for[case.name] for case in chosen]


def main():
    parser, arguments = parse_arguments()
    try:
        json_stream = open(arguments.json or os.devnull, "w", encoding="utf-8")
    except OSError as error:
        parser.error(f"cannot write {arguments.json}: {error.strerror}")
    try:
        old = compare.read(arguments.compare) if arguments.compare else None
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"cannot compare with {arguments.compare}: {error}")
    style = report.Style(sys.stdout)
    missing = rivals.missing(arguments.build)
    report.print_head(machine.describe(arguments.build), style)
    systems = [system for system in plan.SYSTEMS if system not in missing]
    session = Session(arguments.build, arguments.cases, systems, plan.ROUNDS[arguments.mode], json_stream)
    status = 0
    try:
        with json_stream:
            session.run()
    except KeyboardInterrupt:
        status = 130
        session.notes.append("interrupted: these are the figures so far")
    session.progress.clear()
    report.print_table(session.results, style)
    report.print_notes([f"missing: {rival}: {what}" for rival, what in missing.items()] + session.notes)
    if old is not None and status == 0:
        rows = {(row["case"], row["system"]): row for figure in session.results.values for row in session.results.rows(figure)}
        lines, as_before = compare.compare(old, rows)
        report.print_notes(lines)
        status = 0 if as_before else 1
    return status if status or session.results.values else 1


if __name__ == "__main__":
    sys.exit(main())
