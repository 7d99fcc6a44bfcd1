"""A directory's path or ``file://``: the store of local repositories, with its hard-link create-if-absent."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cas.errors import RemoteProtocol
from cas.remotes.urls import Location
from cas.storage.durable import create_file, place_file, storage_errors
from cas.storage.local import LocalStore

__all__ = ["DirectoryStore", "open_store"]


def open_store(location: Location, _options: Mapping[str, str]) -> DirectoryStore:
    """The directory, which the first create makes."""
    return DirectoryStore(Path(location.path))


class DirectoryStore(LocalStore):
    """A directory as a remote (cas.storage.contract.UploadingStore)."""

    @property
    def url(self) -> str:
        """The directory's path."""
        return str(self.root)

    @property
    def workspace(self) -> Path:
        """Where files meant for this store are best made: they need no copying then."""
        return self.root / "tmp"

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """As the local store's, but of files only: others write there too, and a named pipe would never answer."""
        path = f"{self._base}/{name}"
        with storage_errors(f"read {path}"), open(path, "rb", opener=_open_file) as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def create_from_file(self, name: str, path: Path) -> bool:
        """Copy a file under a name that is absent, durably and atomically; False where it exists already.

        One made in the workspace is not copied.
        """
        if path.parent == self.workspace:
            return place_file(path, self.root / name)
        with storage_errors(f"read {path}"), path.open("rb") as file:
            if not path.stat().st_size:
                return self.create(name, b"")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
                return create_file(self.root / name, content, self.root / "tmp")

    def close(self) -> None:
        """Nothing to let go of."""


def _open_file(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RemoteProtocol(f"{path} is not a file")
    return descriptor
