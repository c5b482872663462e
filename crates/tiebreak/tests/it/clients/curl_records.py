"""Kinto with plain curl: racing writers, a stale edit, lost answers, and curl's own --retry."""

import json

from curl import curl as run
from story import GATEWAY, SERVER, held, lose_next_answer, race

RECORDS = "/v1/buckets/b/collections/c/records"


def curl(path, *options, **rest):
    return run(f"http://{GATEWAY}{path}", "--user", "alice:x", "--header", "content-type: application/json", *options, **rest)


def truth(path):
    return json.loads(run(f"http://{SERVER}{path}", "--user", "alice:x").content)["data"]


for path in ["/v1/buckets/b", "/v1/buckets/b/collections/c"]:
    assert curl(path, method="PUT", content="{}").status == 201
doc = f"{RECORDS}/doc"
assert curl(doc, method="PUT", content=json.dumps({"data": {f"f{n}": 0 for n in range(8)}})).status == 201


# Racing writers without any condition, all with one credential, and a connection for each request: the record brings along the
# `last_modified` that it was read with, so each edit is merged from what its writer read. None is lost, none refused.
def edit(n):
    for turn in range(1, 6):
        record = json.loads(curl(doc).content)
        record["data"][f"f{n}"] = turn
        got = curl(doc, method="PUT", content=json.dumps(record))
        assert got.status == 200, got


results = race(8, edit)
assert results == [None] * 8, results
assert all(truth(doc)[f"f{n}"] == 5 for n in range(8)), truth(doc)


# The same under the tag that was read: who is refused begins anew.
def edit_named(n):
    for turn in range(6, 9):
        while True:
            read = curl(doc)
            record = json.loads(read.content)
            record["data"][f"f{n}"] = turn
            got = curl(doc, "--header", f"If-Match: {read.etag}", method="PUT", content=json.dumps(record))
            if got.status == 200:
                break
            assert got.status == 412, got


results = race(4, edit_named)
assert results == [None] * 4, results
assert all(truth(doc)[f"f{n}"] == 8 for n in range(4)), truth(doc)

# A stale edit with the client's own If-Match is refused as the server refuses it.
old = curl(doc)
assert curl(doc, method="PATCH", content='{"data": {"f0": 60}}').status == 200
stale = curl(doc, "--header", f"If-Match: {old.etag}", method="PUT", content=old.content)
assert (stale.status, json.loads(stale.content)["errno"], truth(doc)["f0"]) == (412, 114, 60), stale

# A lost answer to a PUT: looked into, and told as what it was.
record = json.loads(curl(doc).content)
record["data"]["f1"] = "after the loss"
lose_next_answer()
lost = curl(doc, method="PUT", content=json.dumps(record))
assert (lost.status, lost.outcome, truth(doc)["f1"]) == (200, "applied", "after the loss"), lost

# A lost answer to a DELETE of what was read: it is gone, as was asked.
assert curl(f"{RECORDS}/gone", method="PUT", content='{"data": {"n": 1}}').status == 201
curl(f"{RECORDS}/gone")
lose_next_answer()
deleted = curl(f"{RECORDS}/gone", method="DELETE")
assert deleted.status // 100 == 2, deleted

# A lost answer to a POST that curl repeats by itself, since 504 counts as passing there: performed once.
before = len(truth(RECORDS))
lose_next_answer()
posted = curl(RECORDS, "--retry", "2", "--retry-delay", "1", method="POST", content='{"data": {"name": "only one"}}')
assert posted.status == 504 and posted.outcome == "in-doubt", posted
made = [r for r in truth(RECORDS) if r.get("name") == "only one"]
assert (len(made), len(truth(RECORDS))) == (1, before + 1), made
held()
