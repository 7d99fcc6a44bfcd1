"""Up and down the tree of spans: children, descendants, parent, ancestors, and what they made.

Orders: children and artifacts as they were created, descendants depth by depth, ancestors nearest first. Every function
takes a span's id (or a prefix, a Span, or ``"current"``) and raises SpanNotFound for one that is not there, SpanError
for ``"current"`` outside of spans.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cas.catalog.spans import LinkRow
from cas.errors import UsageError
from cas.models import batch
from cas.models.below import below
from cas.models.span import Span, span_of, spans_of
from cas.models.tree import SpanId, ancestors, locate
from cas.repository.current import current
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = [
    "LabelledArtifact",
    "read_ancestor_spans",
    "read_child_artifacts",
    "read_child_spans",
    "read_descendant_artifacts",
    "read_descendant_spans",
    "read_parent_span",
    "read_span",
    "stream_descendant_artifacts",
]


class LabelledArtifact(NamedTuple):
    """An artifact of a span: its label there, its id, the id of the span, and the value."""

    label: str
    id: str
    span_id: str
    value: Any


def read_span(span_id: SpanId) -> Span:
    """One span."""
    repository = current()
    with repository.lock:
        return span_of(locate(repository, span_id)[2])


def read_child_spans(span_id: SpanId, *, limit: int | None = None, offset: int = 0) -> list[Span]:
    """The spans opened directly inside a span."""
    return _spans(span_id, limit, offset, direct=True)


def read_descendant_spans(span_id: SpanId, *, limit: int | None = None, offset: int = 0) -> list[Span]:
    """All spans below a span."""
    return _spans(span_id, limit, offset, direct=False)


def read_parent_span(span_id: SpanId) -> Span | None:
    """The span that a span was opened in; None at the root."""
    repository = current()
    with repository.lock:
        parent = locate(repository, span_id)[2].parent
        return None if parent is None else span_of(locate(repository, parent.hex())[2])


def read_ancestor_spans(span_id: SpanId, *, limit: int | None = None, offset: int = 0) -> list[Span]:
    """All spans above a span."""
    _check_page(limit, offset)
    repository = current()
    with repository.lock:
        return [span_of(row) for row in _page(ancestors(repository, span_id), limit, offset)]


def read_child_artifacts(span_id: SpanId, *, limit: int | None = None, offset: int = 0) -> list[LabelledArtifact]:
    """The labelled artifacts of a span itself, with their values."""
    return _artifacts(links_of(current(), span_id)[1], limit, offset)


def read_descendant_artifacts(span_id: SpanId, *, limit: int | None = None, offset: int = 0) -> list[LabelledArtifact]:
    """The labelled artifacts of a span and of all spans below it, with their values."""
    return _artifacts(links_from(current(), span_id), limit, offset)


def stream_descendant_artifacts(span_id: SpanId, *, page: int = 1000) -> Iterator[LabelledArtifact]:
    """As :func:`read_descendant_artifacts`, one by one: the values are read ``page`` at a time."""
    _check_page(page, 0)
    repository = current()
    return stream(repository, links_from(repository, span_id), page=max(page, 1))


def links_of(repository: Repository, span_id: SpanId) -> tuple[bytes, list[LinkRow]]:
    """A span's id and its labelled artifacts, in order."""
    with repository.lock:
        ident, queries, _ = locate(repository, span_id)
        return ident, [row for row in queries.outputs(ident) if row.name is not None]


def links_from(repository: Repository, span_id: SpanId) -> list[LinkRow]:
    """The labelled artifacts of a span and of all below it, in order."""
    with repository.lock:
        ident, queries, _ = locate(repository, span_id)
        links = [row for row in queries.outputs(ident) if row.name is not None]
        return [*links, *(row for row in below(repository, queries).outputs_below(ident) if row.name is not None)]


def labelled(repository: Repository, rows: Sequence[LinkRow], *, lazy: bool = False) -> list[LabelledArtifact]:
    """The values of labelled artifacts; each becomes an input of the current span, unless that made it."""
    return list(stream(repository, rows, lazy=lazy))


def stream(
    repository: Repository, rows: Sequence[LinkRow], *, lazy: bool = False, page: int = 1000
) -> Iterator[LabelledArtifact]:
    """As :func:`labelled`, read ``page`` at a time."""
    span = repository.current_span()
    for start in range(0, len(rows), page):
        part = [row for row in rows[start : start + page] if row.artifact is not None]
        ids = [row.artifact for row in part if row.artifact is not None]
        versions = [
            ArtifactVersion(repository, ident, None, record=record, span=row.span)
            for row, ident, record in zip(part, ids, batch.read_records(repository, ids), strict=True)
        ]
        if span is not None:
            for version in versions:
                if version.span != span.id:
                    span.read(version)
        values = batch.read_values(repository, versions, lazy=lazy)
        for row, ident, value in zip(part, ids, values, strict=True):
            yield LabelledArtifact(row.name or "", ident.hex(), row.span.hex(), value)


def _spans(span_id: SpanId, limit: int | None, offset: int, *, direct: bool) -> list[Span]:
    _check_page(limit, offset)
    repository = current()
    with repository.lock, _uncollected():
        ident, queries, _ = locate(repository, span_id)
        tree = below(repository, queries)
        return spans_of((tree.packed_children if direct else tree.packed_descendants)(ident, limit, offset))


def _artifacts(links: Sequence[LinkRow], limit: int | None, offset: int) -> list[LabelledArtifact]:
    _check_page(limit, offset)
    return labelled(current(), _page(links, limit, offset))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No cyclic garbage collection while spans are made by the ten thousand: none is garbage, and walking all that the
    process holds would take as long again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check_page(limit: int | None, offset: int) -> None:
    """Raise UsageError unless both are counts."""
    for name, count in (("limit", 0 if limit is None else limit), ("offset", offset)):
        if not isinstance(count, int) or count < 0:
            raise UsageError(f"{name}= is a count from 0 up, not {count!r:.40}")


def _page(rows: Sequence[Any], limit: int | None, offset: int) -> Sequence[Any]:
    return rows[offset : None if limit is None else offset + limit]
