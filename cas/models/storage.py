"""Storages: places outside the repository where a field's bytes are kept, known to records by name only.

A record holds the storage's name, the location that ``create`` returned and the id of the bytes, never a URL: where the
name leads is said by the model's class or by the user (``register()``), so a record from elsewhere cannot send a reader
anywhere. Bytes are checked against their id on every read. The interface follows Artigraph's; the methods of one's own
storages may be ``async``.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import Self

from cas.errors import CasError, DeclarationError, ObjectNotFound, StorageError, StorageUnknown
from cas.objects.ids import blob_id
from cas.repository.places import place_of

__all__ = ["FileSystem", "FsspecStorage", "S3Storage", "Storage", "call", "find_storage", "map_storages"]

_BY_NAME: dict[str, Storage] = {}
_PLACES: dict[str, str] = {}


class Storage(ABC):
    """Keeps bytes under locations of its own choosing. ``name`` is unique and never changes, since records hold it."""

    name: str

    @abstractmethod
    def create(self, data: bytes, /) -> Any:
        """Keep the bytes durably and return their location (a str, or an awaitable of one), no URL."""

    @abstractmethod
    def read(self, location: str, /) -> Any:
        """The bytes at a location."""

    @abstractmethod
    def exists(self, location: str, /) -> Any:
        """Whether there are bytes at a location."""

    @abstractmethod
    def delete(self, location: str, /) -> Any:
        """Delete the bytes at a location. Only what no record refers to may be deleted."""

    def register(self) -> Self:
        """Let records that name this storage be read through it. Raises DeclarationError where the name is missing or
        taken.
        """
        name = getattr(self, "name", None)
        if not isinstance(name, str) or not name or "://" in name:
            raise DeclarationError(
                f"{type(self).__qualname__} has no usable name: {name!r}", hint='set `self.name = "…"`, not a URL'
            )
        if name in _BY_NAME:
            raise DeclarationError(
                f"a storage named {name!r} is already registered: {_BY_NAME[name]!r}",
                hint="give this one a name of its own; records hold the name",
            )
        _BY_NAME[name] = self
        return self

    def unregister(self) -> None:
        """Forget the name again; a storage that is not registered is fine."""
        if _BY_NAME.get(self.name) is self:
            del _BY_NAME[self.name]


class FileSystem(Storage):
    """A directory; each value is a file named by the BLAKE3 id of its bytes, so equal values share one."""

    def __init__(self, directory: str | Path, name: str = "") -> None:
        self.directory = Path(directory)
        self.name = name or self.directory.name

    def __repr__(self) -> str:
        return f"FileSystem({str(self.directory)!r}, name={self.name!r})"

    def create(self, data: bytes, /) -> str:
        from cas.storage.local import LocalStore

        location = blob_id(data).hex()
        self.directory.mkdir(parents=True, exist_ok=True)
        LocalStore(self.directory).create(location, data)
        return location

    def read(self, location: str, /) -> bytes:
        return self._path(location).read_bytes()

    def exists(self, location: str, /) -> bool:
        return self._path(location).is_file()

    def delete(self, location: str, /) -> None:
        self._path(location).unlink(missing_ok=True)

    def _path(self, location: str) -> Path:
        return self.directory / _key(location)


class FsspecStorage(Storage):
    """A folder of any fsspec file system, opened at the first use; keys are the BLAKE3 ids of the bytes.

    ``filesystem`` is a protocol (``"memory"``, ``"s3"``) with its ``options``, or a file system already made.
    """

    def __init__(self, name: str, filesystem: Any, folder: str, **options: Any) -> None:
        self.name = name
        self.folder = folder.strip("/")
        self._filesystem = filesystem
        self._options = options

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.folder!r})"

    def create(self, data: bytes, /) -> str:
        location = blob_id(data).hex()
        files = self._open()
        if not files.exists(self._path(location)):
            files.pipe_file(self._path(location), data)
        return location

    def read(self, location: str, /) -> bytes:
        return bytes(self._open().cat_file(self._path(location)))

    def exists(self, location: str, /) -> bool:
        return bool(self._open().exists(self._path(location)))

    def delete(self, location: str, /) -> None:
        files = self._open()
        if files.exists(self._path(location)):
            files.rm_file(self._path(location))

    def _open(self) -> Any:
        if isinstance(self._filesystem, str):
            import fsspec

            # Listings cached by object stores' file systems go stale, so `exists` would answer wrongly.
            options = {"use_listings_cache": False, **self._options} if self._filesystem != "memory" else self._options
            self._filesystem = fsspec.filesystem(self._filesystem, **options)
        return self._filesystem

    def _path(self, location: str) -> str:
        return f"{self.folder}/{_key(location)}"


class S3Storage(FsspecStorage):
    """A bucket of S3 or of a store that speaks it, through s3fs (``pip install s3fs``) and its own chain of
    credentials.

    ``options`` go to ``s3fs.S3FileSystem`` (``endpoint_url=``, ``profile=`` …); ``filesystem`` is one already made.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, name: str = "", filesystem: Any = "s3", **options: Any
    ) -> None:
        super().__init__(
            name or "-".join(filter(None, (bucket, prefix.strip("/").replace("/", "-")))),
            filesystem,
            f"{bucket}/{prefix}",
            **options,
        )


