"""Durable writes: POSTs of 64 callers, each claimed and settled on disk, against the ledger alone."""
import json
import os
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


# As the disk is, and as one whose flush takes 2 ms longer: there the disk sets the pace, not the processor.
DISKS = (("durable_posts_vs_ledger", 0), ("durable_posts_vs_ledger_slow_disk", 2000))


def slow_flush(workshop, microseconds):
    """The environment in which a flush takes so much longer."""
    if not microseconds:
        return {}
    library = workshop.path("slow_flush.so")
    workshop.command(["cc", "-shared", "-fPIC", "-O2", "-o", library, workshop.source("slow_flush.c")],
                     "build the slow disk: is there a C compiler?")
    return {"LD_PRELOAD": str(library), "FLUSH_US": str(microseconds)}


def ledger_alone(workshop, env):
    folder = workshop.path("ledger-alone")
    folder.mkdir()
    # One round, in the folder (so on the disk) where the gateway's ledger is.
    argv = [str(a) for a in (workshop.ledger_rate, CALLERS, workshop.args.seconds, 1, folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **env})
    if done.returncode != 0:
        raise BenchError(f"run ledger_rate: {done.stderr.strip()[:300]}")
    return ledger_pairs(done.stdout)


def run(workshop, report):
    if workshop.with_gateway:
        workshop.need(workshop.ledger_rate)
    raw, off = {}, 0
    for name, microseconds in DISKS if workshop.with_gateway else DISKS[:1]:
        measured, alone, differs = on_disk(workshop, slow_flush(workshop, microseconds))
        off += differs
        rows = [[who, *(float(median(some, k)) for k in ("per_second", "p99_us", "cpu_us"))]
                for who, some in measured.items()]
        if alone:
            rows.append(["ledger alone (pairs)", statistics.median(alone), "", ""])
        title = f"POSTs, a flush {microseconds / 1000:g} ms longer" if microseconds else "POSTs"
        report.table("durable", [title, "per second", "p99 us", "cpu us/POST"], rows)
        raw[title] = {**measured, "ledger alone": alone}
        if alone:
            ratios = [row["per_second"] / pairs for row, pairs in zip(measured["tiebreak"], alone)]
            report.figure(name, statistics.median(ratios))
    report.raw("durable", raw)
    if workshop.with_gateway:
        report.figure("durable_lost_or_doubled", off)


def on_disk(workshop, env):
    """The rounds on one disk: the measurements, the ledger's own rates, and by how much acknowledged and applied differ."""
    origin = workshop.origin(0)
    gateway = workshop.gateway(origin, env=env) if workshop.with_gateway else None
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
            alone.append(ledger_alone(workshop, env))
    workshop.stop_all()
    return measured, alone, off
