"""Files that survive a power cut, and errors that say what happened.

The protocol for a new file: a temporary name on the same file system, created exclusively → write →
fsync → link or rename into place → fsync of the directory → only then acknowledge.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cas.errors import StorageError, StorageFull, UnsafeRepository

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "create_file",
    "create_temporary",
    "fsync_directory",
    "fsync_file",
    "make_directories",
    "place_file",
    "replace_file",
    "storage_errors",
    "write_all",
    "write_views",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
_NO_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, *_NO_LINKS})
_MAX_VIEWS = 1024  # IOV_MAX on Linux and macOS
_AT_ONCE = 512 << 10  # ext4 takes megabytes in one call half as fast as it takes them in several
_NAMELESS = os.O_TMPFILE | os.O_RDWR if hasattr(os, "O_TMPFILE") else None
_MOST_KEPT = 16  # directories that a store keeps open
_MAX_WRITE = 1 << 30  # macOS refuses writes from 2 GiB, Linux cuts them there


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn any OSError within into StorageFull or StorageError; ``action`` ("write x") begins the message.

    FileNotFoundError passes as it is: whether something missing is an error is the caller's to say.
    """
    try:
        yield
    except (FileNotFoundError, StorageError):
        raise
    except OSError as error:
        raise typed(action, error) from error


