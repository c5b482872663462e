"""Kinto with kinto-http: racing writers, stale edits, batches."""

from kinto_http import Client, KintoException

from story import GATEWAY, SERVER, held, lose_next_answer, race


def kinto(authority):
    return Client(server_url=f"http://{authority}/v1", auth=("alice", "x"), bucket="b", collection="c", retry=0)


client, truth = kinto(GATEWAY), kinto(SERVER)
client.create_bucket()
client.create_collection()


def data():
    return truth.get_record(id="doc")["data"]


# Racing writers who read, edit a field of their own and write the whole record under the version that they read, as the library
# does by itself; who is refused begins anew.
client.create_record(id="doc", data={f"f{n}": 0 for n in range(8)})
clients = [kinto(GATEWAY) for _ in range(8)]


def edit(n):
    for turn in range(1, 6):
        while True:
            record = clients[n].get_record(id="doc")["data"]
            try:
                clients[n].update_record(id="doc", data={**record, f"f{n}": turn})
                break
            except KintoException as error:
                assert error.response.status_code == 412, error


results = race(8, edit)
assert results == [None] * 8, results
assert all(data()[f"f{n}"] == 5 for n in range(8)), data()


# The same with no condition: the library opens a connection for each request, but the record brings along the `last_modified`
# that it was read with. Each edit is kept.
def edit_plainly(n):
    for turn in range(6, 11):
        record = clients[n].get_record(id="doc")["data"]
        clients[n].update_record(id="doc", data={**record, f"f{n}": turn}, safe=False)


results = race(8, edit_plainly)
assert results == [None] * 8, results
assert [data()[f"f{n}"] for n in range(8)] == [10] * 8, data()

# A stale edit under the version that was read is refused, and the library raises it.
old = client.get_record(id="doc")["data"]
client.patch_record(id="doc", data={"f0": 60})
try:
    client.update_record(id="doc", data={**old, "f1": 7}, if_match=old["last_modified"])
    raise AssertionError("a stale edit was accepted")
except KintoException as refused:
    assert refused.response.status_code == 412, refused
assert (data()["f0"], data()["f1"]) == (60, 10)

# Plain edits of one field by two who read the same: the second is refused with a problem document, which the library hands on.
client.create_record(id="pair", data={"f2": 0})
one, two = kinto(GATEWAY), kinto(GATEWAY)
mine, theirs = one.get_record(id="pair")["data"], two.get_record(id="pair")["data"]
one.update_record(id="pair", data={**mine, "f2": "one"}, safe=False)
try:
    two.update_record(id="pair", data={**theirs, "f2": "two"}, safe=False)
    raise AssertionError("an overlapping edit was accepted")
except KintoException as refused:
    kind = refused.response.json()["type"].rsplit("/", 1)[1]
    assert (refused.response.status_code, kind) == (409, "overlap"), refused
assert truth.get_record(id="pair")["data"]["f2"] == "one"

# A batch: one request with many writes, passed on whole.
with client.batch() as batch:
    for n in range(10):
        batch.create_record(id=f"r{n}", data={"n": n})
assert len(truth.get_records()) == 12

# A lost answer: the record holds what was sent, but for the `last_modified` that is the server's, so that it is told as applied.
record = client.get_record(id="doc")["data"]
lose_next_answer()
client.update_record(id="doc", data={**record, "f3": "after the loss"}, if_match=record["last_modified"])
assert data()["f3"] == "after the loss"
held()
