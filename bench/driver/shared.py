"""The ledger that gateways share, in PostgreSQL: its rate against the database's own, and one, two, three gateways over it."""
import re
import statistics
import subprocess

from .durable import applied_at, slow_flush
from .postgres import Database
from .report import median
from .workshop import BenchError

CALLERS = 64
# A pool of connections, as programs that make one statement per operation have.
POOL = 16
HAND = 64
GATEWAYS = (1, 2, 3)

# What one write costs at least: a claim and a settlement, each a transaction; without the questions a ledger asks.
BY_HAND = """
\\set n random(1, 4000000000000000)
INSERT INTO writes (id, state, fence, key, slot, expires, caller, fingerprint, method, target, lanes, attempt, claimed_at)
SELECT substr(sha256((:n::bigint + i)::text::bytea), 1, 16), 'claimed', nextval('fences'), k, k, 2000000000000, k, k, 'POST',
       'https://api.example.com/v1/contacts/' || (:n::bigint + i), '["https://api.example.com/v1/contacts/' || (:n::bigint + i) || '"]', 1,
       1700000000000
FROM generate_series(1, SIZE) AS i, LATERAL sha256((:n::bigint + i)::text::bytea) AS k ON CONFLICT DO NOTHING;
UPDATE writes SET state = 'settled', outcome = 'applied', status = 201, content = convert_to(repeat('x', 500), 'UTF8'),
       fields = '[["content-type","application/json"],["etag","\\"v8\\""]]', truncated = false, evidence = '',
       guarantee = 'B', attempts = 1, settled_at = 1700000000000
WHERE id IN (SELECT substr(sha256((:n::bigint + i)::text::bytea), 1, 16) FROM generate_series(1, SIZE) AS i) AND state = 'claimed';
"""


def rates(text):
    """Per second in batches, and one by one, from the last line of `shared_rate`."""
    found = re.findall(r"([\d.]+) (?:pairs|claims)/s in batches, ([\d.]+) one by one", text)
    if not found:
        raise BenchError(f"read the rates in the output of shared_rate: {text[:200]!r}")
    return float(found[-1][0]), float(found[-1][1])


def compare(workshop, database, schema, connections, what):
    argv = [workshop.shared_rate, database.address(schema), CALLERS, max(1, round(workshop.args.seconds / 2)), 1, connections, what]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise BenchError(f"run shared_rate: {done.stderr.strip()[:300]}")
    return rates(done.stdout)


def database_alone(workshop, report, slow):
    """Claims and settlements per second without any gateway."""
    database = workshop.adopt(Database(slow_flush(workshop, slow)))
    schema, seconds = "alone", workshop.args.seconds / 2
    measured = {}
    for _ in range(workshop.args.rounds):
        for what in ("claims", "pairs"):
            batched, one = compare(workshop, database, schema, 1, what)
            again, pooled = compare(workshop, database, schema, POOL, what)
            for name, value in ((f"{what}: in batches", (batched + again) / 2),
                                (f"{what}: one by one, one connection", one),
                                (f"{what}: one by one, {POOL} connections", pooled),
                                (f"{what}: batched / one by one", batched / one),
                                (f"{what}: batched / {POOL} connections", again / pooled)):
                measured.setdefault(name, []).append(value)
        by_hand = {1: BY_HAND.replace("SIZE", "1"), HAND: BY_HAND.replace("SIZE", str(HAND))}
        for size, clients in ((1, 1), (1, POOL), (HAND, 1)):
            got = database.pgbench(by_hand[size], schema, clients, seconds) * size
            measured.setdefault(f"pairs: pgbench, {size} a statement, {clients} connections", []).append(got)
    workshop.stop(database)
    title = f"ledger alone, a flush {slow / 1000:g} ms longer" if slow else "ledger alone"
    report.table("shared", [title, "per second"], [[name, statistics.median(v)] for name, v in measured.items()])
    return measured


def used_by(gateways, database):
    """Processor time so far: of the gateways, and of the database."""
    return sum(g.cpu_seconds() for g in gateways), database.cpu_seconds()


def per_write(before, after, writes):
    return {name: (b - a) * 1e6 / max(writes, 1) for name, a, b in zip(("gateway", "database"), before, after)}


def gateways(workshop, report):
    """Writes through one, two and three gateways: each to a target of its own, and all to one."""
    measured, off, lost = {}, 0, 0
    origin = workshop.origin(0)
    database = workshop.adopt(Database({}))
    fleet = [workshop.gateway(origin, ledger=database.address("fleet")) for _ in range(max(GATEWAYS))]
    for number in range(workshop.args.rounds):
        for count in GATEWAYS:
            some = fleet[:count]
            urls = [part for g in some for part in ("--url", f"{g.url}/spread")]
            cpu, before = used_by(some, database), applied_at(origin)
            got = workshop.load("posts", *urls, "--put", "--callers", CALLERS, "--seconds", workshop.args.seconds)
            if got["failed_callers"]:
                raise BenchError(f"write through {count} gateways: {got['failed_callers']} callers were refused")
            measured.setdefault(f"spread lanes, {count} gateways", []).append(
                {"per_second": got["per_second"], **got["latency"], **per_write(cpu, used_by(some, database), got["applied"])})
            off += abs(applied_at(origin) - before - got["applied"])
            path = f"/hot/{number}-{count}"
            urls = [part for g in some for part in ("--url", g.url + path)]
            cpu = used_by(some, database)
            got = workshop.load("race", *urls, "--origin", origin.url + path, "--workers", CALLERS, "--client", "plain",
                                "--writes", 1_000_000, "--seconds", workshop.args.seconds)
            lost += got["lost"]
            measured.setdefault(f"hot lane, {count} gateways", []).append(
                {"per_second": got["per_second"], **got["latency"],
                 **per_write(cpu, used_by(some, database), got["acknowledged"])})
    workshop.stop_all()
    keys = ("per_second", "p50_us", "p99_us", "gateway", "database")
    report.table("shared", ["writes", "per second", "p50 us", "p99 us", "gateway cpu us", "database cpu us"],
                 [[name, *(float(median(rows, k)) for k in keys)] for name, rows in sorted(measured.items())])
    return measured, off, lost


def run(workshop, report):
    if not workshop.with_gateway:
        print("needs Tiebreak: left out")
        return
    workshop.need(workshop.shared_rate)
    raw = {"as the disk is": database_alone(workshop, report, 0),
           "a flush 2 ms longer": database_alone(workshop, report, 2000)}
    as_is, slow = raw["as the disk is"], raw["a flush 2 ms longer"]
    report.figure("shared_claims_batched_vs_single", statistics.median(as_is["claims: batched / one by one"]))
    report.figure("shared_writes_batched_vs_single", statistics.median(as_is["pairs: batched / one by one"]))
    report.figure("shared_claims_batched_vs_pool_slow_disk", statistics.median(slow[f"claims: batched / {POOL} connections"]))
    through, off, lost = gateways(workshop, report)
    raw["gateways"] = through
    report.raw("shared", raw)
    report.figure("shared_lost_or_doubled", off + lost)
