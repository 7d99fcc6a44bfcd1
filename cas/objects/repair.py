"""Putting damaged packs aside: what can be read of them goes into a new pack, and what cannot counts as missing.

A damaged entry otherwise stands in the way of its cure: who puts the same bytes again finds them stored already.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from cas.errors import Locked, PackCorrupt
from cas.objects.appending import AppendFile
from cas.objects.check import Damage, sound_entries
from cas.objects.ids import Kind
from cas.objects.merge import LOCK, MERGING
from cas.objects.packs import ENTRY_SIZE, Pack, footer, open_pack
from cas.storage.durable import fsync_directory, storage_errors

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["ASIDE", "put_aside"]

ASIDE = ".damaged"
_PACK = ".pack"
_BATCH = 8 << 20


def put_aside(store: ObjectStore, damage: Iterable[Damage]) -> list[str]:
    """Copy what is sound of every sealed pack with damage, and rename that pack to ``.damaged``; the new names.

    Nothing is renamed before its copy is durable. Packs that are still open are left to their writers. Raises Locked
    while another process merges packs, StorageError, StorageFull.
    """
    bad: dict[str, set[int]] = {}
    for one in damage:
        if one.pack.endswith(_PACK):
            bad.setdefault(one.pack, set()).add(-1 if one.offset is None else one.offset)
    with storage_errors(f"repair {store.directory}"):
        lock = os.open(store.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return [_replace(store, name, offsets) for name, offsets in sorted(bad.items())]
        except BlockingIOError:
            raise Locked("another process merges packs", hint="run it again in a moment: cas fsck --repair") from None
        finally:
            os.close(lock)


def _replace(store: ObjectStore, name: str, bad: Collection[int]) -> str:
    path = store.directory / name
    try:
        pack = open_pack(path)
    except PackCorrupt:  # nothing of it can be read
        gone = []
    else:
        _copy(store, pack, bad)
        gone = [pack]
    aside = path.with_suffix(ASIDE)
    path.rename(aside)
    fsync_directory(store.directory)
    store.drop(gone)
    store.refresh()
    return aside.name


def _copy(store: ObjectStore, pack: Pack, bad: Collection[int]) -> None:
    """Write the entries that are sound, as they are stored, to a pack of their own; where there are any."""
    places: dict[bytes, int] = {}
    mapped: set[int] = set()
    file = AppendFile(store.directory, MERGING)
    try:
        views: list[bytes | memoryview] = []
        at, waiting = file.size, 0
        for entry in sound_entries(pack):
            if entry.offset in bad or entry.key in places:
                continue
            if entry.kind is Kind.MAP:
                start = entry.offset + ENTRY_SIZE
                mapped.add(int.from_bytes(pack.pages[start + 32 : start + 40], "little"))
            places[entry.key] = at
            views.append(pack.pages[entry.offset : entry.end])
            at += entry.end - entry.offset
            waiting += entry.end - entry.offset
            if waiting >= _BATCH:
                file.append([b"".join(views)])
                views, waiting = [], 0
        if not places:
            file.drop()
            return
        file.append([b"".join(views)])
        # It replaces nothing: not all that the other held is in it.
        file.append([footer(file.size, places, (), mapped)])
        store.admit(file.seal())
    except OSError:
        file.drop()
        raise