def typed(action: str, error: OSError) -> StorageError:
    """The StorageFull or StorageError that says of an OSError what was being done."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageFull(f"cannot {action}: {reason}", hint="free some space, then run it again")
    hint = f"see who may: ls -ld {_there(error.filename or '.cas')}" if isinstance(error, PermissionError) else None
    return StorageError(f"cannot {action}: {reason}", hint=hint)


def _there(path: str | bytes | int) -> str:
    """The path, or of one that is not there yet the directory that should hold it."""
    shown = os.fsdecode(path) if isinstance(path, str | bytes) else "."
    while shown and not os.path.lexists(shown):
        shown = os.path.dirname(shown)  # noqa: PTH120 - no pathlib here
    return shown or "."


def fsync_file(descriptor: int) -> None:
    """Flush a file to the disk itself (on macOS past the drive's cache)."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def fsync_directory(directory: Path | str) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: Path) -> None:
    """Create a directory and its parents, each durably; what exists is fine. Raises OSError."""
    made = []
    while not directory.is_dir():
        made.append(directory)
        directory = directory.parent
    for path in reversed(made):
        with suppress(FileExistsError):
            path.mkdir(0o777)
        fsync_directory(path.parent)


def write_all(descriptor: int, content: bytes | bytearray | memoryview) -> None:
    """Write everything, however often the system stops short. Raises OSError."""
    written = os.write(descriptor, content) if len(content) <= _MAX_WRITE else 0
    if written < len(content):
        view = memoryview(content)[written:]
        while view:
            view = view[os.write(descriptor, view[:_MAX_WRITE]) :]


def write_views(descriptor: int, views: list[bytes | memoryview]) -> None:
    """Write many pieces in order, some half a megabyte with each call. Raises OSError."""
    total = sum(map(len, views))
    step = max(1, min(_MAX_VIEWS, len(views) * _AT_ONCE // max(total, 1)))
    for start in range(0, len(views), step):
        batch = views[start : start + step]
        written = os.writev(descriptor, batch)
        if written != sum(map(len, batch)):
            write_all(descriptor, b"".join(batch)[written:])


def create_temporary(directory: Path) -> tuple[int, Path]:
    """A new empty file that nobody else has: its descriptor, for writing, and its path.

    Raises OSError, UnsafeRepository.
    """
    if directory.is_symlink():
        raise UnsafeRepository(f"{directory} is a symbolic link", hint="replace it by a directory")
    path = directory / os.urandom(16).hex()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600), path
    except FileNotFoundError:
        make_directories(directory)
        return os.open(path, flags, 0o600), path


def create_file(
    path: Path | str, content: bytes | memoryview, temporary: Path | str, kept: dict[str, int] | None = None
) -> bool:
    """Create ``path`` with ``content`` if it is absent, durably and atomically, mode 0444.

    ``temporary`` is a directory on the same file system. ``kept`` are directories that the caller keeps open, by their
    paths: what is opened here is added to them. False where the file exists already (then its name is durable too, so
    that whoever finds it there may rely on it). Raises StorageError, StorageFull.
    """
    try:
        made = _create_nameless(os.fspath(path), content, kept)
        return _create_named(path, content, temporary) if made is None else made
    except (FileNotFoundError, StorageError):
        raise
    except OSError as error:
        error.filename = os.fspath(path)  # it may say “.”, of the directory
        raise typed(f"create {path}", error) from error


def _create_nameless(path: str, content: bytes | memoryview, kept: dict[str, int] | None) -> bool | None:
    """:func:`create_file` by a file that gets its name when it is whole (Linux, open(2), O_TMPFILE): fewer calls, and
    nothing to clear away after a crash. None where the system or the file system cannot."""
    directory, _, name = path.rpartition("/")
    if _NAMELESS is None or not directory:
        return None
    folder = kept.get(directory) if kept else None
    if folder is None:
        try:
            folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        if kept is not None and len(kept) < _MOST_KEPT:
            kept.setdefault(directory, folder)
    try:
        descriptor = os.open(".", _NAMELESS, 0o444, dir_fd=folder)
        try:
            if os.write(descriptor, content[:_MAX_WRITE]) != len(content):
                return None  # a full disk, which the other way is told; or more than one call writes
            fsync_file(descriptor)
            try:
                os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=folder, follow_symlinks=True)
                created = True
            except FileExistsError:
                created = False
        finally:
            os.close(descriptor)
        os.fsync(folder)
        return created
    except OSError as error:
        if error.errno in _NO_NAMELESS:
            return None  # as where the directory that was kept is gone
        raise
    finally:
        if kept is None or kept.get(directory) != folder:
            os.close(folder)


def _create_named(path: Path | str, content: bytes | memoryview, temporary: Path | str) -> bool:
    from pathlib import Path

    path = Path(path)
    descriptor, scratch = create_temporary(Path(temporary))
    try:
        try:
            write_all(descriptor, content)
            os.fchmod(descriptor, 0o444)
            fsync_file(descriptor)
        finally:
            os.close(descriptor)
        try:
            created = _place(scratch, path)
        except FileNotFoundError:
            make_directories(path.parent)
            created = _place(scratch, path)
        fsync_directory(path.parent)
        return created
    finally:
        with suppress(FileNotFoundError):
            scratch.unlink()


def place_file(scratch: Path, path: Path) -> bool:
    """Give a whole file a second name that is absent, durably and atomically, mode 0444; False where it exists.

    Both lie on one file system; the caller removes the first name. Raises StorageError, StorageFull.
    """
    with storage_errors(f"create {path}"):
        descriptor = os.open(scratch, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, 0o444)
            fsync_file(descriptor)
        finally:
            os.close(descriptor)
        make_directories(path.parent)
        created = _place(scratch, path)
        fsync_directory(path.parent)
        return created


def replace_file(path: Path, content: bytes, temporary: Path) -> None:
    """Give ``path`` a new content, durably and atomically: readers see the old or the new. Mode as the umask says.

    ``temporary`` is a directory on the same file system. Raises StorageError, StorageFull.
    """
    with storage_errors(f"write {path}"):
        descriptor, scratch = create_temporary(temporary)
        try:
            try:
                write_all(descriptor, content)
                mask = os.umask(0o077)
                os.umask(mask)
                os.fchmod(descriptor, 0o666 & ~mask)
                fsync_file(descriptor)
            finally:
                os.close(descriptor)
            make_directories(path.parent)
            scratch.replace(path)
            fsync_directory(path.parent)
        finally:
            with suppress(FileNotFoundError):
                scratch.unlink()


def _place(scratch: Path, path: Path) -> bool:
    try:
        os.link(scratch, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _place_by_rename(scratch, path)
    return True


def _place_by_rename(scratch: Path, path: Path) -> bool:
    """For file systems without hard links: one permanent lock file orders exists-then-rename."""
    import fcntl

    lock = os.open(scratch.parent / "create.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.lexists(path):
            return False
        scratch.rename(path)
        return True
    finally:
        os.close(lock)
