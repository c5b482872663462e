"""Tables, figures against their goals, and results.json."""
import json
import operator
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

GOALS = json.loads((Path(__file__).parents[1] / "goals.json").read_text(encoding="utf-8"))
OPERATORS = {"<=": operator.le, ">=": operator.ge}


def median(rows, name):
    return statistics.median(row[name] for row in rows)


def shown(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(columns, rows):
    """Text in columns; the first to the left, the others to the right."""
    cells = [columns, *([shown(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
             for row in cells]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def machine():
    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {"processors": os.cpu_count(), "model": model, "kernel": platform.release()}


def commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


class Report:
    def __init__(self, workshop):
        self.file = workshop.folder / "results.json"
        self.missed = []
        self.results = {"begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(),
                        "machine": machine(), "rounds": workshop.args.rounds, "seconds": workshop.args.seconds,
                        "scenarios": {}, "figures": {}, "failures": {}}

    def heading(self, name, text):
        print(f"\n== {name}: {text.strip()}\n", flush=True)

    def table(self, scenario, columns, rows):
        self.results["scenarios"].setdefault(scenario, []).append({"columns": columns, "rows": rows})
        print(table(columns, rows) + "\n", flush=True)

    def raw(self, scenario, rounds):
        """Every single measurement, for whoever wants to look closer."""
        self.results.setdefault("raw", {})[scenario] = rounds

    def figure(self, name, value):
        goal = GOALS[name]
        ok = OPERATORS[goal["op"]](value, goal["goal"])
        self.results["figures"][name] = {"value": value, **goal, "ok": ok}
        if not ok:
            self.missed.append(name)
        print(f"figure: {name} {value:.6g} goal {goal['op']} {goal['goal']:g} {'ok' if ok else 'MISSED'}", flush=True)

    def failure(self, scenario, error):
        self.results["failures"][scenario] = str(error)
        print(f"bench: failed to {error}", flush=True)

    def write(self):
        self.file.write_text(json.dumps(self.results, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {self.file}")
        if self.missed:
            print(f"missed: {', '.join(self.missed)}")
