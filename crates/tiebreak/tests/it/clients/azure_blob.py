"""Azure Blob Storage (Azurite) with Microsoft's library: signed requests, If-Match, leases, blocks."""

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobBlock, BlobServiceClient

from story import GATEWAY, SERVER, held, lose_next_answer, race

ACCOUNT = "devstoreaccount1"
# The emulator's published key, the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def service(authority, **more):
    return BlobServiceClient(f"http://{authority}/{ACCOUNT}", credential={"account_name": ACCOUNT, "account_key": KEY}, **more)


direct = service(SERVER)
box = service(GATEWAY).get_container_client("box")
box.create_container()
truth = direct.get_container_client("box")

# Creation: one of eight wins, the others are told that it exists.
results = race(8, lambda n: service(GATEWAY).get_blob_client("box", "lock").upload_blob(f"holder {n}"))
won = [n for n, r in enumerate(results) if isinstance(r, dict)]
assert len(won) == 1 and sum(isinstance(r, ResourceExistsError) for r in results) == 7, results
assert truth.download_blob("lock").readall() == f"holder {won[0]}".encode()

# Racing writers who read, edit and write under the version that they read, and begin anew when it is stale.
# Not empty to begin with: of an empty blob the library asks a range, gets 416, and asks anew without one; what was written in
# between it takes for empty, under the new tag, and would itself overwrite.
counter = box.get_blob_client("counter")
counter.upload_blob(b"begun ")


def append(n):
    mine, stale = service(GATEWAY).get_blob_client("box", "counter"), 0
    for turn in range(5):
        while True:
            got = mine.download_blob()
            text = got.readall()
            try:
                mine.upload_blob(text + f"{n}.{turn} ".encode(), overwrite=True, etag=got.properties.etag,
                                 match_condition=MatchConditions.IfNotModified)
                break
            except ResourceModifiedError:
                stale += 1
    return stale


stale = race(4, append)
entries = truth.download_blob("counter").readall().decode().split()
assert sorted(entries) == sorted(["begun", *(f"{n}.{t}" for n in range(4) for t in range(5))]), (entries, stale)

# A stale edit is refused with the server's own error, which the library raises as what it is.
old = counter.get_blob_properties().etag
counter.upload_blob(b"newer", overwrite=True)
try:
    counter.upload_blob(b"from old", overwrite=True, etag=old, match_condition=MatchConditions.IfNotModified)
    raise AssertionError("a stale edit was accepted")
except ResourceModifiedError as refused:
    assert refused.error_code == "ConditionNotMet", refused.error_code
assert truth.download_blob("counter").readall() == b"newer"

# Leases: without its id nobody writes, with it the holder does.
lease = counter.acquire_lease(60)
try:
    service(GATEWAY).get_blob_client("box", "counter").upload_blob(b"intruder", overwrite=True)
    raise AssertionError("a leased blob was overwritten")
except HttpResponseError as refused:
    assert refused.error_code == "LeaseIdMissing", refused.error_code
counter.upload_blob(b"by the holder", overwrite=True, lease=lease)
lease.release()
assert truth.download_blob("counter").readall() == b"by the holder"

# Blocks, staged one by one and committed.
parts = box.get_blob_client("parts")
names = [f"{n:04}" for n in range(4)]
for name in names:
    parts.stage_block(name, name.encode() * 1000)
parts.commit_block_list([BlobBlock(name) for name in names])
assert truth.download_blob("parts").readall() == b"".join(n.encode() * 1000 for n in names)

# A lost answer: applied once. The signature covers the method, so that nobody but the client can look whether it landed: it is
# told that the write is in doubt, never that it failed.
patient = service(GATEWAY, retry_total=0).get_blob_client("box", "counter")
before = patient.get_blob_properties().etag
lose_next_answer()
try:
    patient.upload_blob(b"after the loss", overwrite=True, etag=before, match_condition=MatchConditions.IfNotModified)
    print("the lost write was told as applied")
except HttpResponseError as told:
    assert told.status_code == 504, told
    print("the lost write was told as in doubt")
assert truth.download_blob("counter").readall() == b"after the loss"
held()
