"""Directories to trees and back: modes, symbolic links and empty directories are kept, everything else is refused."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cas.errors import CodecError, CorruptObject, FileChanged, LimitExceeded, StorageError, TypeMismatch
from cas.objects.blobs import write_blob
from cas.objects.chunks import SMALL
from cas.objects.ids import Kind, TreeId
from cas.objects.moved import MOVED
from cas.objects.trees import Blob, Link, LiteralRef, Tree, TreeEntry, decode_tree, encode_tree, tree_size
from cas.storage.durable import fsync_directory, make_directories, storage_errors, typed, write_all

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore
    from cas.objects.writer import PackWriter

__all__ = ["export_tree", "put_directory"]

_BATCH = 8 << 20
_MAX_DEPTH = 1000


# What was listed is no more, or is something else by now.
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_QUIET = "run it again when nobody writes to it"


class _Folder(NamedTuple):
    """A directory found: its path, permission bits and members so far; subdirectories by name."""

    path: str
    mode: int
    members: dict[str, TreeEntry]
    folders: dict[str, _Folder]


def put_directory(writer: PackWriter, path: Path) -> tuple[TreeId, int]:
    """Store a directory as a tree; its id and the bytes of its files. The repository itself is left out, as git's is.

    Raises CodecError for devices, sockets, pipes and names that are not UTF-8; FileChanged; StorageError.
    """
    with storage_errors(f"read {path}"):
        root = os.path.realpath(path)
        batch = _Batch(writer)
        try:
            order = _walk(root, batch, os.path.realpath(writer.store.directory.parent))
        except PermissionError as error:
            raise typed(f"read {os.fsdecode(error.filename or root)}", error) from error
        except OSError as error:
            if error.errno in _GONE and Path(root).is_dir():
                raise FileChanged(
                    f"{os.fsdecode(error.filename or root)} went away while its directory was read", hint=_QUIET
                ) from error
            raise
        batch.put()
    trees: dict[int, Tree] = {}
    # Every directory stands before those in it, so one pass from the back meets each tree after its members.
    for folder in reversed(order):
        for name, inner in folder.folders.items():
            folder.members[name] = trees.pop(id(inner))
        ident = TreeId(writer.put_record(Kind.TREE, encode_tree(folder.members)))
        trees[id(folder)] = Tree(ident, tree_size(folder.members), folder.mode)
    top = trees[id(order[0])]
    return top.id, top.size


class _Batch:
    """Small files on their way in, stored many at a time."""

    def __init__(self, writer: PackWriter) -> None:
        self._writer = writer
        self._places: list[tuple[dict[str, TreeEntry], str, int]] = []
        self._payloads: list[bytes] = []
        self._size = 0

    def add(self, folder: dict[str, TreeEntry], name: str, path: str) -> None:
        """Take a file in; its entry is in ``folder`` after the next put."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileChanged(f"{path} changed while its directory was read", hint=_QUIET)
            mode = stat.S_IMODE(status.st_mode) & 0o777
            if status.st_size > SMALL:
                blob, size = self._writer.put_file(path)
                folder[name] = Blob(blob, size, mode)
                return
            payload = os.read(descriptor, SMALL + 1)
            if len(payload) != status.st_size or os.fstat(descriptor).st_mtime_ns != status.st_mtime_ns:
                raise FileChanged(f"{path} changed while it was read", hint=_QUIET)
        finally:
            os.close(descriptor)
        self._places.append((folder, name, mode))
        self._payloads.append(payload)
        self._size += len(payload)
        if self._size >= _BATCH:
            self.put()

    def put(self) -> None:
        """Store what was taken in."""
        ids = self._writer.put_blobs(self._payloads)
        for (folder, name, mode), ident, payload in zip(self._places, ids, self._payloads, strict=True):
            folder[name] = Blob(ident, len(payload), mode)
        MOVED.get()(self._size)
        self._places, self._payloads, self._size = [], [], 0


