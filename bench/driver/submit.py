"""`tiebreak submit` of a million lines: lines per second, and memory that must not grow with the file."""
import subprocess
import time

from . import gateway
from .workshop import BenchError


def write_lines(path, count):
    """Records of about 100 bytes; the file is written once and kept."""
    if path.exists():
        return
    part = path.with_suffix(".part")
    with open(part, "w", encoding="utf-8") as f:
        for n in range(count):
            f.write(f'{{"id":"r{n:07d}","name":"Record number {n}","amount":"{n % 997}.50","tags":["a","b"],"open":true}}\n')
    part.rename(path)


def peak_kib(pid):
    """VmHWM: the most memory the process ever held."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def measure(workshop, upstream, count):
    lines = workshop.folder / f"records-{count}.ndjson"
    write_lines(lines, count)
    argv = gateway.submit(workshop.tiebreak, lines, f"{upstream.url}/records", workshop.path("submit.ledger"))
    log = workshop.path("submit.log")
    # It may write its results beside itself.
    folder = workshop.path("submit")
    folder.mkdir()
    peak, begun = 0, time.perf_counter()
    with open(log, "wb") as out:
        process = subprocess.Popen([str(a) for a in argv], stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder)
        try:
            while process.poll() is None:
                peak = max(peak, peak_kib(process.pid))
                if time.perf_counter() - begun > 1800:
                    raise BenchError(f"submit {count} lines in half an hour, see {log}")
                time.sleep(0.02)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    seconds = time.perf_counter() - begun
    if process.returncode != 0:
        raise BenchError(f"submit {count} lines: exit {process.returncode}, see {log}")
    return [f"{count:,} lines", count / seconds, peak / 1024, seconds]


def run(workshop, report):
    if not workshop.with_gateway:
        print("needs Tiebreak: left out")
        return
    upstream = workshop.upstream()
    # A tenth first: what the memory should still be after ten times as much.
    rows = [measure(workshop, upstream, max(workshop.args.lines // 10, 1)),
            measure(workshop, upstream, workshop.args.lines)]
    report.table("submit", ["submit", "lines/s", "peak MiB", "seconds"], rows)
    report.figure("submit_lines_per_second", rows[1][1])
    report.figure("submit_peak_mib", rows[1][2])
