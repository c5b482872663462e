"""What the scripts that use curl share: one process for each request, as in a shell script."""

import subprocess
from collections import namedtuple

Got = namedtuple("Got", "status content etag token outcome")
MARK = "\n~~ "


def curl(url, *options, content=None, method=None):
    """One run of curl. Its exit status counts: an answer of any kind is none of its failures."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *options]
    command += ["--write-out", MARK + "%{http_code}|%header{etag}|%header{lock-token}|%header{tiebreak}", url]
    if method:
        command += ["--request", method]
    if content is not None:
        command += ["--data-binary", "@-"]
    ran = subprocess.run(command, input=content, capture_output=True, text=True)
    assert ran.returncode == 0, (command, ran)
    body, told = ran.stdout.rsplit(MARK, 1)
    status, etag, token, tiebreak = told.split("|", 3)
    return Got(int(status), body, etag, token, tiebreak.split(";")[0])
