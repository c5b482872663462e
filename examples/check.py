#!/usr/bin/env python3
"""Checks that expected.json says the truth about airports.ndjson and airports.csv.

Replays the lines against a small model of its own (a dictionary and a three-way merge over members), once in file
order and a few times with other orders of arrival, and compares what happens with the counts the generator wrote.
The unit and the compose file of fleet/ are checked, too.
"""
import csv
import json
import random
import sys
from collections import Counter
from pathlib import Path

from fleet.check import check as check_fleet

HERE = Path(__file__).parent
MISSING = object()


class Overlap(Exception):
    pass


def valid(doc):
    """What airports.schema.json demands, as far as the example breaks it."""
    return (isinstance(doc.get("name"), str) and isinstance(doc.get("elevation_ft"), int)
            and -90 <= doc.get("lat", 999) <= 90 and doc.get("status") in ("open", "closed", "restricted"))


def merge(base, ours, theirs):
    """Members changed on one side are taken from it; changed on both sides, they must be equal."""
    out = {}
    for name in [*theirs, *(n for n in ours if n not in theirs)]:
        b, o, t = (d.get(name, MISSING) for d in (base, ours, theirs))
        if o == t or o == b:
            value = t
        elif t == b:
            value = o
        elif all(isinstance(x, dict) for x in (b, o, t)):
            value = merge(b, o, t)
        else:
            raise Overlap(name)
        if value is not MISSING:
            out[name] = value
    return out


def merge_patch(target, patch):
    out = dict(target)
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        elif isinstance(value, dict):
            out[name] = merge_patch(out[name] if isinstance(out.get(name), dict) else {}, value)
        else:
            out[name] = value
    return out


def parse(text):
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "method" in line and "path" in line else None


def replay(writes):
    store, keys, seen = {}, set(), Counter()
    for w in writes:
        key, body, base = w.get("key"), w.get("body"), w.get("base")
        ident = body["id"] if w["method"] == "POST" else w["path"].rsplit("/", 1)[1]
        now = store.get(ident)
        if key in keys:
            seen["same key"] += 1
            continue
        if key is not None:
            keys.add(key)
        if w["method"] == "DELETE":
            assert now is not None, f"deletes {ident} before it exists"
            del store[ident]
            seen["deleted"] += 1
        elif w["method"] == "POST" or "if_none_match" in w:
            if now is not None:
                seen[f"twice {w['method']} {'equal' if now == body else 'differs'}"] += 1
            elif not valid(body):
                seen["invalid create"] += 1
            else:
                store[ident] = body
                seen["created"] += 1
        else:
            assert now is not None, f"edits {ident} before it exists"
            if "if_match" in w:
                seen["wrong tag"] += 1
                continue
            ours = merge_patch(base or now, body) if w["method"] == "PATCH" else body
            try:
                new = merge(base or now, ours, now)
            except Overlap:
                seen["overlap"] += 1
                continue
            if not valid(new):
                seen["invalid edit"] += 1
                continue
            seen["agrees"] += new == now
            seen["merged"] += new != now and base is not None and base != now
            seen["edited"] += 1
            store[ident] = new
    seen["left"] = len(store)
    return store, seen


def rearrange(writes, rng):
    """Another order of arrival; the lines of one record keep theirs."""
    lanes = {}
    for w in writes:
        ident = w["body"]["id"] if w["method"] == "POST" else w["path"].rsplit("/", 1)[1]
        lanes.setdefault(ident, []).append(w)
    slots = [i for i, lane in lanes.items() for _ in lane]
    rng.shuffle(slots)
    queues = {i: iter(lane) for i, lane in lanes.items()}
    return [next(queues[i]) for i in slots]


def check_ndjson(want):
    lines = (HERE / "airports.ndjson").read_text(encoding="utf-8").splitlines()
    writes = [w for w in map(parse, lines) if w is not None]
    store, seen = replay(writes)
    got = {
        "seed": want["seed"],
        "lines": len(lines),
        "malformed_lines": len(lines) - len(writes),
        "invalid_lines": {"total": seen["invalid create"] + seen["invalid edit"], "creates": seen["invalid create"],
                          "edits": seen["invalid edit"]},
        "records_created": seen["created"],
        "records_deleted": seen["deleted"],
        "records_left": seen["left"],
        "repeats_with_the_same_key": seen["same key"],
        "duplicate_creates_equal": {"put": seen["twice PUT equal"], "post": seen["twice POST equal"]},
        "duplicate_creates_that_differ": seen["twice PUT differs"] + seen["twice POST differs"],
        "merged_edits": seen["merged"],
        "agreeing_edits": seen["agrees"],
        "overlapping_pairs": seen["overlap"],
        "overlaps": want["overlaps"],
        "edits_with_a_wrong_if_match": seen["wrong tag"],
        "edits_applied": seen["edited"],
        "needs_a_person": seen["overlap"] + seen["twice PUT differs"] + seen["wrong tag"],
    }
    assert len(want["overlaps"]) == seen["overlap"]
    for seed in range(5):
        other_store, other_seen = replay(rearrange(writes, random.Random(seed)))
        assert (other_store, other_seen) == (store, seen), f"order of arrival matters (seed {seed})"
    return got


def check_csv():
    rows = list(csv.reader((HERE / "airports.csv").open(encoding="utf-8", newline="")))
    head, rows = rows[0], rows[1:]
    first, seen = {}, Counter()
    for row in rows:
        if len(row) != len(head):
            seen["ragged"] += 1
        elif row[0] in first:
            seen["equal" if first[row[0]] == row else "differ"] += 1
        else:
            first[row[0]] = row
    return {"rows": len(rows), "records": len(first), "ragged_rows": seen["ragged"],
            "equal_duplicate_rows": seen["equal"], "differing_duplicate_rows": seen["differ"]}


def main():
    want = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
    got = {"ndjson": check_ndjson(want["ndjson"]), "csv": check_csv()}
    wrong = [f"{part}.{name}: expected.json says {value}, the file holds {got[part].get(name)}"
             for part, names in want.items() for name, value in names.items() if got[part].get(name) != value]
    wrong += [f"fleet/{what}" for what in check_fleet()]
    for line in wrong:
        print(line)
    if not wrong:
        print("examples agree with expected.json; the files of the fleet are in order")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
