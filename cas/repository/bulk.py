"""Large batches of plain values under new names, column by column: as ``transaction.publish``, at half of its time.

No row is made for what nobody asks row by row, and the disk writes the objects while the segment that names them is put
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from cas.literals import registry
from cas.literals.literal import literal_ids
from cas.objects.ids import Kind
from cas.refs.batches import parse_many
from cas.refs.entries import Entry, VersionEntry
from cas.refs.history import DEFAULT_VERSION_DIGITS
from cas.refs.names import Name
from cas.refs.partitions import EMPTY, Partition
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing
from cas.repository.known import Known, New, check_names
from cas.repository.publishing import Target, rows
from cas.repository.version import ArtifactVersion, Place, encode_records
from cas.spans import calls

if TYPE_CHECKING:
    from concurrent.futures import Future

    from cas.repository.repository import Repository

__all__ = ["ENOUGH", "publish"]

ENOUGH = 1000
"""From this many puts on, a batch is worth special care."""


class _Refs(NamedTuple):
    """The refs of a batch: names and partitions, and one target for each name and set of partition keys."""

    names: list[str]
    partitions: list[Partition]
    shapes: list[Target]


class _Seen(NamedTuple):
    """Up to which segment the log knows none of the names, and what they need declared."""

    number: int
    new: list[New]


class _Ids(NamedTuple):
    """Literal and artifact ids of a batch."""

    literals: Sequence[bytes]
    artifacts: Sequence[bytes]


def publish(repository: Repository, values: list[Any], texts: list[str]) -> list[ArtifactVersion] | None:
    """Publish values under their refs, outside of spans; None, with nothing published, where this is not the way: for
    values that are not plain, refs that name a version, and names that are there already.
    """
    refs = _refs(repository, texts)
    if refs is None:
        return None
    with repository.lock:
        writer = repository.session.writer()
        log = repository.log_of(repository.project, repository.domain)
        seen = _look(repository, refs, repository.catalog.ready_for(log, refs.names)[0])
        literals = registry.encode_plain_many(values, writer) if seen is not None else None
        if seen is None or literals is None:
            return None
        calls.check()
        artifacts = writer.put_records(Kind.ARTIFACT, encode_records(literals.rows()))
        with _beside(repository.session.make_durable) as durable:
            ids = _Ids(literal_ids(literals.rows()), artifacts)
            made = _append(repository, refs, ids, seen, durable)
        repository.session.tidy()
        return made


def _look(repository: Repository, refs: _Refs, number: int) -> _Seen | None:
    """What the log, up to a segment, says of the batch; None where it has one of the names.

    Raises RefNameCollision, and PartitionError where the batch does not agree with itself.
    """
    known = Known(repository.catalog, refs.shapes, whole=True)
    return _Seen(number, check_names(known, refs.shapes)) if known.fresh else None


@contextmanager
def _beside(call: Callable[[], None]) -> Iterator[Future[None]]:
    """A call in another thread, which has ended when the block does."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="cas-seal") as pool:
        yield pool.submit(call)


def _refs(repository: Repository, texts: list[str]) -> _Refs | None:
    """The refs that the texts name; None where one is more than a name and a partition, or two are the same."""
    plain = parse_many(texts)
    if plain is None:
        return None
    names, partitions = plain
    distinct = set(partitions)
    project, domain = repository.project, repository.domain
    if distinct == {EMPTY}:
        each = dict.fromkeys(names)
        shapes = rows(Target, rows(Name, repeat(project), repeat(domain), each), repeat(EMPTY), repeat(None))
        return _Refs(names, partitions, shapes) if len(each) == len(names) else None
    if len(set(zip(names, partitions, strict=True))) < len(names):
        return None
    shape_of = {one: (tuple([key for key, _ in one.keys]), len(one.time or "")) for one in distinct}
    found = {(name, shape_of[one]): one for name, one in zip(names, partitions, strict=True)}
    return _Refs(
        names, partitions, [Target(Name(project, domain, name), one, None) for (name, _), one in found.items()]
    )


def _append(
    repository: Repository, refs: _Refs, ids: _Ids, seen: _Seen, durable: Future[None]
) -> list[ArtifactVersion] | None:
    """Publish the batch as one segment once its objects are ``durable``; None where another writer was first, and took
    one of the names."""
    catalog, writes = repository.catalog, WriteIds()
    log = repository.log_of(repository.project, repository.domain)
    entries: list[VersionEntry] = []

    def plan(stamps: Stamps) -> list[Entry]:
        number = catalog.head(log)[0]
        now_seen = seen if number == seen.number else _look(repository, refs, number)
        entries[:] = _entries(refs, ids, stamps, writes) if now_seen is not None else []
        return [*entries, *publishing.declarations(now_seen.new, stamps, writes)] if now_seen is not None else []

    sign, now, ready = repository.sign, repository.now, durable.result
    publishing.append(catalog, log, plan, author=sign, now=now, asks=False, checked=True, ready=ready)
    if not entries:
        return None
    versions, stamps = [entry.version for entry in entries], [entry.stamp for entry in entries]
    places = rows(Place, repeat(log.project), repeat(log.domain), refs.names, refs.partitions, versions, stamps)
    return [
        ArtifactVersion(repository, artifact, place, literal, None, True)
        for artifact, place, literal in zip(ids.artifacts, places, ids.literals, strict=True)
    ]


def _entries(refs: _Refs, ids: _Ids, stamps: Stamps, writes: WriteIds) -> list[VersionEntry]:
    count = len(refs.names)
    literals = list(map(bytes.hex, ids.literals))
    return rows(
        VersionEntry,
        refs.names,
        refs.partitions,
        [text[:DEFAULT_VERSION_DIGITS] for text in literals],
        literals,
        map(bytes.hex, ids.artifacts),
        repeat(None),
        stamps.take(count),
        writes.take(count),
    )
