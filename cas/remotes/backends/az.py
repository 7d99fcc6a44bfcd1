"""``az://container/path``: Azure Blob Storage, through obstore or adlfs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cas.clock import from_datetime
from cas.errors import UnsupportedRemote
from cas.remotes.backends.choosing import takes_obstore
from cas.remotes.backends.fsspec_client import FsspecClient
from cas.remotes.backends.loading import load
from cas.remotes.options import flag, seconds
from cas.remotes.store import WriteStore, WritingClient
from cas.remotes.urls import Location
from cas.storage.contract import FileInfo

__all__ = ["open_store"]


def open_store(location: Location, options: Mapping[str, str]) -> WriteStore:
    """The container, through obstore where it is installed, else through adlfs."""

    def make() -> WritingClient:
        if takes_obstore(options, "az", "adlfs"):
            return _through_obstore(location, options)
        return AzClient(location, options)

    return WriteStore(make)


class AzClient(FsspecClient):
    """A container through adlfs, whose ``mode="create"`` sends ``If-None-Match: *``."""

    def __init__(self, location: Location, options: Mapping[str, str]) -> None:
        adlfs = load("adlfs", "az", "az")
        azure = load("azure.core.exceptions", "az", "az")
        fsspec = load("fsspec.asyn", "az", "az")
        aiohttp = load("aiohttp", "az", "az")
        filesystem = adlfs.AzureBlobFileSystem(
            account_name=options.get("account_name"),
            anon=True if flag(options, "anonymous") else None,
            **_host(options),
            connection_timeout=10,
            read_timeout=int(seconds(options)),
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._sync = fsspec.sync
        self._missing = azure.ResourceNotFoundError
        # azure tries each request four times by itself.
        super().__init__(location, filesystem, (azure.AzureError, aiohttp.ClientError), 2)

    def info(self, name: str) -> FileInfo | None:
        """One HEAD."""
        try:
            found = self._sync(self.filesystem.loop, self._properties, self.location.full(name))
        except self._missing:
            return None
        return FileInfo(name, int(found.size), from_datetime(found.last_modified))

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """Pages of five thousand, by prefix."""
        skip = len(self.location.full(""))
        for blob in self._sync(self.filesystem.loop, self._blobs, self.location.full(prefix)):
            yield FileInfo(blob.name[skip:], int(blob.size), from_datetime(blob.last_modified))

    async def _properties(self, key: str) -> Any:
        async with self.filesystem.service_client.get_blob_client(self.location.host, key) as blob:
            return await blob.get_blob_properties()

    async def _blobs(self, prefix: str) -> list[Any]:
        async with self.filesystem.service_client.get_container_client(self.location.host) as container:
            return [blob async for blob in container.list_blobs(name_starts_with=prefix)]


def _host(options: Mapping[str, str]) -> dict[str, str]:
    endpoint = options.get("endpoint_url")
    if endpoint is None:
        return {}
    if not endpoint.startswith("https://"):
        raise UnsupportedRemote(
            "adlfs takes an endpoint without TLS only from AZURE_STORAGE_CONNECTION_STRING",
            hint="set that variable and leave out endpoint_url, or pip install 'cas-store[fast]'",
        )
    return {"account_host": endpoint.removeprefix("https://").rstrip("/")}


def _through_obstore(location: Location, options: Mapping[str, str]) -> WritingClient:
    stores = load("obstore.store", "az", "fast")
    from cas.remotes.backends.obstore_client import ObstoreClient, client_settings

    endpoint = options.get("endpoint_url")
    settings = client_settings(options, insecure=bool(endpoint and endpoint.startswith("http:")))
    if endpoint:
        settings["endpoint"] = endpoint
    if "account_name" in options:
        settings["account_name"] = options["account_name"]
    if flag(options, "anonymous"):
        settings["skip_signature"] = True
    return ObstoreClient(location, stores.AzureStore(location.host, **settings))
