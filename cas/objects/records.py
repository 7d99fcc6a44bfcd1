"""Many records of one kind at once, out of sealed packs: hashed together, with little to do for each."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cas.objects.ids import Kind, object_ids
from cas.objects.packs import ENTRY_SIZE

if TYPE_CHECKING:
    from cas.objects.packs import Pack
    from cas.objects.store import ObjectStore

__all__ = ["read_records"]

_head = struct.Struct("<BI").unpack_from
_SAMPLED = 16
_PAGE = 4096


def read_records(store: ObjectStore, kind: Kind, idents: Sequence[bytes]) -> list[bytes]:
    """The verified payloads of records, in order. Raises as :meth:`ObjectStore.read_many` does."""
    found: dict[bytes, bytes] = {}
    missing: Sequence[bytes] = idents
    for pack in _likely_first(store.packs, idents):
        if not missing:
            break
        found.update(_take(pack, kind, missing))
        missing = [ident for ident in missing if ident not in found]
    found.update(zip(missing, store.read_many(missing), strict=True))
    return [found[ident] for ident in idents]


def _likely_first(packs: Sequence[Pack], idents: Sequence[bytes]) -> list[Pack]:
    """The packs, those that hold most of a sample first: what is asked for together was mostly written together."""
    sample = idents[:: max(1, len(idents) // _SAMPLED)]
    return sorted(packs, key=lambda pack: sum(pack.find(ident) < 0 for ident in sample))


def _take(pack: Pack, kind: Kind, idents: Sequence[bytes]) -> dict[bytes, bytes]:
    """Those of the records that lie sound in a pack, as they are."""
    find, pages, end = pack.find, pack.pages, pack.end
    keys: list[bytes] = []
    payloads: list[bytes] = []
    for ident in idents:
        at = find(ident)
        if at < 0:
            continue
        number, length = _head(pages, at)
        start = at + ENTRY_SIZE
        if number == kind and start + length <= end:
            keys.append(ident)
            payloads.append(pages[start : start + length])
    pack.touch(_PAGE * len(payloads))  # each lies on a page of its own, perhaps
    computed = object_ids(kind, payloads)
    if computed == keys:
        return dict(zip(keys, payloads, strict=True))
    return {key: one for key, one, ident in zip(keys, payloads, computed, strict=True) if key == ident}
