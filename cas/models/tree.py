"""Which span is meant, and the tree around it: answers from the catalog, or from the spans in flight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cas.catalog.rows import SpanRow
from cas.catalog.spans import SpanQueries
from cas.errors import SpanError, SpanNotFound
from cas.models.inflight import elsewhere, in_flight
from cas.repository import history

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["SpanId", "ancestors", "current_span_id", "locate", "near", "places", "span_bytes"]

SpanId = Any
"""What names a span: its id, a prefix of it, ``%prefix``, a Span, or ``"current"``."""


def current_span_id(repository: Repository) -> bytes | None:
    """The id of the innermost open span, also where a parent process opened it."""
    span = repository.current_span()
    return span.id_bytes if span is not None else None


def span_bytes(repository: Repository, span: SpanId) -> bytes:
    """The 32 bytes of a span's id, which need not exist. Raises SpanError for ``"current"`` outside of spans,
    SpanNotFound.
    """
    if isinstance(span, str) and span == "current":
        found = current_span_id(repository)
        if found is None:
            raise SpanError("no span is open here", hint='open one: with span_context(label="…"):')
        return found
    text = span if isinstance(span, str) else getattr(span, "node_id", None) or getattr(span, "id", None)
    if not isinstance(text, str):
        raise SpanNotFound(f"{span!r:.80} names no span", hint='give its id (span.node_id), or "current" inside of it')
    if len(text) == 64:
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise SpanNotFound(f"{text!r} is no span id", hint="see them: cas span list") from None
    return bytes.fromhex(repository.span_info(text).id)


def locate(repository: Repository, span: SpanId) -> tuple[bytes, SpanQueries, SpanRow]:
    """A span's id, where to ask about it, and its row. Hold the repository's lock. Raises SpanError, SpanNotFound."""
    ident = span_bytes(repository, span)
    for queries in places(repository):
        row = queries.get(ident)
        if row is None:
            continue
        if row.status == "deleted":
            raise SpanNotFound(
                f"span {ident.hex()[:12]} ({row.label!r}) was deleted", hint="see the spans: cas span list"
            )
        return ident, queries, row
    raise SpanNotFound(
        f"no span {ident.hex()[:12]} in {repository.root}",
        hint="see them: cas span list; or is it in another repository?",
    )


def places(repository: Repository) -> Iterator[SpanQueries]:
    """Where spans are known, in the order to ask: those in flight here, the catalog, those of other processes."""
    yield from near(repository)
    others = elsewhere(repository)
    if others is not None:
        yield SpanQueries(lambda: others, repository.objects.read_many)
    history.catch_up_all(repository)  # one that was in flight elsewhere may have entered the log meanwhile
    yield repository.catalog.spans()


def near(repository: Repository) -> Iterator[SpanQueries]:
    """As :func:`places`, without what only others know of: for that all that they have written is gone through."""
    flying = in_flight(repository).queries()
    if flying is not None:
        yield flying
    history.catch_up_all(repository)
    yield repository.catalog.spans()


def ancestors(repository: Repository, span: SpanId) -> list[SpanRow]:
    """The rows of all spans above a span, nearest first, wherever each of them is known."""
    ident, queries, row = locate(repository, span)
    rows = queries.ancestors(ident)
    while (above := (rows[-1] if rows else row).parent) is not None:
        try:
            ident, queries, row = locate(repository, above.hex())
        except SpanNotFound:
            break  # deleted, or in a repository elsewhere
        rows += [row, *queries.ancestors(ident)]
    return rows
