"""Apache mod_dav with plain curl: racing creations, locks, MOVE and COPY over two resources, lost answers."""

from curl import curl as run
from story import GATEWAY, SERVER, held, lose_next_answer, race

LOCK = """<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>
<locktype><write/></locktype><owner>a writer</owner></lockinfo>"""


def curl(path, *options, **rest):
    return run(f"http://{GATEWAY}/dav/{path}", *options, **rest)


def truth(path):
    return run(f"http://{SERVER}/dav/{path}")


def put(path, content, *options):
    return curl(path, "--header", "content-type: text/plain", *options, method="PUT", content=content)


def to(path, overwrite):
    return ["--header", f"Destination: http://{GATEWAY}/dav/{path}", "--header", f"Overwrite: {overwrite}"]


# Racing creations: one wins. (Directly this is not so: mod_dav looks, and writes after.)
made = race(8, lambda n: put("once", f"by {n}", "--header", "If-None-Match: *").status)
assert sorted(made) == [201] + [412] * 7, made
assert truth("once").content == f"by {made.index(201)}"

# Racing writers who lock: none of their additions is lost, and who meets a lock is told so at once.
put("counter", "0")


def add(n):
    for _ in range(3):
        while True:
            got = curl("counter", "--header", "content-type: text/xml", method="LOCK", content=LOCK)
            if got.status == 200:
                break
            assert got.status == 423, got
        count = int(curl("counter").content)
        written = put("counter", str(count + 1), "--header", f"If: ({got.token})")
        assert written.status == 204, written
        unlocked = curl("counter", "--header", f"Lock-Token: {got.token}", method="UNLOCK")
        assert unlocked.status == 204, unlocked


results = race(4, add)
assert results == [None] * 4, results
assert truth("counter").content == "12"

# A stale edit under the tag that was read is refused as the server refuses it, and one under the current tag is not. (Of a file that
# was written within the last second the server gives a weak tag, which no If-Match matches.)


def tag():
    while True:
        read = curl("named")
        if read.etag and not read.etag.startswith("W/"):
            return read.etag


put("named", "first")
old = tag()
put("named", "newer than that")
stale = put("named", "from old", "--header", f"If-Match: {old}")
assert (stale.status, stale.outcome, truth("named").content) == (412, "refused", "newer than that"), stale
named = put("named", "from the current one", "--header", f"If-Match: {tag()}")
assert (named.status, truth("named").content) == (204, "from the current one"), named
gone = curl("named", "--header", f"If-Match: {old}", method="DELETE")
assert (gone.status, truth("named").content) == (412, "from the current one"), gone

# So is an edit under a lock that was given back.
lock = curl("named", "--header", "content-type: text/xml", method="LOCK", content=LOCK)
assert lock.status == 200, lock
assert curl("named", "--header", f"Lock-Token: {lock.token}", method="UNLOCK").status == 204
late = put("named", "after the lock", "--header", f"If: ({lock.token})")
assert (late.status, truth("named").content) == (412, "from the current one"), late

# Of many who move one file to one place, one does; there and back at the same time comes to an end.
put("from", "moved")
moved = race(6, lambda n: curl("from", *to("there", "F"), method="MOVE").status)
assert moved.count(201) == 1 and set(moved) <= {201, 404, 412}, moved
assert (truth("from").status, truth("there").content) == (404, "moved")
put("left", "left")
put("right", "right")
ways = [("left", "right"), ("right", "left")]
crossed = race(8, lambda n: curl(ways[n % 2][0], *to(ways[n % 2][1], "T"), method="MOVE").status)
assert set(crossed) <= {201, 204, 404}, crossed
there = {truth(name).content for name in ("left", "right") if truth(name).status == 200}
assert len(there) == 1 and there <= {"left", "right"}, there

# Copies of a file that is written meanwhile are each one whole version of it.
versions = [str(n) * 20_000 for n in range(8)]
put("source", versions[0])
copied = []


def write_or_copy(n):
    if n % 2 == 0:
        return put("source", versions[n]).status
    got = curl("source", *to(f"copy{n}", "T"), method="COPY")
    copied.append(truth(f"copy{n}").content)
    return got.status


results = race(8, write_or_copy)
assert set(results) <= {201, 204}, results
assert len(copied) == 4 and set(copied) <= set(versions), [c[:3] for c in copied]

# Lost answers: performed once, and never told as a failure.
lose_next_answer()
told = put("lost", "it was written", "--header", "If-None-Match: *")
assert told.status in (201, 204, 504) and truth("lost").content == "it was written", told
print(f"the lost PUT was told as {told.outcome}")
lose_next_answer()
told = curl("lost", *to("found", "F"), method="MOVE")
assert told.outcome in ("applied", "in-doubt"), told
print(f"the lost MOVE was told as {told.outcome}")
assert (truth("lost").status, truth("found").content) == (404, "it was written")
# While it is in doubt its repeat is not sent: what has come in its place stays there.
run(f"http://{SERVER}/dav/lost", method="PUT", content="newer")
told = curl("lost", *to("found", "F"), method="MOVE")
assert (told.status, told.outcome) == (504, "in-doubt"), told
assert (truth("lost").content, truth("found").content) == ("newer", "it was written")
assert curl("found").status == 200
lose_next_answer()
told = curl("found", method="DELETE")
assert told.outcome in ("applied", "adopted") and truth("found").status == 404, told
print(f"the lost DELETE was told as {told.outcome}")
held()
