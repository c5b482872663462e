"""Durable writes: POSTs of 64 callers, each claimed and settled on disk, against the ledger alone."""
import json
import re
import statistics
import subprocess
import urllib.request

from .report import median
from .workshop import BenchError

CALLERS = 64


def ledger_pairs(text):
    """Claims with settlements per second, from `ledger_rate`'s last line: "…: ledger N pairs/s, log M pairs/s, …"."""
    found = re.findall(r"ledger ([\d.]+) pairs/s", text)
    if not found:
        raise BenchError(f"read the rate in the output of ledger_rate: {text[:200]!r}")
    return float(found[-1])


def applied_at(origin):
    with urllib.request.urlopen(f"{origin.url}/_counts", timeout=10) as answer:
        return json.load(answer)["applied"]


def ledger_alone(workshop):
    folder = workshop.path("ledger-alone")
    folder.mkdir()
    # One round, in the folder (so on the disk) where the gateway's ledger is.
    argv = [str(a) for a in (workshop.ledger_rate, CALLERS, workshop.args.seconds, 1, folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise BenchError(f"run ledger_rate: {done.stderr.strip()[:300]}")
    return ledger_pairs(done.stdout)


def run(workshop, report):
    origin = workshop.origin(0)
    gateway = workshop.gateway(origin) if workshop.with_gateway else None
    if gateway:
        workshop.need(workshop.ledger_rate)
    measured, alone, off = {}, [], 0
    for _ in range(workshop.args.rounds):
        for name, server in [("origin alone", origin)] + ([("tiebreak", gateway)] if gateway else []):
            before, cpu = applied_at(origin), server.cpu_seconds()
            got = workshop.load("posts", "--url", f"{server.url}/orders", "--callers", CALLERS, "--seconds",
                                workshop.args.seconds)
            if got["failed_callers"]:
                raise BenchError(f"post through {name}: {got['failed_callers']} callers were refused")
            off += abs(applied_at(origin) - before - got["applied"])
            measured.setdefault(name, []).append(
                {"per_second": got["per_second"], "p99_us": got["latency"]["p99_us"],
                 "cpu_us": (server.cpu_seconds() - cpu) * 1e6 / max(got["applied"], 1)})
        if gateway:
            alone.append(ledger_alone(workshop))
    rows = [[name, *(float(median(some, k)) for k in ("per_second", "p99_us", "cpu_us"))]
            for name, some in measured.items()]
    if gateway:
        rows.append(["ledger alone (pairs)", statistics.median(alone), "", ""])
    report.table("durable", ["POSTs", "per second", "p99 us", "cpu us/POST"], rows)
    report.raw("durable", {**measured, "ledger alone": alone})
    if gateway:
        ratios = [row["per_second"] / pairs for row, pairs in zip(measured["tiebreak"], alone)]
        report.figure("durable_posts_vs_ledger", statistics.median(ratios))
        report.figure("durable_lost_or_doubled", off)
