"""Has coil become slower? Compares figures with those that `--json` wrote before."""
import json
import statistics

NOISE = 0.15  # a quiet machine repeats to one in ten; what is less than this says nothing
OURS = ("coil", "coil-stream")


def read(path):
    """{(figure, system): row} of what --json wrote."""
    rows = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                row = json.loads(line)
                rows[row["case"], row["system"]] = row
    return rows


def growth(old, new):
    """How many times worse the new figure is. By the ratio to the limit of the same run where both have one: it
    moves less than the figure itself, and is not the machine's."""
    key = "to_limit" if old.get("to_limit") and new.get("to_limit") else "median"
    if old[key] <= 0 or new[key] <= 0:
        return 1.0
    return old[key] / new[key] if new["unit"] == "1/s" else new[key] / old[key]


def apart(old, new):
    """True if even the best of the new rounds is worse than the worst of the old ones: no matter of luck."""
    return new["max"] < old["min"] if new["unit"] == "1/s" else new["min"] > old["max"]


def compare(old_rows, new_rows):
    """(lines to print, True if nothing has become slower)."""
    worse, better, same = [], [], 0
    for key, new in new_rows.items():
        old = old_rows.get(key)
        if key[1] not in OURS or old is None:
            continue
        factor = growth(old, new)
        text = f"  {key[0]} ({key[1]}): {old['median']:g} {old['unit']} before, {new['median']:g} now, {factor:.2f} times"
        if factor > 1 + NOISE and (apart(old, new) or factor > (1 + NOISE) ** 2):
            worse.append(text)
        elif factor < 1 / (1 + NOISE):
            better.append(text)
        else:
            same += 1
    lines = [f"compared with before: {len(worse)} slower, {len(better)} faster, {same} within {NOISE:.0%}"]
    if worse:
        lines += ["slower:", *worse]
    if better:
        lines += ["faster:", *better]
    if not worse and not better and not same:
        lines = ["compared with before: no case in common"]
        return lines, False
    return lines, not worse


def best_rival(medians, unit, limit):
    """The name of the fastest of the systems that are neither coil's nor the limit; None without one."""
    rivals = {system: value for system, value in medians.items() if system not in (*OURS, limit)}
    if not rivals:
        return None
    return (max if unit == "1/s" else min)(rivals, key=rivals.get)


def medians(systems):
    return {system: statistics.median(rounds.values()) for system, rounds in systems.items()}
