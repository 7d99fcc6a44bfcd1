"""Values that storages outside the repository keep (docs/format.md, Models): which a push leaves, and copies of them.

A copy is the blob that the record names, among the remote's objects like any other, so it is checked by its id, and who
reads the record there needs no storage of that name.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from cas.errors import CasError, HashMismatch
from cas.literals.plain import decode_plain
from cas.objects.ids import Kind
from cas.remotes.closure import Look, Walk, walk_content
from cas.remotes.reports import Outside
from cas.storage.durable import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from cas.objects.store import ObjectStore
    from cas.remotes.sending import Sender

__all__ = ["Kept", "Read", "copies_of", "copy", "kept", "reader", "reads", "report"]

Read = Callable[[str, str], bytes]
"""From a storage's name and a location to the bytes there. Raises StorageUnknown, ObjectNotFound, StorageError."""
_BATCH = 64 << 20
_READERS: list[Read] = []


def reads(read: Read) -> None:
    """Say how storages are read; whoever knows them does when it is loaded. Replaces what was said."""
    _READERS[:] = [read]


def reader() -> Read:
    """How storages are read."""
    if not _READERS:
        import_module("cas.models.kept")  # a floor above, so by its name, as codecs are found: it says how
    return _READERS[0]


class Kept(NamedTuple):
    """Where a storage keeps a value: its name, the location, the blob that the bytes are, their number."""

    storage: str
    location: str
    blob: bytes
    size: int


def kept(records: Iterable[bytes], load: Callable[[bytes], bytes]) -> list[Kept]:
    """What the records of stored values (blobs, by id) say, each blob once; what is no such record is passed over."""
    found: dict[tuple[str, bytes], Kept] = {}
    for record in records:
        with suppress(CasError):
            match decode_plain(load(record)):
                case {"storage": str(name), "location": str(place), "blob": bytes(blob), "size": int(size)} if (
                    len(blob) == 32
                ):
                    found.setdefault((name, blob), Kept(name, place, blob, size))
    return list(found.values())


def report(values: Iterable[Kept], copied: Collection[bytes] = ()) -> tuple[Outside, ...]:
    """How much lies in each storage, by name; ``copied`` are the blobs that were copied along."""
    by_name: dict[str, list[Kept]] = {}
    for one in values:
        by_name.setdefault(one.storage, []).append(one)
    return tuple(
        Outside(name, len(group), sum(one.size for one in group), sum(one.blob in copied for one in group))
        for name, group in sorted(by_name.items())
    )


def copy(values: Iterable[Kept], read: Read, sender: Sender, workspace: Path) -> set[bytes]:
    """Send copies of those values that the remote lacks; the blobs that are there then.

    Raises HashMismatch where a storage gives other bytes than were put there, and what ``read`` raises.
    """
    by_blob = {one.blob: one for one in values}
    there = sender.held_there(by_blob) if by_blob else set()
    batch: list[Kept] = []
    for blob, one in by_blob.items():
        if blob not in there:
            batch.append(one)
        if sum(each.size for each in batch) >= _BATCH:
            _copy_batch(batch, read, sender, workspace)
            batch = []
    if batch:
        _copy_batch(batch, read, sender, workspace)
    return set(by_blob)


def _copy_batch(batch: Iterable[Kept], read: Read, sender: Sender, workspace: Path) -> None:
    """Cut and pack the values beside the repository, whose own objects they are not, and send what the remote lacks."""
    from cas.objects.store import ObjectStore

    with storage_errors(f"write to {workspace}"):
        workspace.mkdir(parents=True, exist_ok=True)
        place = tempfile.mkdtemp(dir=workspace)
    objects = ObjectStore(place)
    try:
        with objects.writer() as writer:
            for one in batch:
                if writer.put_blob(_content(one, read, sender.objects_here)) != one.blob:
                    raise HashMismatch(
                        f"storage {one.storage!r} gave other bytes at {one.location!r} than were put there",
                        hint="restore that object from a copy; the repository itself is whole",
                    )
        with sender.of(objects) as packed:
            walk = walk_content([one.blob for one in batch], packed.look)
            packed.send(packed.lacked(walk.kinds), walk.kinds)
    finally:
        objects.close()
        shutil.rmtree(place, ignore_errors=True)


def _content(one: Kept, read: Read, objects: ObjectStore) -> bytes:
    return read(one.storage, one.location) if objects.missing((one.blob,)) else objects.read(one.blob, Kind.BLOB)


def copies_of(walk: Walk, load: Callable[[bytes], bytes], look: Look) -> Walk:
    """The copies of what a walk met of stored values, as far as there are any; maps of whole ones only."""
    roots = {one.blob for one in kept(walk.stored, load)}
    copies = walk_content(roots, look)
    for blob in copies.broken(roots):
        copies.maps.pop(blob, None)
    return copies
