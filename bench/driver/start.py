"""From the start of `tiebreak serve` to its first answer."""
import statistics

from .server import ServerError
from .workshop import BenchError


def run(workshop, report):
    if not workshop.with_gateway:
        print("needs Tiebreak: left out")
        return
    upstream = workshop.upstream()
    times = []
    for _ in range(max(workshop.args.rounds * 2 + 1, 3)):
        server = workshop.gateway(upstream, wait=False)
        try:
            times.append(server.wait(pause=0.0005))
        except ServerError as error:
            raise BenchError(str(error)) from error
        workshop.stop(server)
    report.raw("start", times)
    middle = statistics.median(times)
    report.table("start", ["serve", "median ms", "least ms", "most ms"], [["new ledger", middle, min(times), max(times)]])
    report.figure("start_ms", middle)