def map_storages(places: Mapping[str, str]) -> None:
    """Say where names lead: ``{name: directory or URL}``, opened when first needed.

    A class's own storage and a registered one go before, ``[storage.NAME]`` and ``[remote.NAME]`` of the repository's
    config after. Replaces what an earlier call said of the same names.
    """
    _PLACES.update(places)


def find_storage(name: str, declared: Storage | str | None = None) -> Storage:
    """The storage of a record's name: the one the class declares, else the registered one. Raises StorageUnknown."""
    if isinstance(declared, Storage) and declared.name == name:
        return declared
    found = _BY_NAME.get(name) or _placed(name)
    if found is None:
        raise StorageUnknown(
            f"no storage named {name!r} is known here",
            hint=f'say where it is: cas.map_storages({{{name!r}: …}}), or [storage.{name}] url = "…" in config.toml',
        )
    return found


def _placed(name: str) -> Storage | None:
    """The storage of a name that the user's configuration maps."""
    place = _PLACES.get(name) or place_of(name)
    if place is None:
        return None
    protocol, scheme, rest = place.partition("://")
    if not scheme or protocol == "file":
        return FileSystem(rest if scheme else place, name=name)
    return FsspecStorage(name, protocol, rest)


def call(storage: Storage, verb: str, argument: Any) -> Any:
    """One verb of a storage, awaited where it is async. Raises StorageError, ObjectNotFound for what is not there."""
    try:
        answer = getattr(storage, verb)(argument)
        return _wait(answer) if inspect.isawaitable(answer) else answer
    except CasError:
        raise
    except FileNotFoundError as fault:
        raise ObjectNotFound(
            f"storage {storage.name!r} has nothing at {argument!r}", hint="look whether it was deleted there"
        ) from fault
    except Exception as fault:  # whatever a user's storage raises
        raise StorageError(
            f"storage {storage.name!r} failed to {verb}: {type(fault).__name__}: {fault}",
            hint=f"can it be reached from here, and may you {verb} there? It is {storage!r:.120}",
        ) from fault


def _wait(answer: Any) -> Any:
    async def settle() -> Any:
        return await answer

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(settle())
    # Inside a running loop: a loop of its own on another thread, since this call is synchronous.
    box: list[Any] = []

    def run() -> None:
        try:
            box.append((asyncio.run(settle()), None))
        except BaseException as fault:  # noqa: BLE001  (handed to the caller's thread as it is)
            box.append((None, fault))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, fault = box[0]
    if fault is not None:
        raise fault
    return result


def _key(location: str) -> str:
    """A location of ours: hex digits and nothing that could leave the folder."""
    if not location.isalnum() or not location.isascii():
        raise ObjectNotFound(f"{location!r} is no location of this storage")
    return location
