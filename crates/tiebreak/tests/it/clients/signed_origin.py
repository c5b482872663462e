"""A small object store that checks signatures: each request is signed anew with botocore, from what came over the wire, and both
signatures have to be the same. Prints its port; ends when its input does.

It keeps entity tags that count, honours If-Match and If-None-Match, and lists what it refused at /refused (unsigned).
"""

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET = "AKIATEST", "s3cr3t"
lock, objects, versions, refused = threading.Lock(), {}, [0], []


def signature_of(method, target, headers, content):
    """The signature that the request should have, or why it has none."""
    scheme, _, rest = headers.get("Authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if scheme != "AWS4-HMAC-SHA256" or not {"Credential", "SignedHeaders", "Signature"} <= parts.keys():
        return "it is not signed"
    signed = parts["SignedHeaders"].split(";")
    if "host" not in signed:
        return "the host is not signed"
    claimed = headers.get("X-Amz-Content-SHA256", "")
    if claimed != "UNSIGNED-PAYLOAD" and claimed != hashlib.sha256(content).hexdigest():
        return "the content is not what was signed"
    access, _, scope = parts["Credential"].partition("/")
    _date, region, service, _ = scope.split("/")
    request = AWSRequest(method, f"http://{headers['Host']}{target}", data=content)
    for name in signed:
        values = headers.get_all(name)
        if values is None:
            return f"{name} was signed, and did not come"
        request.headers[name] = ",".join(v.strip() for v in values)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = S3SigV4Auth(Credentials(KEY, SECRET), service, region)
    canonical = auth.canonical_request(request)
    # Only what its client signed is part of it.
    expected = auth.signature(auth.string_to_sign(request, canonical), request)
    if access != KEY or expected != parts["Signature"]:
        return "the signature does not match:\n" + canonical
    return None


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, content=b"", **fields):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def handle_any(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/refused":
            return self.reply(200, json.dumps(refused).encode(), Content_Type="application/json")
        why = signature_of(self.command, self.path, self.headers, content)
        if why:
            refused.append(f"{self.command} {self.path}: {why}")
            error = b"<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match.</Message></Error>"
            return self.reply(403, error, Content_Type="application/xml")
        with lock:
            there = objects.get(self.path)
            if self.command in ("GET", "HEAD"):
                if there is None:
                    return self.reply(404)
                return self.reply(200, there[1], ETag=there[0], Content_Type="text/plain")
            match = self.headers.get("If-Match")
            exists = there is not None and self.headers.get("If-None-Match") == "*"
            if exists or (match is not None and (there is None or match != there[0])):
                error = b"<Error><Code>PreconditionFailed</Code><Message>A precondition failed.</Message></Error>"
                return self.reply(412, error, Content_Type="application/xml")
            if self.command == "DELETE":
                objects.pop(self.path, None)
                return self.reply(204)
            versions[0] += 1
            objects[self.path] = (f'"v{versions[0]}"', content)
            return self.reply(200, ETag=objects[self.path][0])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
