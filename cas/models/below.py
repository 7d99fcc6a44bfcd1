"""What lies below a span, wherever each part of it is known.

A tree of spans may be told in parts: an open span by this process, those that a pool's workers opened inside it by the
log, or by the open packs of other processes. Where one place tells all of it, that one is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from cas.catalog import rows
from cas.catalog.rows import SpanRow
from cas.catalog.spans import LinkRow, SpanQueries
from cas.models.tree import near

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["Below", "below"]


class Below(Protocol):
    """Questions down the tree; see :class:`SpanQueries`."""

    def packed_children(self, span: bytes, limit: int | None = None, offset: int = 0) -> list[bytes]: ...

    def packed_descendants(self, span: bytes, limit: int | None = None, offset: int = 0) -> list[bytes]: ...

    def descendants(self, span: bytes) -> list[SpanRow]: ...

    def outputs_below(self, span: bytes) -> list[LinkRow]: ...


def below(repository: Repository, around: SpanQueries) -> Below:
    """What to ask about the spans below one that was found ``around``. Hold the repository's lock.

    Spans that others have open below one that is known here are told once they close: until then one had to go through
    all that those others have written, each time.
    """
    found = list(near(repository))
    if not any(around.is_same(place) for place in found):
        found.append(around)  # another process has it open
    return found[0] if len(found) == 1 else _Several(found)


class _Several:
    """Several places at once; what the first of them says of a span counts."""

    def __init__(self, places: Sequence[SpanQueries]) -> None:
        self._places = places

    def packed_children(self, span: bytes, limit: int | None = None, offset: int = 0) -> list[bytes]:
        found: dict[bytes, SpanRow] = {}
        for place in self._places:
            for row in place.children(span):
                found.setdefault(row.id, row)
        return _packed(sorted(found.values(), key=_age), limit, offset)

    def packed_descendants(self, span: bytes, limit: int | None = None, offset: int = 0) -> list[bytes]:
        found = self._walk(span)
        alone = _alone(found)
        if alone is not None:
            return alone.packed_descendants(span, limit, offset)
        return _packed([row for row, _ in _by_depth(span, found)], limit, offset)

    def descendants(self, span: bytes) -> list[SpanRow]:
        return [row for row, _ in _by_depth(span, self._walk(span))]

    def outputs_below(self, span: bytes) -> list[LinkRow]:
        found = self._walk(span)
        alone = _alone(found)
        if alone is not None:
            return alone.outputs_below(span)
        return [link for row, place in _by_depth(span, found) for link in place.outputs(row.id)]

    def _walk(self, span: bytes) -> _Found:
        """All spans below: those that a place links to the span, and to what another place tells of."""
        told: list[tuple[SpanQueries, dict[bytes, SpanRow]]] = [(place, {}) for place in self._places]
        found: _Found = {}
        starts = {span}
        while starts:
            for place, below_there in told:
                for start in place.parents(starts - below_there.keys()):
                    below_there.update((row.id, row) for row in place.descendants(start))
            all_told = {ident: (row, place) for place, there in reversed(told) for ident, row in there.items()}
            starts, found = all_told.keys() - found.keys(), all_told
        return found


_Found = dict[bytes, tuple[SpanRow, SpanQueries]]


def _alone(found: _Found) -> SpanQueries | None:
    """The place that tells all of it, if one does."""
    tellers = {id(place): place for _, place in found.values()}
    return next(iter(tellers.values())) if len(tellers) == 1 else None


def _by_depth(root: bytes, found: _Found) -> list[tuple[SpanRow, SpanQueries]]:
    """Depth by depth, each depth oldest first."""
    inside: dict[bytes | None, list[tuple[SpanRow, SpanQueries]]] = {}
    for row, place in found.values():
        inside.setdefault(row.parent, []).append((row, place))
    ordered: list[tuple[SpanRow, SpanQueries]] = []
    level = [root]
    while level:
        part = sorted((one for above in level for one in inside.get(above, ())), key=lambda one: _age(one[0]))
        ordered += part
        level = [row.id for row, _ in part]
    return ordered


def _age(row: SpanRow) -> tuple[int, bytes]:
    return row.opened, row.id[:6]


def _packed(found: Sequence[SpanRow], limit: int | None, offset: int) -> list[bytes]:
    return [rows.pack(row) for row in found[offset : None if limit is None else offset + limit]]
