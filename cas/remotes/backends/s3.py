"""``s3://bucket/path``: Amazon S3 and the stores that speak its protocol, through obstore or s3fs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

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
    """The bucket, through obstore where it is installed, unless a profile is named, which obstore cannot read."""

    def make() -> WritingClient:
        if takes_obstore(options, "s3", "s3fs", lacks="profile" in options):
            return _through_obstore(location, options)
        return S3Client(location, options)

    return WriteStore(make)


class S3Client(FsspecClient):
    """A bucket through s3fs, whose ``pipe_file(mode="create")`` is a PUT with ``If-None-Match: *``."""

    # More at once makes s3fs ask for the size first.
    reading: Mapping[str, Any] = MappingProxyType({"max_concurrency": 1})
    # Up to twice this goes in one PUT, as Amazon allows: Ceph 16 ignores the condition where parts are joined.
    writing: Mapping[str, Any] = MappingProxyType({"chunksize": 5 << 29})

    def __init__(self, location: Location, options: Mapping[str, str]) -> None:
        s3fs = load("s3fs", "s3", "s3")
        botocore = load("botocore.exceptions", "s3", "s3")
        filesystem = s3fs.S3FileSystem(
            anon=flag(options, "anonymous"),
            endpoint_url=options.get("endpoint_url"),
            profile=options.get("profile"),
            client_kwargs={"region_name": options["region"]} if "region" in options else {},
            config_kwargs=_config(options),
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        filesystem.retries = 1
        super().__init__(location, filesystem, (botocore.BotoCoreError, botocore.ClientError), 6)

    def info(self, name: str) -> FileInfo | None:
        """One HEAD."""
        try:
            found = self.filesystem.call_s3("head_object", Bucket=self.location.host, Key=self.location.full(name))
        except FileNotFoundError:
            return None
        return FileInfo(name, int(found["ContentLength"]), from_datetime(found["LastModified"]))

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """Pages of a thousand, by prefix."""
        return self.walk_after(prefix, "")

    def walk_after(self, prefix: str, after: str) -> Iterator[FileInfo]:
        """The same, from behind a name on."""
        skip = len(self.location.full(""))
        page: dict[str, str] = {"StartAfter": self.location.full(after)} if after else {}
        while True:
            found = self.filesystem.call_s3(
                "list_objects_v2", Bucket=self.location.host, Prefix=self.location.full(prefix), **page
            )
            for entry in found.get("Contents", ()):
                if entry["Key"][skip:] > after:
                    yield FileInfo(entry["Key"][skip:], int(entry["Size"]), from_datetime(entry["LastModified"]))
            if not found.get("IsTruncated"):
                return
            page = {"ContinuationToken": found["NextContinuationToken"]}

    def folders(self, prefix: str) -> list[str]:
        """The common prefixes of a listing with a delimiter."""
        page: dict[str, str] = {}
        names: list[str] = []
        while True:
            found = self.filesystem.call_s3(
                "list_objects_v2",
                Bucket=self.location.host,
                Prefix=self.location.full(prefix),
                Delimiter="/",
                **page,
            )
            names += [one["Prefix"].rstrip("/").rpartition("/")[2] for one in found.get("CommonPrefixes", ())]
            if not found.get("IsTruncated"):
                return names
            page = {"ContinuationToken": found["NextContinuationToken"]}


def _config(options: Mapping[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "connect_timeout": 10,
        "read_timeout": seconds(options),
        "retries": {"total_max_attempts": 1},
        "max_pool_connections": 32,
    }
    if "addressing" in options:
        config["s3"] = {"addressing_style": options["addressing"]}
    return config


def _through_obstore(location: Location, options: Mapping[str, str]) -> WritingClient:
    stores = load("obstore.store", "s3", "fast")
    from cas.remotes.backends.obstore_client import ObstoreClient, client_settings

    endpoint = options.get("endpoint_url")
    # Without the option the endpoint is Amazon's own, or one that the environment names: that may be plain http.
    settings = client_settings(options, insecure=not endpoint or endpoint.startswith("http:"))
    if endpoint:
        settings["endpoint"] = endpoint
    if "region" in options:
        settings["region"] = options["region"]
    if "addressing" in options:
        settings["virtual_hosted_style_request"] = options["addressing"] == "virtual"
    if flag(options, "anonymous"):
        settings["skip_signature"] = True
    return ObstoreClient(location, stores.S3Store(location.host, **settings))
