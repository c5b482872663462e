"""Workers change one field each of one JSON document at the same time; the origin takes 1 ms per request."""
from .report import median

SERVICE_US = 1000
DIRECT = ["blind", "resend", "reapply", "plain"]
THROUGH = [("plain", False), ("plain", True), ("patch", False), ("patch", True)]
KEYS = ["acknowledged", "failed", "lost", "per_write", "own_reads", "beyond_customary_attempts", "wall_ms"]


def per_write(got):
    """Requests at the origin per applied write, beyond the reads that the edits were made from."""
    counts = got["origin"]
    return (counts["reads"] + counts["writes"] - got["own_reads"]) / max(counts["applied"], 1)


def label(client, own):
    return f"tiebreak: {client}, {'a credential each' if own else 'one credential'}"


def run(workshop, report):
    rounds = min(workshop.args.rounds, 3)
    raw, worst, lost, unapplied = {}, {False: 0.0, True: 0.0}, 0, 0
    for workers in (64, 512):
        measured = {}
        origin = workshop.origin(SERVICE_US)
        gateway = workshop.gateway(origin) if workshop.with_gateway else None
        for number in range(rounds):
            # A document of its own for each race: nothing learnt of one helps or hurts another.
            plan = [(client, client, origin, []) for client in DIRECT]
            if gateway:
                plan += [(label(client, own), client, gateway, ["--own-credential"] if own else [])
                         for client, own in THROUGH]
            for name, client, server, more in plan:
                path = f"/races/{workers}-{number}-{len(measured.get(name, []))}-{client}-{len(more)}-{server.name}"
                got = workshop.load("race", "--url", server.url + path, "--origin", origin.url + path, "--workers",
                                    workers, "--client", client, *more)
                got["per_write"] = per_write(got)
                measured.setdefault(name, []).append(got)
        report.table("race", [f"{workers} workers", "applied", "failed", "lost", "requests/write", "own reads",
                              "> 5 attempts", "wall ms"],
                     [[name, *(float(median(rows, k)) for k in KEYS)] for name, rows in measured.items()])
        raw[str(workers)] = measured
        for name, rows in measured.items():
            if name.startswith("tiebreak"):
                each = name.endswith("each")
                worst[each] = max(worst[each], median(rows, "per_write"))
                lost += sum(row["lost"] for row in rows)
                unapplied += sum(workers - row["acknowledged"] for row in rows)
        workshop.stop_all()
    report.raw("race", raw)
    if workshop.with_gateway:
        report.figure("race_requests_per_write", worst[False])
        report.figure("race_requests_per_write_each", worst[True])
        report.figure("race_lost_updates", lost)
        report.figure("race_unapplied", unapplied)
