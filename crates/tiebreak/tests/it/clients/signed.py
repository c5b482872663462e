"""boto3 through the gateway to an origin that checks each signature: `signed.py ORIGIN GATEWAY preserved|replaced`."""

import sys
import urllib.request
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from story import GATEWAY, SERVER, held, race

HOST = sys.argv[3]


def s3(secret="s3cr3t", **config):
    return boto3.client("s3", endpoint_url=f"http://{GATEWAY}", region_name="eu-central-1", aws_access_key_id="AKIATEST",
                        aws_secret_access_key=secret,
                        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path", **config}))


def refused(work):
    try:
        work()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("it was not refused")


def seen_by_origin():
    with urllib.request.urlopen(f"http://{SERVER}/refused") as answer:
        return json.load(answer)


client = s3()
if HOST == "replaced":
    # The control: with another Host nothing that is signed gets through.
    assert refused(lambda: client.put_object(Bucket="box", Key="a", Body=b"x")) == 403
    assert refused(lambda: client.get_object(Bucket="box", Key="a")) == 403
    assert all("does not match" in line for line in seen_by_origin()), seen_by_origin()
    held()
    sys.exit()

# Plain, with preconditions, with keys that are encoded, with a query, with fields of its own, with content of any length.
KEYS = ["a", "b c+d&e=f", "\u00fc/%2F/~x", "x//y", "./dots", "a(b)'c*!"]
for key in KEYS:
    first = client.put_object(Bucket="box", Key=key, Body=b"one", Metadata={"by": "me"}, IfNoneMatch="*")
    assert first["ETag"], first
    assert "tiebreak" in first["ResponseMetadata"]["HTTPHeaders"], first
    second = client.put_object(Bucket="box", Key=key, Body=b"two", IfMatch=first["ETag"])
    assert refused(lambda: client.put_object(Bucket="box", Key=key, Body=b"three", IfMatch=first["ETag"])) == 412
    assert client.get_object(Bucket="box", Key=key)["Body"].read() == b"two"
    assert client.head_object(Bucket="box", Key=key)["ETag"] == second["ETag"]
client.put_object(Bucket="box", Key="empty", Body=b"")
client.put_object(Bucket="box", Key="large", Body=b"x" * (3 << 20))
client.put_object_tagging(Bucket="box", Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
s3(payload_signing_enabled=True).put_object(Bucket="box", Key="signed content", Body=b"y" * 1000)
assert seen_by_origin() == [], seen_by_origin()

# An overwrite without a condition, from what was read: nothing may be attached to what is signed.
client.get_object(Bucket="box", Key="a")
client.put_object(Bucket="box", Key="a", Body=b"unconditional")
assert race(4, lambda n: s3().put_object(Bucket="box", Key="a", Body=b"%d" % n)["ResponseMetadata"]["HTTPStatusCode"]) == [200] * 4
assert seen_by_origin() == [], seen_by_origin()

# The control: another secret.
assert refused(lambda: s3("wrong").put_object(Bucket="box", Key="a", Body=b"forged")) == 403
assert refused(lambda: s3("wrong").get_object(Bucket="box", Key="a")) == 403
assert client.get_object(Bucket="box", Key="a")["Body"].read() in (b"0", b"1", b"2", b"3")
assert len(seen_by_origin()) == 2, seen_by_origin()
client.delete_object(Bucket="box", Key="a")
held()
