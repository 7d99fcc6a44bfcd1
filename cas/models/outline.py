"""A span and everything below it as people look at it: each span with what it labelled and published."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cas.models.below import below as tree_below
from cas.models.searchable import titles_of
from cas.models.tree import SpanId, locate
from cas.repository.info import SpanInfo

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["OutlineItem", "OutlineSpan", "outline"]


class OutlineItem(NamedTuple):
    """Something that a span made: its label there or the ref it was put under, its id, and what it is."""

    label: str | None
    ref: str | None
    id: str
    title: str


class OutlineSpan(NamedTuple):
    """A span in an outline: how deep below the first one it is, what it made, and how many spans inside it follow."""

    info: SpanInfo
    depth: int
    made: list[OutlineItem]
    children: int


def outline(repository: Repository, span_id: SpanId, *, depth: int | None = None) -> list[OutlineSpan]:
    """A span and those below it (at most ``depth`` levels), each after its parent, in creation order.

    Raises SpanNotFound.
    """
    with repository.lock:
        ident, queries, root = locate(repository, span_id)
        tree = tree_below(repository, queries)
        rows = [root, *tree.descendants(ident)]
        links = [*queries.outputs(ident), *tree.outputs_below(ident)]
        titles = titles_of(repository, [link.artifact for link in links if link.artifact is not None])
    made: dict[bytes, list[OutlineItem]] = {}
    for link in links:
        if link.artifact is not None:
            title = titles.get(link.artifact, "")
            made.setdefault(link.span, []).append(OutlineItem(link.name, link.asked, link.artifact.hex(), title))
    below: dict[bytes | None, list[SpanInfo]] = {}
    for row in rows[1:]:
        below.setdefault(row.parent, []).append(SpanInfo.of(row))
    found: list[OutlineSpan] = []
    waiting = [(SpanInfo.of(root), 0)]
    while waiting:
        info, level = waiting.pop()
        one = bytes.fromhex(info.id)
        inside = below.get(one, []) if depth is None or level < depth else []
        found.append(OutlineSpan(info, level, made.get(one, []), len(inside)))
        waiting += [(child, level + 1) for child in reversed(inside)]
    return found