def _walk(root: str, batch: _Batch, repository: str) -> list[_Folder]:
    """All directories below root, each before its subdirectories, but ``repository``; their files go to the batch."""
    order = [_Folder(root, 0, {}, {})]
    for folder in order:
        with os.scandir(folder.path) as entries:
            for entry in entries:
                name = _checked(entry.name, folder.path)
                if entry.is_symlink():
                    folder.members[name] = Link(_checked(str(Path(entry.path).readlink()), folder.path))
                elif entry.is_dir(follow_symlinks=False):
                    if entry.path == repository:
                        continue
                    mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & 0o777
                    inner = _Folder(entry.path, mode, {}, {})
                    folder.folders[name] = inner
                    order.append(inner)
                elif entry.is_file(follow_symlinks=False):
                    batch.add(folder.members, name, entry.path)
                else:
                    raise CodecError(
                        f"{entry.path} is a device, socket or pipe; directories, files and links are kept",
                        hint="leave it out: put what is beside it",
                    )
    return order


def _checked(name: str, folder: str) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CodecError(
            f"{os.fsencode(os.path.join(folder, name))!r}: its name is not UTF-8", hint="rename it"
        ) from error
    return name


# --- back to a directory -------------------------------------------------------------------------


def export_tree(store: ObjectStore, tree: TreeId, path: Path) -> None:
    """Write a tree to a new directory ``path``: into a temporary sibling, verified, then renamed.

    Members are created by name within directories that this call itself made, so no link is ever followed.
    The files are not forced to the disk one by one: they can be exported again.
    Raises StorageError where ``path`` exists, PathEscape, TypeMismatch for members that are no files, CorruptObject.
    """
    with storage_errors(f"write {path}"):
        if os.path.lexists(path):
            raise StorageError(f"cannot write {path}: it exists", hint="choose another path, or remove it")
        make_directories(path.parent)
        scratch = path.parent / f".{os.urandom(16).hex()}.partial"
        scratch.mkdir(0o700)
        try:
            modes = _write_tree(store, tree, scratch)
            for folder, mode in reversed(modes):
                folder.chmod(mode)
            if os.path.lexists(path):
                raise StorageError(f"cannot write {path}: it exists", hint="choose another path, or remove it")
            scratch.rename(path)
        except BaseException:
            _remove(scratch)
            raise
        fsync_directory(path.parent)


def _write_tree(store: ObjectStore, tree: TreeId, root: Path) -> list[tuple[Path, int]]:
    """Write everything below a tree; the directories made with the modes they are to get, parents first."""
    pending: list[tuple[TreeId, Path, int]] = [(tree, root, 0)]
    umask = _umask()
    modes: list[tuple[Path, int]] = [(root, 0o777 & ~umask)]
    while pending:
        ident, folder, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise LimitExceeded(f"tree {tree.hex()} is more than {_MAX_DEPTH} levels deep")
        small: list[tuple[Path, Blob]] = []
        for name, entry in decode_tree(store.read(ident, Kind.TREE)).items():
            target = folder / name
            if isinstance(entry, Link):
                target.symlink_to(entry.target)
            elif isinstance(entry, Tree):
                target.mkdir(0o700)
                modes.append((target, entry.mode))
                pending.append((entry.id, target, depth + 1))
            elif isinstance(entry, LiteralRef):
                raise TypeMismatch(f"{name!r} in tree {ident.hex()} is a {entry.type}, not a file or a directory")
            elif entry.size <= SMALL:
                small.append((target, entry))
            else:
                _same_size(target, entry, store.size(entry.id))
                _write_file(target, entry.mode, umask, partial(write_blob, store, entry.id))
        for (target, entry), payload in zip(small, store.read_many([entry.id for _, entry in small]), strict=True):
            _same_size(target, entry, len(payload))
            _write_file(target, entry.mode, umask, partial(_write_payload, payload))
    return modes


def _same_size(target: Path, entry: Blob, size: int) -> None:
    if size != entry.size:
        raise CorruptObject(f"{target.name}: its tree says {entry.size} bytes, blob {entry.id.hex()} has {size}")


def _write_payload(payload: bytes, descriptor: int) -> None:
    write_all(descriptor, payload)


def _write_file(target: Path, mode: int, umask: int, write: Callable[[int], None]) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        write(descriptor)
        if mode & umask:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _remove(scratch: Path) -> None:
    for folder, _, _ in os.walk(scratch):
        with suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(scratch, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
