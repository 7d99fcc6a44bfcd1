"""A directory as a store: every capability of the ladder, durable on each create."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from cas.errors import StorageError
from cas.storage.durable import create_file, fsync_directory, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from cas.storage.contract import FileInfo

__all__ = ["LocalStore"]

_TEMPORARY = "tmp"


class LocalStore:
    """The files below ``root``; ``root/tmp`` is for files on their way to a name and is never listed."""

    listable = True

    def __init__(self, root: Path | str) -> None:
        self._base = os.fspath(root)
        self._kept: dict[str, int] = {}  # open directories: opening one is a sixth of what creating a file in it takes

    def close(self) -> None:
        """Let go of the directories that are kept open; the next create opens its own again."""
        while self._kept:
            os.close(self._kept.popitem()[1])

    __del__ = close

    @cached_property
    def root(self) -> Path:
        """The directory."""
        from pathlib import Path  # here: it costs a cold `cas resolve` a fifteenth of its time, which needs none

        return Path(self._base)

    def __repr__(self) -> str:
        return f"LocalStore({self._base!r})"

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """The files whose name begins with ``prefix``, by name; symbolic links are not followed, nor listed."""
        folder, _, _ = prefix.rpartition("/")
        found: list[FileInfo] = []
        with storage_errors(f"list {self._base}/{prefix}"):
            _walk(self._base, folder, prefix, found)
        found.sort()
        return iter(found)

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        try:
            os.stat(f"{self._base}/{name}")  # noqa: PTH116 - a Path per probe would double its cost
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StorageError(f"cannot look at {self._base}/{name}: {error.strerror}") from error
        return True

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """The file's bytes from ``offset``, exactly ``length`` of them where given (fewer only at its end)."""
        with storage_errors(f"read {self._base}/{name}"), open(f"{self._base}/{name}", "rb") as file:
            if offset:
                file.seek(offset)
            return file.read() if length is None else file.read(length)

    def create(self, name: str, content: bytes) -> bool:
        """Create the file if it is absent, durably and atomically; False where it exists already."""
        return create_file(f"{self._base}/{name}", content, f"{self._base}/{_TEMPORARY}", self._kept)

    def delete(self, name: str) -> None:
        """Delete the file durably; one that is missing is fine."""
        path = self.root / name
        with storage_errors(f"delete {path}"):
            try:
                path.unlink()
            except FileNotFoundError:
                return
            fsync_directory(path.parent)


def _walk(base: str, folder: str, prefix: str, found: list[FileInfo]) -> None:
    """Collect into ``found`` the files below base/folder whose names begin with prefix."""
    from cas.storage.contract import FileInfo  # here, since most processes list nothing

    pending = [folder]
    while pending:
        folder = pending.pop()
        try:
            entries = os.scandir(f"{base}/{folder}" if folder else base)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if name != _TEMPORARY and (name.startswith(prefix) or prefix.startswith(f"{name}/")):
                        pending.append(name)
                elif name.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    found.append(FileInfo(name, status.st_size, status.st_mtime_ns // 1000))
