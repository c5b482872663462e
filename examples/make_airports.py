#!/usr/bin/env python3
"""Writes airports.ndjson, airports.csv and expected.json from the public data set `airportsdata`.

    python3 -m venv venv && venv/bin/pip install airportsdata==20260905
    venv/bin/python examples/make_airports.py

Two feeds send what they know about the same airports at once: `registry` keeps names and places, `operations`
keeps status and the desk to call. The airports are real; every edit is invented. Same seed, same files.

Lines of one record keep an order that makes sense (creates before edits); everything else is shuffled.
That is why the counts in expected.json hold whatever the order in which *different* records arrive.
"""
import copy
import csv
import io
import json
import random
from pathlib import Path

import airportsdata

SEED = 20261122
HERE = Path(__file__).parent

# How many records get which treatment; together they use every record created.
POST_ONCE, POST_SAME_KEY, POST_OTHER_KEY = 190, 40, 20
CREATE_ONCE, CREATE_TWICE, CREATE_RIVAL = 103, 160, 12
MERGE, NESTED, LATE, OVERLAP, AGREE = 260, 40, 60, 30, 20
PATCH, PATCH_BASE = 120, 80
DELETE, WRONG_TAG, BAD_EDIT = 15, 10, 5
BAD_LATITUDE, BAD_NAME, BAD_ELEVATION, BAD_STATUS = 10, 8, 7, 5
CSV_RECORDS = 300


def number(value):
    """47.0 is written 47, so that every program spells the number the same way."""
    value = round(value, 6)
    return int(value) if value == int(value) else value


def document(row):
    """The record both feeds know at the start."""
    out = {"id": row["icao"], "iata": row["iata"], "name": row["name"], "city": row["city"], "region": row["subd"],
           "country": row["country"], "elevation_ft": round(row["elevation"]), "lat": number(row["lat"]),
           "lon": number(row["lon"]), "tz": row["tz"], "status": "open",
           "desk": {"name": f"{row['city']} operations", "mail": f"{row['icao'].lower()}@ops.example"}}
    return {k: v for k, v in out.items() if v != ""}


def real_airports():
    rows = [r for r in airportsdata.load("ICAO").values()
            if r["iata"] and r["name"] and r["city"] and r["country"] and r["tz"]
            and len(r["icao"]) == 4 and r["icao"].isascii() and r["icao"].isalpha() and r["icao"].isupper()]
    return sorted(rows, key=lambda r: r["icao"])


class Feeds:
    """Collects the lines of each record, in the order in which that record must see them."""

    def __init__(self, rng):
        self.rng, self.records, self.serial = rng, {}, 0

    def add(self, record, line):
        self.records.setdefault(record, []).append(line)

    def key(self, feed):
        self.serial += 1
        return f"{feed}-{self.serial:05d}-{self.rng.getrandbits(48):012x}"

    def create(self, doc, feed="registry"):
        line = {"method": "PUT", "path": f"/airports/{doc['id']}", "if_none_match": "*", "body": doc}
        if self.rng.random() < 0.3:
            line["key"] = self.key(feed)
        self.add(doc["id"], line)

    def post(self, doc, key):
        self.add(doc["id"], {"method": "POST", "path": "/airports", "key": key, "body": doc})

    def put(self, base, edit):
        """The whole document as a feed would send it, with the document that the feed had read."""
        body = copy.deepcopy(base)
        edit(body)
        self.add(base["id"], {"method": "PUT", "path": f"/airports/{base['id']}", "body": body, "base": base})
        return body

    def patch(self, doc, patch, base=None):
        line = {"method": "PATCH", "path": f"/airports/{doc['id']}", "body": patch}
        if base is not None:
            line["base"] = base
        self.add(doc["id"], line)

    def either_order(self, first, second):
        """Two feeds, nobody knows who comes first."""
        for step in self.rng.sample([first, second], 2):
            step()

    def interleave(self):
        """One file: records mixed at random, the lines of each record in their own order."""
        slots = [r for r, lines in self.records.items() for _ in lines]
        self.rng.shuffle(slots)
        queues = {r: iter(lines) for r, lines in self.records.items()}
        return [next(queues[r]) for r in slots]


