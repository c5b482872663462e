"""The hot lane: 64 writers on one document, against what one client alone gets out of the same origin."""
import statistics

from .report import median

WRITERS = 64
# So many changes per writer that no run ends before its time.
ENDLESS = 1_000_000


def run(workshop, report):
    raw = {}
    for service_us, name in ((1000, "1ms"), (0, "0ms")):
        origin = workshop.origin(service_us)
        gateway = workshop.gateway(origin) if workshop.with_gateway else None
        measured = {}
        for number in range(workshop.args.rounds):
            plan = [("naive: " + client, client, origin) for client in ("blind", "resend", "reapply")]
            if gateway:
                plan += [("tiebreak: " + client, client, gateway) for client in ("plain", "patch")]
            for title, client, server in plan:
                path = f"/lanes/{number}-{client}-{server.name}"
                got = workshop.load("race", "--url", server.url + path, "--origin", origin.url + path, "--workers",
                                    WRITERS, "--client", client, "--writes", ENDLESS, "--seconds", workshop.args.seconds)
                got["goodput"] = (got["acknowledged"] - got["lost"]) * 1e3 / got["wall_ms"]
                measured.setdefault(title, []).append(got)
            # The document of the last race is there to be written.
            measured.setdefault("one client alone", []).append(
                {"goodput": workshop.load("serial", "--url", origin.url + path, "--seconds",
                                          workshop.args.seconds)["per_second"], "lost": 0, "failed": 0})
        report.table("lane", [f"origin takes {name}", "goodput/s", "lost", "failed"],
                     [[t, *(float(median(rows, k)) for k in ("goodput", "lost", "failed"))]
                      for t, rows in measured.items()])
        raw[name] = measured
        if gateway:
            # Round by round, so that both sides saw the same machine.
            ratios = [min(measured["tiebreak: plain"][i]["goodput"], measured["tiebreak: patch"][i]["goodput"])
                      / measured["one client alone"][i]["goodput"] for i in range(workshop.args.rounds)]
            report.figure(f"lane_goodput_{name}_vs_serial", statistics.median(ratios))
        workshop.stop_all()
    report.raw("lane", raw)
