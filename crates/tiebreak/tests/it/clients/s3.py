"""S3 (moto) with boto3: signed requests, conditional writes, uploads in parts."""

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from story import GATEWAY, SERVER, held, lose_next_answer, race


def s3(authority, retries=2):
    return boto3.client("s3", endpoint_url=f"http://{authority}", region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test",
                        config=Config(retries={"total_max_attempts": retries}, s3={"addressing_style": "path"}))


def code(error):
    assert isinstance(error, ClientError), error
    return error.response["Error"]["Code"]


truth, client = s3(SERVER), s3(GATEWAY)
client.create_bucket(Bucket="box")


def read():
    return truth.get_object(Bucket="box", Key="doc")["Body"].read()


# Creation: one of eight wins.
clients = [s3(GATEWAY) for _ in range(8)]
results = race(8, lambda n: clients[n].put_object(Bucket="box", Key="doc", Body=b"%d" % n, IfNoneMatch="*"))
won = [n for n, r in enumerate(results) if isinstance(r, dict)]
assert len(won) == 1, results
assert {code(r) for r in results if not isinstance(r, dict)} == {"PreconditionFailed"}, results
assert read() == b"%d" % won[0]

# Racing writers under the version that they read.
client.put_object(Bucket="box", Key="doc", Body=b"")


def append(n):
    for turn in range(5):
        while True:
            got = clients[n].get_object(Bucket="box", Key="doc")
            text = got["Body"].read()
            try:
                clients[n].put_object(Bucket="box", Key="doc", Body=text + b"%d.%d " % (n, turn), IfMatch=got["ETag"])
                break
            except ClientError as error:
                assert code(error) == "PreconditionFailed", error


assert race(4, append) == [None] * 4
assert sorted(read().decode().split()) == sorted(f"{n}.{t}" for n in range(4) for t in range(5)), read()

# A stale edit is refused.
old = client.head_object(Bucket="box", Key="doc")["ETag"]
client.put_object(Bucket="box", Key="doc", Body=b"newer")
try:
    client.put_object(Bucket="box", Key="doc", Body=b"from old", IfMatch=old)
    raise AssertionError("a stale edit was accepted")
except ClientError as error:
    assert code(error) == "PreconditionFailed", error
assert read() == b"newer"

# An upload in parts.
upload = client.create_multipart_upload(Bucket="box", Key="large")["UploadId"]
size = 5 << 20
parts = []
for number, content in enumerate([b"a" * size, b"b" * 10], 1):
    got = client.upload_part(Bucket="box", Key="large", UploadId=upload, PartNumber=number, Body=content)
    parts.append({"PartNumber": number, "ETag": got["ETag"]})
client.complete_multipart_upload(Bucket="box", Key="large", UploadId=upload, MultipartUpload={"Parts": parts})
assert truth.head_object(Bucket="box", Key="large")["ContentLength"] == size + 10

# A lost answer: an ETag of S3 is a digest, which comes back, so that nothing is sent again under it. What is read
# afterwards shows that the write was applied; the library is told the outcome, or that it is in doubt, never a failure.
tag = client.head_object(Bucket="box", Key="doc")["ETag"]
lose_next_answer()
try:
    s3(GATEWAY, retries=1).put_object(Bucket="box", Key="doc", Body=b"after the loss", IfMatch=tag)
    print("the lost write was told as applied")
except ClientError as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 504, error.response
    print("the lost write was told as in doubt")
assert read() == b"after the loss"
held()