def main():
    rng = random.Random(SEED)
    rows = real_airports()
    rng.shuffle(rows)
    pool = iter(rows)
    feeds = Feeds(rng)
    overlaps = []

    def take(n):
        return [document(next(pool)) for _ in range(n)]

    for doc in take(POST_ONCE):
        feeds.post(doc, feeds.key("registry"))
    for doc in take(POST_SAME_KEY):  # an answer was lost, the feed sends the same write again
        key = feeds.key("registry")
        feeds.post(doc, key)
        feeds.post(doc, key)
    for doc in take(POST_OTHER_KEY):  # both feeds know a new airport
        feeds.post(doc, feeds.key("registry"))
        feeds.post(doc, feeds.key("operations"))
    for doc in take(CREATE_ONCE):
        feeds.create(doc)
    for doc in take(CREATE_TWICE):
        feeds.create(doc)
        feeds.create(doc, "operations")
    for doc in take(CREATE_RIVAL):  # both create it, and they do not agree
        feeds.create(doc)
        feeds.create({**doc, "name": f"{doc['city']} Airfield"}, "operations")

    def rename(body):
        body["name"] = body["name"] + " (renamed)"

    def raise_field(body):
        body["elevation_ft"] += rng.randint(1, 40)

    def restrict(body):
        body["status"] = "restricted"

    for doc in take(MERGE):
        feeds.create(doc)
        feeds.either_order(lambda: feeds.put(doc, rng.choice([rename, raise_field])), lambda: feeds.put(doc, restrict))
    for doc in take(NESTED):  # two members of one nested object
        feeds.create(doc)
        feeds.either_order(lambda: feeds.put(doc, lambda b: b["desk"].update(name=f"{b['name']} desk")),
                           lambda: feeds.put(doc, lambda b: b["desk"].update(mail=f"desk@{b['id'].lower()}.example")))
    for doc in take(LATE):  # registry edits twice; operations edits what it read before both
        feeds.create(doc)
        second = feeds.put(doc, rename)
        feeds.put(second, raise_field)
        feeds.put(doc, restrict)
    for doc in take(OVERLAP):  # both change the same member: one of them needs a person
        feeds.create(doc)
        feeds.either_order(lambda: feeds.put(doc, lambda b: b.update(status="closed")),
                           lambda: feeds.put(doc, lambda b: (b.update(status="restricted"), raise_field(b))))
        overlaps.append({"path": f"/airports/{doc['id']}", "pointer": "/status"})
    for doc in take(AGREE):  # both make the same change
        feeds.create(doc)
        feeds.put(doc, restrict)
        feeds.put(doc, restrict)
    for doc in take(PATCH):
        feeds.create(doc)
        feeds.patch(doc, {"status": rng.choice(["closed", "restricted"])})
    for doc in take(PATCH_BASE):
        feeds.create(doc)
        feeds.either_order(lambda: feeds.patch(doc, {"name": doc["name"] + " (renamed)"}, doc),
                           lambda: feeds.patch(doc, {"desk": {"mail": f"desk@{doc['id'].lower()}.example"}}, doc))
    for doc in take(DELETE):
        feeds.create(doc)
        feeds.add(doc["id"], {"method": "DELETE", "path": f"/airports/{doc['id']}"})
    for doc in take(WRONG_TAG):  # a version that never was, and no base to merge from
        feeds.create(doc)
        feeds.add(doc["id"], {"method": "PUT", "path": f"/airports/{doc['id']}", "if_match": '"never-was"',
                              "body": {**doc, "status": "closed"}})
    for doc in take(BAD_EDIT):
        feeds.create(doc)
        feeds.patch(doc, {"lat": 90.5 + rng.randint(0, 90)})
    for doc in take(BAD_LATITUDE):
        feeds.create({**doc, "lat": rng.choice([-1, 1]) * (91 + rng.randint(0, 90))})
    for doc in take(BAD_NAME):
        feeds.create({k: v for k, v in doc.items() if k != "name"})
    for doc in take(BAD_ELEVATION):
        feeds.create({**doc, "elevation_ft": f"{doc['elevation_ft']} ft"})
    for doc in take(BAD_STATUS):
        feeds.create({**doc, "status": "OPEN"})

    lines = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in feeds.interleave()]
    whole = next(line for line in lines if '"base"' in line)
    malformed = [whole[:len(whole) // 2],                                # cut in the middle
                 '{method:"PUT",path:"/airports/KXXX",body:{}}',          # names without quotes
                 "PUT /airports/KXXX open",                               # not JSON at all
                 '{"method":"PUT","body":{"id":"KXXX","name":"no path"}}']  # JSON, but no write
    for text in malformed:
        lines.insert(rng.randrange(len(lines)), text)
    (HERE / "airports.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")

    bad = BAD_LATITUDE + BAD_NAME + BAD_ELEVATION + BAD_STATUS
    edited_by_two = MERGE + NESTED + PATCH_BASE
    created = sum((POST_ONCE, POST_SAME_KEY, POST_OTHER_KEY, CREATE_ONCE, CREATE_TWICE, CREATE_RIVAL, MERGE, NESTED,
                   LATE, OVERLAP, AGREE, PATCH, PATCH_BASE, DELETE, WRONG_TAG, BAD_EDIT))
    expected = {
        "ndjson": {
            "seed": SEED,
            "lines": len(lines),
            "malformed_lines": len(malformed),
            "invalid_lines": {"total": bad + BAD_EDIT, "creates": bad, "edits": BAD_EDIT},
            "records_created": created,
            "records_deleted": DELETE,
            "records_left": created - DELETE,
            "repeats_with_the_same_key": POST_SAME_KEY,
            "duplicate_creates_equal": {"put": CREATE_TWICE, "post": POST_OTHER_KEY},
            "duplicate_creates_that_differ": CREATE_RIVAL,
            "merged_edits": edited_by_two + LATE,
            "agreeing_edits": AGREE,
            "overlapping_pairs": OVERLAP,
            "overlaps": sorted(overlaps, key=lambda o: o["path"]),
            "edits_with_a_wrong_if_match": WRONG_TAG,
            "edits_applied": 2 * edited_by_two + 3 * LATE + OVERLAP + 2 * AGREE + PATCH,
            "needs_a_person": OVERLAP + CREATE_RIVAL + WRONG_TAG,
        },
        "csv": write_csv(rng, [next(pool) for _ in range(CSV_RECORDS)]),
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(rng, rows):
    """Plain records, one row each; some rows twice, some with a field too few or too many."""
    columns = ["icao", "iata", "name", "city", "region", "country", "elevation_ft", "lat", "lon", "tz"]
    table = [[r["icao"], r["iata"], r["name"], r["city"], r["subd"], r["country"], round(r["elevation"]),
              number(r["lat"]), number(r["lon"]), r["tz"]] for r in rows]
    ragged = [table.pop()[:7] for _ in range(3)] + [table.pop() + ["", "left over"] for _ in range(2)]
    twice = [list(row) for row in table[:8]]
    differ = [row[:2] + [row[3] + " Airfield"] + row[3:] for row in table[8:12]]
    rest = table[12:] + ragged
    rng.shuffle(rest)
    # Repeats come after their first row.
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(columns)
    out.writerows(table[:12] + rest)
    out.writerows(twice + differ)
    (HERE / "airports.csv").write_text(text.getvalue(), encoding="utf-8")
    return {"rows": len(table) + len(ragged) + len(twice) + len(differ), "records": len(table),
            "ragged_rows": len(ragged), "equal_duplicate_rows": len(twice), "differing_duplicate_rows": len(differ)}


if __name__ == "__main__":
    main()
