"""The file of an open pack: exclusive, locked, appended to, sealed once (docs/format.md, Packs)."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from cas.errors import StorageError
from cas.objects.packs import MAGIC
from cas.storage.durable import fsync_directory, fsync_file, make_directories, write_all, write_views
from cas.storage.writeback import WriteBack

__all__ = ["AppendFile"]


class AppendFile:
    """``<directory>/<32 hex>.open``, created and locked; ``size`` counts what is written. Methods raise OSError."""

    def __init__(self, directory: Path, ending: str = ".open") -> None:
        self.directory = directory
        self.descriptor, self.path = _create(directory, ending)
        self.number = self.path.stem
        self.size = 0
        self.synced = 0
        """How much of the file is known to be durable."""
        self._behind = WriteBack(self.descriptor)
        try:
            self.append([MAGIC])
        except OSError:
            self.drop()
            raise

    def append(self, views: list[bytes | memoryview]) -> None:
        """Write the pieces; where that fails the file is as long as before."""
        try:
            if len(views) == 1:
                written = len(views[0])
                write_all(self.descriptor, views[0])
            else:
                written = sum(map(len, views))
                write_views(self.descriptor, views)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
                os.lseek(self.descriptor, self.size, os.SEEK_SET)
            raise
        self.size += written
        self._behind.wrote(written)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that were written."""
        return os.pread(self.descriptor, length, offset)

    def seal(self) -> Path:
        """Make the file durable, read-only and visible as a pack; its path. After an OSError the file must be dropped:
        the kernel reports a failed write-back once only, so a second fsync would lie."""
        self._behind.settle(strict=True)
        fsync_file(self.descriptor)
        os.fchmod(self.descriptor, 0o444)
        sealed = self.path.with_suffix(".pack")
        self.path.rename(sealed)
        self.path = sealed
        fsync_directory(self.directory)
        self.close()
        return sealed

    def sync(self) -> None:
        """Make what was written durable, under the name the file has now. After an OSError the file must be dropped."""
        if self.synced == self.size:
            return
        self._behind.settle(strict=True)
        fsync_file(self.descriptor)
        if not self.synced:
            fsync_directory(self.directory)
        self.synced = self.size

    def drop(self) -> None:
        """Take back what is not durable yet: the tail, or the whole file. What was synced stays for a salvager."""
        self._behind.settle()
        with suppress(OSError):
            if self.synced:
                os.ftruncate(self.descriptor, self.synced)
            else:
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Give the descriptor up, and the lock with it."""
        self._behind.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _create(directory: Path, ending: str) -> tuple[int, Path]:
    """A new locked file. One that a salvager took between its creation and its lock is left to the salvager."""
    for _ in range(100):
        path = directory / f"{os.urandom(16).hex()}{ending}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            make_directories(directory)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if names(path, descriptor):
                return descriptor, path
        except BlockingIOError:
            pass
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
        os.close(descriptor)
    raise StorageError(f"cannot lock a new pack in {directory}: another process takes each one away")


def names(path: Path, descriptor: int) -> bool:
    """Whether the path still names the open file."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
