"""``gs://bucket/path``: Google Cloud Storage, through obstore or gcsfs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from cas.clock import from_datetime
from cas.remotes.backends.choosing import takes_obstore
from cas.remotes.backends.fsspec_client import FsspecClient
from cas.remotes.backends.loading import load
from cas.remotes.options import flag, seconds
from cas.remotes.store import WriteStore, WritingClient
from cas.remotes.urls import Location
from cas.storage.contract import FileInfo

__all__ = ["open_store"]


def open_store(location: Location, options: Mapping[str, str]) -> WriteStore:
    """The bucket, through obstore where it is installed, unless anonymously: obstore signs all writes; else gcsfs."""

    def make() -> WritingClient:
        if takes_obstore(options, "gs", "gcsfs", lacks=flag(options, "anonymous")):
            return _through_obstore(location, options)
        return GsClient(location, options)

    return WriteStore(make)


class GsClient(FsspecClient):
    """A bucket through gcsfs, whose ``mode="create"`` sends ``ifGenerationMatch=0``."""

    def __init__(self, location: Location, options: Mapping[str, str]) -> None:
        # The plain class: the extended one of the package's front asks a gRPC service for the bucket's kind first,
        # and retries that for minutes where there is none.
        gcsfs = load("gcsfs.core", "gs", "gs")
        aiohttp = load("aiohttp", "gs", "gs")
        auth = load("google.auth.exceptions", "gs", "gs")
        requests = load("requests.exceptions", "gs", "gs")
        retry = load("gcsfs.retry", "gs", "gs")
        filesystem = gcsfs.GCSFileSystem(
            token="anon" if flag(options, "anonymous") else None,
            access="read_write",
            endpoint_url=options.get("endpoint_url"),
            requests_timeout=aiohttp.ClientTimeout(total=seconds(options), sock_connect=10),
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        errors = (aiohttp.ClientError, auth.GoogleAuthError, requests.RequestException, retry.HttpError)
        # gcsfs tries each request six times by itself.
        super().__init__(location, filesystem, (*errors, retry.ChecksumError), 2)

    def info(self, name: str) -> FileInfo | None:
        """One GET of the object's metadata."""
        try:
            found = self.filesystem.call(
                "GET", "b/{}/o/{}", self.location.host, self.location.full(name), json_out=True
            )
        except FileNotFoundError:
            return None
        return FileInfo(name, int(found["size"]), _micros(found["updated"]))

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """Pages of a thousand, by prefix."""
        skip = len(self.location.full(""))
        page: dict[str, str] = {}
        while True:
            found = self.filesystem.call(
                "GET", "b/{}/o", self.location.host, json_out=True, prefix=self.location.full(prefix), **page
            )
            for entry in found.get("items", ()):
                yield FileInfo(entry["name"][skip:], int(entry["size"]), _micros(entry["updated"]))
            if not found.get("nextPageToken"):
                return
            page = {"pageToken": found["nextPageToken"]}


def _micros(text: str) -> int:
    return from_datetime(datetime.fromisoformat(f"{text[:19]}+00:00")) + int(
        text[20:].rstrip("Z").ljust(6, "0")[:6] or 0
    )


def _through_obstore(location: Location, options: Mapping[str, str]) -> WritingClient:
    stores = load("obstore.store", "gs", "fast")
    from cas.remotes.backends.obstore_client import ObstoreClient, client_settings

    endpoint = options.get("endpoint_url")
    settings = client_settings(options, insecure=bool(endpoint and endpoint.startswith("http:")))
    if endpoint:
        settings["base_url"] = endpoint
    if flag(options, "anonymous"):
        settings["skip_signature"] = True
    return ObstoreClient(location, stores.GCSStore(location.host, **settings))
