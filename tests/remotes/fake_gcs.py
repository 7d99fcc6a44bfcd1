"""A small Google Cloud Storage: the documented JSON API as gcsfs uses it, and the XML API as obstore uses it.

Preconditions hold: ``ifGenerationMatch`` (JSON) and ``x-goog-if-generation-match`` (XML) are judged and applied under
one lock; a resumable upload judges them when it begins and when it ends. A bucket whose name begins with
``private`` answers 401 without a bearer token and 403 with one that is not ``good``. Buckets exist from the start
unless their name begins with ``absent``. Run: ``python fake_gcs.py PORT``.

Sources: cloud.google.com/storage/docs/json_api/v1, /docs/performing-resumable-uploads, /docs/request-preconditions,
/docs/xml-api/overview.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import time
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000


class Refusal(Exception):
    """An error answer: the status, the reason of the JSON error, its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class Objects:
    """What all buckets hold: (bucket, name) → (content, generation, seconds)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.live: dict[tuple[str, str], tuple[bytes, int, float]] = {}
        self.uploads: dict[str, tuple[str, str, str | None, bytearray]] = {}
        self.generations = count(int(time.time() * 1e6))

    def check(self, bucket: str, name: str, match: str | None) -> None:
        generation = self.live.get((bucket, name), (b"", 0, 0.0))[1]
        if match is not None and int(match) != generation:
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")

    def put(self, bucket: str, name: str, content: bytes, match: str | None) -> None:
        with self.lock:
            self.check(bucket, name, match)
            self.live[bucket, name] = (content, next(self.generations), time.time())

    def get(self, bucket: str, name: str) -> tuple[bytes, int, float]:
        try:
            return self.live[bucket, name]
        except KeyError:
            raise Refusal(404, "notFound", f"No such object: {bucket}/{name}") from None

    def delete(self, bucket: str, name: str) -> None:
        with self.lock:
            self.get(bucket, name)
            del self.live[bucket, name]

    def page(self, bucket: str, prefix: str, after: str) -> tuple[list[str], str | None]:
        with self.lock:
            names = sorted(
                name for held, name in self.live if held == bucket and name.startswith(prefix) and name > after
            )
        return names[:PAGE], names[PAGE - 1] if len(names) > PAGE else None

    def resource(self, bucket: str, name: str) -> dict[str, object]:
        content, generation, seconds = self.get(bucket, name)
        moment = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{name}/{generation}",
            "name": name,
            "bucket": bucket,
            "generation": str(generation),
            "metageneration": "1",
            "contentType": "application/octet-stream",
            "timeCreated": moment,
            "updated": moment,
            "storageClass": "STANDARD",
            "size": str(len(content)),
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),
            "etag": f"etag-{generation}",
        }


OBJECTS = Objects()


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        parts = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        xml = not re.match(r"/(?:upload/|download/)?storage/v1/", parts.path)
        try:
            (self._xml if xml else self._json)(parts.path)
        except Refusal as refusal:
            self._refuse(refusal, xml)

    def _json(self, path: str) -> None:
        match = re.fullmatch(r"/(upload/|download/)?storage/v1/b/([^/]+)/o(?:/([^/]+))?", path)
        if match is None:
            raise Refusal(404, "notFound", "Not Found")
        kind, bucket, name = match[1], unquote(match[2]), unquote(match[3] or "")
        self._admit(bucket)
        method = self.command
        if kind == "upload/":
            self._upload(bucket)
        elif method == "GET" and name and (kind == "download/" or self.query.get("alt") == "media"):
            self._media(bucket, name)
        elif method == "GET" and name:
            self._send_json(OBJECTS.resource(bucket, name))
        elif method == "GET":
            names, more = OBJECTS.page(bucket, self.query.get("prefix", ""), self.query.get("pageToken", ""))
            listing = {"kind": "storage#objects", "items": [OBJECTS.resource(bucket, each) for each in names]}
            self._send_json(listing | ({"nextPageToken": more} if more else {}))
        elif method == "DELETE" and name:
            OBJECTS.delete(bucket, name)
            self._send(204, b"")
        else:
            raise Refusal(405, "methodNotAllowed", "Method not allowed.")

    def _upload(self, bucket: str) -> None:
        kind, match = self.query.get("uploadType"), self.query.get("ifGenerationMatch")
        if "upload_id" in self.query:
            self._resume(self.query["upload_id"])
        elif kind == "multipart":
            name, content = self._related()
            OBJECTS.put(bucket, name, content, match)
            self._send_json(OBJECTS.resource(bucket, name))
        elif kind == "resumable":
            name = json.loads(self.body or b"{}").get("name") or self.query["name"]
            with OBJECTS.lock:
                OBJECTS.check(bucket, name, match)
                upload = f"upload-{next(OBJECTS.generations)}"
                OBJECTS.uploads[upload] = (bucket, name, match, bytearray())
            extra = f"&ifGenerationMatch={match}" if match is not None else ""
            where = f"http://{self.headers['Host']}/upload/storage/v1/b/{bucket}/o"
            self._send(200, b"", {"Location": f"{where}?uploadType=resumable&upload_id={upload}{extra}"})
        else:
            raise Refusal(400, "invalid", "Unknown uploadType.")

    def _resume(self, upload: str) -> None:
        if upload not in OBJECTS.uploads:
            raise Refusal(404, "notFound", "No such upload.")
        bucket, name, match, received = OBJECTS.uploads[upload]
        if self.command == "DELETE":
            del OBJECTS.uploads[upload]
            self._send(499, b"")
            return
        span = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range", ""))
        if span is None:
            raise Refusal(400, "invalid", "Bad Content-Range.")
        if span[1] is not None:
            if int(span[1]) != len(received) or int(span[2]) - int(span[1]) + 1 != len(self.body):
                raise Refusal(400, "invalid", "The range does not go on where the upload is.")
            received += self.body
        if span[3] != "*" and len(received) == int(span[3]):
            del OBJECTS.uploads[upload]
            OBJECTS.put(bucket, name, bytes(received), match)
            self._send_json(OBJECTS.resource(bucket, name))
            return
        if len(received) % (256 << 10):
            raise Refusal(400, "invalid", "Chunks but the last are multiples of 256 KiB.")
        self._send(308, b"", {"Range": f"bytes=0-{len(received) - 1}"} if received else {})

    def _related(self) -> tuple[str, bytes]:
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])
        assert boundary is not None
        mark = b"--" + boundary[1].encode()
        start = self.body.index(mark) + len(mark)
        middle = self.body.index(b"\n" + mark, start)
        meta = self.body[start:middle].replace(b"\r\n", b"\n").split(b"\n\n", 1)[1]
        rest = self.body[middle + 1 + len(mark) :]
        head = re.search(rb"\r?\n\r?\n", rest)
        assert head is not None
        end = rest.rindex(b"\n" + mark)
        content = rest[head.end() : end]
        # The line break before a boundary belongs to it; gcsfs writes bare line feeds.
        if head[0].startswith(b"\r"):
            content = content.removesuffix(b"\r")
        return json.loads(meta)["name"], content

    def _xml(self, path: str) -> None:
        bucket, _, name = unquote(path.lstrip("/")).partition("/")
        self._admit(bucket)
        method = self.command
        if method == "PUT" and name:
            OBJECTS.put(bucket, name, self.body, self.headers.get("x-goog-if-generation-match"))
            _, generation, _ = OBJECTS.get(bucket, name)
            self._send(200, b"", {"ETag": f'"{generation}"', "x-goog-generation": str(generation)})
        elif method in {"GET", "HEAD"} and name:
            self._media(bucket, name)
        elif method == "GET":
            self._xml_listing(bucket)
        elif method == "DELETE" and name:
            OBJECTS.delete(bucket, name)
            self._send(204, b"")
        else:
            raise Refusal(405, "MethodNotAllowed", "Method not allowed.")

    def _xml_listing(self, bucket: str) -> None:
        prefix = self.query.get("prefix", "")
        names, more = OBJECTS.page(
            bucket, prefix, self.query.get("continuation-token", self.query.get("start-after", ""))
        )
        entries = []
        for name in names:
            content, generation, seconds = OBJECTS.get(bucket, name)
            moment = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            entries.append(
                f"<Contents><Key>{escape(name)}</Key><Generation>{generation}</Generation><LastModified>{moment}"
                f'</LastModified><ETag>"{generation}"</ETag><Size>{len(content)}</Size></Contents>'
            )
        token = f"<NextContinuationToken>{escape(more)}</NextContinuationToken>" if more else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://doc.s3.amazonaws.com/2006-03-01">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(names)}</KeyCount>{token}"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{''.join(entries)}</ListBucketResult>"
        )
        self._send(200, text.encode(), {"Content-Type": "application/xml"})

    def _media(self, bucket: str, name: str) -> None:
        content, generation, seconds = OBJECTS.get(bucket, name)
        headers = {
            "ETag": f'"{generation}"',
            "x-goog-generation": str(generation),
            "Last-Modified": formatdate(seconds, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None:
            self._send(200, content, headers)
            return
        start, end = int(span[1]), int(span[2]) if span[2] else len(content) - 1
        if start >= len(content):
            raise Refusal(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
        end = min(end, len(content) - 1)
        self._send(206, content[start : end + 1], headers | {"Content-Range": f"bytes {start}-{end}/{len(content)}"})

    def _admit(self, bucket: str) -> None:
        if bucket.startswith("absent"):
            raise Refusal(404, "notFound", "The specified bucket does not exist.")
        token = self.headers.get("Authorization", "")
        if bucket.startswith("private") and not token:
            raise Refusal(401, "required", "Anonymous caller does not have storage.objects access to the bucket.")
        if bucket.startswith("private") and token != "Bearer good":
            raise Refusal(403, "forbidden", "The caller does not have storage.objects access to the bucket.")

    def _refuse(self, refusal: Refusal, xml: bool) -> None:
        if xml:
            text = f"<Error><Code>{refusal.reason}</Code><Message>{escape(refusal.message)}</Message></Error>"
            self._send(refusal.status, text.encode(), {"Content-Type": "application/xml"})
            return
        error = {"message": refusal.message, "domain": "global", "reason": refusal.reason}
        self._send_json(
            {"error": {"code": refusal.status, "message": refusal.message, "errors": [error]}}, refusal.status
        )

    def _send_json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=UTF-8"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/octet-stream"} | (headers or {})).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
