"""What one more hop costs a safe request: 64 kept connections, the same small upstream behind every proxy."""
from . import proxies
from .report import median

CONNECTIONS = 64


def run(workshop, report):
    upstream = workshop.upstream()
    servers = {"none": upstream, **proxies.start_both(workshop, upstream)}
    if workshop.with_gateway:
        servers["tiebreak"] = workshop.gateway(upstream)
    rounds = {name: [] for name in servers}
    for _ in range(workshop.args.rounds):
        for name, server in servers.items():
            before = server.cpu_seconds()
            got = workshop.load("hop", "--url", f"{server.url}/airports/KSEA", "--connections", CONNECTIONS,
                                "--seconds", workshop.args.seconds)
            used = server.cpu_seconds() - before
            rounds[name].append({"per_second": got["per_second"], "cpu_us": used * 1e6 / max(got["requests"], 1),
                                 "p50_us": got["latency"]["p50_us"], "p99_us": got["latency"]["p99_us"],
                                 "errors": got["errors"]})
    report.raw("hop", rounds)
    keys = ["per_second", "cpu_us", "p50_us", "p99_us", "errors"]
    middle = {name: {k: median(rows, k) for k in keys} for name, rows in rounds.items()}
    report.table("hop", ["proxy", "requests/s", "cpu us/request", "p50 us", "p99 us", "errors"],
                 [[name, *(float(m[k]) for k in keys)] for name, m in middle.items()])
    if workshop.with_gateway:
        ours, nginx, haproxy = (middle[n] for n in ("tiebreak", "nginx", "haproxy"))
        report.figure("hop_rate_vs_nginx", ours["per_second"] / nginx["per_second"])
        report.figure("hop_cpu_vs_nginx", ours["cpu_us"] / nginx["cpu_us"])
        report.figure("hop_cpu_vs_haproxy", ours["cpu_us"] / haproxy["cpu_us"])
        report.figure("hop_p99_vs_nginx", ours["p99_us"] / nginx["p99_us"])
