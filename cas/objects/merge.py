"""Merging packs as they pile up, so that a look-up asks few of them.

Packs fall into classes by size, each eight times the one before; when a class holds a crowd, its packs become one.
Every byte is thus copied a few times at most, whatever the number of writes.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.errors import CorruptObject
from cas.objects.appending import AppendFile
from cas.objects.ids import Kind
from cas.objects.limits import Limits
from cas.objects.packs import ENTRY, ENTRY_SIZE, Pack, footer
from cas.storage.durable import storage_errors, typed

if TYPE_CHECKING:
    from cas.objects.store import ObjectStore

__all__ = ["LOCK", "MERGING", "merge"]

LOCK = "merge.lock"
# Not ".open": copies of records tell no story of running spans, so a salvager must not read one into them.
MERGING = ".merging"
_FIRST_CLASS = 64 * 1024
_BATCH = 8 << 20


def merge(store: ObjectStore) -> int:
    """Merge one crowd of packs into one, if there is any; how many went away.

    Nothing goes away before its successor is durable. A crowd with damage in it is left as it is, for fsck.
    Another process that merges already is left to it.
    """
    if not _crowd(store.packs, store.limits):
        return 0
    with storage_errors(f"merge packs in {store.directory}"):
        lock = os.open(store.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in store.directory.glob(f"*{MERGING}"):
                left.unlink()  # its merger died: we hold the lock
            store.refresh()
            victims = _crowd(store.packs, store.limits)
            return _replace(store, victims) if victims else 0
        except BlockingIOError:
            return 0
        finally:
            os.close(lock)


def _replace(store: ObjectStore, victims: list[Pack]) -> int:
    file = AppendFile(store.directory, MERGING)
    try:
        places, mapped = _copy(victims, file)
        end = file.size
        file.append([footer(end, places, [victim.name.partition(".")[0] for victim in victims], mapped)])
        sealed = file.seal()
    except CorruptObject:
        file.drop()
        return 0
    except OSError as error:
        file.drop()
        raise typed(f"merge packs in {store.directory}", error) from error
    store.admit(sealed)
    for victim in victims:
        with suppress(FileNotFoundError):
            (store.directory / victim.name).unlink()
    store.drop(victims)
    return len(victims)


def _copy(victims: list[Pack], file: AppendFile) -> tuple[dict[bytes, int], set[int]]:
    """Append every entry once, as it is stored, verified first; where each begins, and the sizes of mapped blobs."""
    places: dict[bytes, int] = {}
    chosen = _choose(victims)
    mapped: set[int] = set()
    views: list[bytes | memoryview] = []
    at, waiting = file.size, 0
    for key, (pack, offset) in chosen.items():
        kind, _, payload = pack.entry(offset)
        if kind is Kind.MAP:
            mapped.add(int.from_bytes(payload[32:40], "little"))
        size = ENTRY_SIZE + ENTRY.unpack_from(pack.pages, offset)[1]
        places[key] = at
        views.append(pack.pages[offset : offset + size])
        at += size
        waiting += size
        if waiting >= _BATCH:
            file.append([b"".join(views)])
            views, waiting = [], 0
    file.append([b"".join(views)])
    return places, mapped


def _choose(victims: list[Pack]) -> dict[bytes, tuple[Pack, int]]:
    """Which entry stands for each key; bytes rather than a map of them, since chunks must be bytes."""
    chosen: dict[bytes, tuple[Pack, int]] = {}
    for pack in victims:
        for offset in pack.places():
            is_map = pack.kind(offset) is Kind.MAP
            start = offset + (ENTRY_SIZE if is_map else 5)
            key = pack.pages[start : start + 32]
            if key not in chosen or not is_map:
                chosen[key] = (pack, offset)
    return chosen


def _crowd(packs: tuple[Pack, ...], limits: Limits) -> list[Pack]:
    """The packs of the first class that holds a crowd, smallest first, as far as they make a pack of bearable size."""
    classes: dict[int, list[Pack]] = {}
    for pack in packs:
        classes.setdefault(_class(len(pack.pages)), []).append(pack)
    for _, members in sorted(classes.items()):
        if len(members) < limits.crowd:
            continue
        whole = [pack for pack in members if not pack.scanned and pack.is_sound()]
        whole.sort(key=lambda pack: len(pack.pages))
        taken, total = 0, 0
        for pack in whole:
            total += len(pack.pages)
            if total > limits.merged:
                break
            taken += 1
        if taken * 2 >= limits.crowd:
            return whole[:taken]
    return []


def _class(size: int) -> int:
    """0 up to 64 KiB, then one more for every factor of eight."""
    number = 0
    while size > _FIRST_CLASS:
        size >>= 3
        number += 1
    return number
