"""Deleting spans and artifacts: a tombstone in the log. Bytes go when they are collected, once nothing refers to them.

What depends on something is told first: :func:`plan_delete` lists it, the deletions return the same list. Nothing that
depends on what was deleted is touched: it keeps its inputs' ids, and other names of the same content go on reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cas.catalog.rows import SpanRow
from cas.catalog.spans import SpanQueries
from cas.errors import SpanError
from cas.models import access
from cas.models.below import below
from cas.models.inflight import elsewhere
from cas.models.tree import SpanId, locate, places
from cas.objects.ids import Kind, ObjectId
from cas.objects.ids import SpanId as SpanBytes
from cas.refs.entries import Entry, SpanEntry
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import lineage, publishing, resolving
from cas.repository.current import current
from cas.repository.info import SpanInfo
from cas.spans import records

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["Deletion", "delete_artifact", "delete_span", "plan_delete_artifact", "plan_delete_span"]


class Deletion(NamedTuple):
    """What goes: ``spans`` and ``artifacts`` by id, and refs; and ``dependents``, the spans that stay and read some of
    it.
    """

    spans: list[str]
    artifacts: list[str]
    refs: list[str]
    dependents: list[SpanInfo]


def plan_delete_span(span_id: SpanId) -> Deletion:
    """What :func:`delete_span` would take away, and what depends on it."""
    repository = current()
    with repository.lock:
        return _plan(repository, span_id)[0]


def delete_span(span_id: SpanId) -> Deletion:
    """Delete a span, the spans below it and their labelled artifacts. What they published stays under its refs.

    Raises SpanError while one of them is open, or part of a run that goes on in another process.
    """
    repository = current()
    with repository.lock:
        repository.session.writer()  # refused where the repository can only be read
        plan, rows = _plan(repository, span_id)
        _check_over(repository, rows)
        _publish(repository, [_closing(repository, row, "deleted") for row in rows], rows)
        return plan


def plan_delete_artifact(artifact: str) -> Deletion:
    """What :func:`delete_artifact` would take away, and what depends on it."""
    repository = current()
    with repository.lock:
        return _plan_artifact(repository, artifact)[0]


def delete_artifact(artifact: str) -> Deletion:
    """Delete an artifact. By its id: its label in the span that made it, and every version that holds it; by a ref:
    that version alone.

    Raises SpanError while that span is open, or part of a run that goes on in another process.
    """
    repository = current()
    with repository.lock:
        repository.session.writer()
        plan, rows, labels = _plan_artifact(repository, artifact)
        _check_over(repository, rows)
        closings = [_closing(repository, row, row.status, labels[row.id]) for row in rows if labels.get(row.id)]
        for ref in plan.refs:
            repository.delete(ref)
        _publish(repository, closings, [row for row in rows if labels.get(row.id)])
        return plan


def _plan(repository: Repository, span_id: SpanId) -> tuple[Deletion, list[SpanRow]]:
    ident, queries, root = locate(repository, span_id)
    tree = below(repository, queries)
    rows = [root, *tree.descendants(ident)]
    links = [row for row in (*queries.outputs(ident), *tree.outputs_below(ident)) if row.name is not None]
    artifacts = [link.artifact for link in links if link.artifact is not None]
    gone = {row.id for row in rows}
    plan = Deletion(
        [row.id.hex() for row in rows], [one.hex() for one in artifacts], [], _dependents(repository, artifacts, gone)
    )
    return plan, rows


def _plan_artifact(repository: Repository, artifact: str) -> tuple[Deletion, list[SpanRow], dict[bytes, list[str]]]:
    # Not read as the current span reads: what is looked at in order to go is no input of anything.
    version = access.by_id(repository, artifact) or resolving.resolve(repository, artifact)
    ident = bytes.fromhex(version.id)
    if version.name is not None and not version.id.startswith(artifact):
        return Deletion([], [version.id], [version.ref], _dependents(repository, [ident], set())), [], {}
    rows: dict[bytes, SpanRow] = {}
    labels: dict[bytes, list[str]] = {}
    for queries in places(repository):
        for row in queries.makers(ident):
            if rows.setdefault(row.id, row) is row:
                outputs = queries.outputs(row.id)
                labels[row.id] = [one.name for one in outputs if one.artifact == ident and one.name is not None]
    rows_there = [row for row in repository.catalog.refs.versions_of(ident) if resolving.is_live(repository, row)]
    refs = list(dict.fromkeys(resolving.from_row(repository, row).ref for row in rows_there))
    return Deletion([], [version.id], refs, _dependents(repository, [ident], set())), list(rows.values()), labels


def _check_over(repository: Repository, rows: Sequence[SpanRow]) -> None:
    """Raises SpanError where one of the spans is not over: its end, which a tombstone follows, is not in the log."""
    others = elsewhere(repository)
    running = (
        SpanQueries(lambda: others, repository.objects.read_many).known([row.id for row in rows]) if others else ()
    )
    for row in rows:
        if row.status == "open":
            raise SpanError(f"span {row.label!r} ({row.id.hex()[:12]}) is open", hint="close it before deleting it")
        if row.id in running:
            raise SpanError(
                f"span {row.label!r} ({row.id.hex()[:12]}) is part of a run that goes on in another process",
                hint="delete it when that run is over: cas span list --status open",
            )


def _dependents(repository: Repository, artifacts: Iterable[bytes], gone: set[bytes]) -> list[SpanInfo]:
    return [info for info in lineage.readers(repository, artifacts) if bytes.fromhex(info.id) not in gone]


def _closing(repository: Repository, row: SpanRow, status: str, removed: Sequence[str] = ()) -> bytes:
    """A further closing record of a span, which says what of it was deleted."""
    previous = ObjectId(row.closing) if row.closing is not None else None
    error = json.loads(row.error) if row.error else None
    span = SpanBytes(ObjectId(row.id))
    return records.encode(
        records.SpanClose(span, status, repository.session.tick(), error, [], [], [], [], [], previous, tuple(removed))
    )


def _publish(repository: Repository, closings: list[bytes], rows: Sequence[SpanRow]) -> None:
    """Store the closing records, then one segment that names them all."""
    if not closings:
        return
    ids = repository.session.writer().put_records(Kind.SPAN, closings)
    repository.session.make_durable()
    log = repository.log_of(repository.project, repository.domain)
    writes = WriteIds()

    def plan(stamps: Stamps) -> list[Entry]:
        return [
            SpanEntry(row.id.hex(), closing.hex(), row.label, stamps.next(), writes.next())
            for row, closing in zip(rows, ids, strict=True)
        ]

    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)
    if repository.session.open_spans:  # what closed inside one of them is told by it until the log names it
        repository.session.closed_again += [(row.id, one) for row, one in zip(rows, ids, strict=True)]
