"""``memory://name/path``: the memory of this process, through fsspec's memory filesystem; for tests and notebooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cas.clock import from_datetime
from cas.remotes.backends.loading import load
from cas.remotes.store import Reply, WriteStore
from cas.remotes.urls import Location
from cas.storage.contract import FileInfo

__all__ = ["open_store"]

# fsspec's own create looks first and writes then.
_CREATING = threading.Lock()


def open_store(location: Location, _options: Mapping[str, str]) -> WriteStore:
    """The files below a path; every store of one name in this process sees the same ones."""
    return WriteStore(lambda: MemoryClient(location))


class MemoryClient:
    """fsspec's memory filesystem, with a create of our own."""

    listable = True
    errors: tuple[type[Exception], ...] = (OSError,)
    attempts = 1

    def __init__(self, location: Location) -> None:
        self.url = location.url
        self._root = f"/{location.host}/{location.full('')}"
        self._filesystem: Any = load("fsspec.implementations.memory", "memory", "memory").MemoryFileSystem()

    def get(self, name: str, start: int, end: int | None) -> Reply:
        """Slice the file."""
        content = self._file(name).getvalue()
        return Reply(content[start:end], len(content))

    def info(self, name: str) -> FileInfo | None:
        """Look at one file."""
        try:
            file = self._file(name)
        except FileNotFoundError:
            return None
        return FileInfo(name, file.getbuffer().nbytes, from_datetime(file.modified))

    def walk(self, prefix: str) -> Iterator[FileInfo]:
        """Look at all names there are."""
        for path in list(self._filesystem.store):
            name = path[len(self._root) :]
            if path.startswith(self._root) and name.startswith(prefix):
                info = self.info(name)
                if info is not None:
                    yield info

    def put_new(self, name: str, content: bytes) -> None:
        """Create under the one lock."""
        with _CREATING:
            if self._root + name in self._filesystem.store:
                raise FileExistsError(name)
            self._filesystem.pipe_file(self._root + name, content)

    def put_new_file(self, name: str, path: Path) -> None:
        """The same from a file, read whole: it will be in memory anyway."""
        self.put_new(name, path.read_bytes())

    def remove(self, name: str) -> None:
        """Forget one file."""
        with _CREATING:
            self._filesystem.store.pop(self._root + name, None)

    def close(self) -> None:
        """Nothing to let go of: the files live as long as the process."""

    def _file(self, name: str) -> Any:
        try:
            return self._filesystem.store[self._root + name]
        except KeyError:
            raise FileNotFoundError(name) from None
