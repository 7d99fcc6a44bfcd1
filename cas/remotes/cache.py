"""Keeping a cache of packs within bounds: what was used longest ago goes first, and nothing that only lies here.

Safe for several processes: one trims at a time, a pack that went away stays readable for who has it open, and is
brought again by who misses it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.storage.durable import storage_errors

if TYPE_CHECKING:
    from cas.objects.packs import Pack
    from cas.objects.store import ObjectStore
    from cas.remotes.inventory import Inventory

__all__ = ["note_use", "trim"]


def note_use(objects: ObjectStore) -> None:
    """Let the packs that this process read from count as used now."""
    for pack in objects.packs:
        if pack.used:
            pack.used = False
            with suppress(FileNotFoundError):
                os.utime(objects.directory / pack.name)


def trim(objects: ObjectStore, inventory: Inventory, limit: int) -> int:
    """Remove packs, the least recently used first, until the rest takes at most ``limit`` bytes; the bytes removed.

    A pack goes only if the remote holds every entry of it.
    """
    objects.refresh()
    if sum(len(pack.pages) for pack in objects.packs) <= limit:
        return 0
    with storage_errors(f"trim {objects.directory}"):
        lock = os.open(objects.directory / "trim.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        note_use(objects)
        return _trim(objects, inventory, limit)
    except BlockingIOError:
        return 0
    finally:
        os.close(lock)


def _trim(objects: ObjectStore, inventory: Inventory, limit: int) -> int:
    ages: list[tuple[int, Pack]] = []
    for pack in objects.packs:
        with suppress(FileNotFoundError):
            ages.append(((objects.directory / pack.name).stat().st_mtime_ns, pack))
    ages.sort(key=lambda pair: pair[0])
    held = sum(len(pack.pages) for _, pack in ages)
    gone: list[Pack] = []
    for _, pack in ages:
        if held <= limit:
            break
        if _is_there(pack, inventory):
            with suppress(FileNotFoundError):
                (objects.directory / pack.name).unlink()
            gone.append(pack)
            held -= len(pack.pages)
    objects.drop(gone)
    return sum(len(pack.pages) for pack in gone)


def _is_there(pack: Pack, inventory: Inventory) -> bool:
    """Whether the remote holds all that a pack does, by first eight bytes of keys."""
    keys = bytes(pack.prefixes())
    rest = bytes(24)  # what is asked for are whole keys, of which only these bytes count
    wanted = {keys[at : at + 8] + rest for at in range(0, len(keys), 8)}
    if not inventory.missing(wanted):
        return True
    inventory.look()
    inventory.read_all()
    return not inventory.missing(wanted)
