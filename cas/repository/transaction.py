"""One transaction of puts: values become objects, then records, then one ref segment, each durable before the next.

Inside a span the last step waits for the span to close well.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from cas.catalog.refs import Row
from cas.errors import CorruptObject, ObjectNotFound, UsageError
from cas.literals import registry
from cas.literals.literal import literal_ids
from cas.objects.ids import Kind, object_id
from cas.refs.checks import check_entries
from cas.refs.entries import Entry, VersionEntry
from cas.refs.names import Name
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import bulk, publishing
from cas.repository.known import AtHand, Known, Said, check_names
from cas.repository.publishing import Target, Wish, rows
from cas.repository.version import ArtifactRecord, ArtifactVersion, Place, encode_record, encode_records
from cas.spans import calls

if TYPE_CHECKING:
    from cas.catalog.catalog import Catalog
    from cas.literals.literal import Literal
    from cas.objects.writer import PackWriter
    from cas.refs.log import RefLog
    from cas.repository.repository import Repository
    from cas.repository.spanning import ActiveSpan

__all__ = ["Batch", "Pending", "Put", "publish"]


class Put(NamedTuple):
    """One value and where it goes."""

    value: object
    target: Target
    metadata: Mapping[str, Any] | None
    cards: Mapping[str, Any] | None


@contextmanager
def uncollected(count: int) -> Iterator[None]:
    """No cyclic garbage collection during a large batch.

    It makes hundreds of thousands of tuples, none of them garbage, and the collector would walk them all again and
    again: half of the batch's time.
    """
    if count < bulk.ENOUGH or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:
            # What was made goes to the oldest generation unseen: two lists are joined, nothing is walked.
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def publish_many(repository: Repository, items: Iterable[tuple[object, str]]) -> list[ArtifactVersion]:
    """Publish values under their refs, without metadata."""
    values, refs = _split(items)
    with uncollected(len(refs)):
        span = repository.current_span()
        if span is None and len(refs) >= bulk.ENOUGH:
            made = bulk.publish(repository, values, refs)
            if made is not None:
                return made
        targets = publishing.targets(refs, repository.project, repository.domain)
        puts = rows(Put, values, targets, repeat(None), repeat(None))
        return publish(repository, puts, span)


def _split(items: Iterable[tuple[object, str]]) -> tuple[list[object], list[str]]:
    try:
        pairs = list(items)
        values, refs = [value for value, _ in pairs], [ref for _, ref in pairs]
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"pairs of a value and a ref are put: {error}", hint="put_many([(value, 'name'), …])"
        ) from error
    return values, refs


def check_metadata(metadata: Mapping[str, Any] | None) -> None:
    """Raises UsageError for what is no mapping; what it may hold is said when it is encoded."""
    if metadata is not None and not isinstance(metadata, Mapping):
        raise UsageError(f"metadata is a dict, not a {type(metadata).__name__}", hint='metadata={"why": "…"}')


def publish(
    repository: Repository,
    puts: Sequence[Put],
    span: ActiveSpan | None,
    *,
    allow_pickle: bool = False,
    said: Mapping[Name, Said] | None = None,
) -> list[ArtifactVersion]:
    """Store the values and publish them: all of them, or none. Within a span they are published when it closes well.

    ``said`` is what names are declared as, should the log say nothing of them; given by callers within a span that have
    checked their targets against it, and against the log, and that close the span next.
    """
    if span is not None and span.is_inherited:
        # The process that opened it will not publish what is put here: it is entered again for as long as this takes.
        with repository.span_again(span.id) as again:
            return publish(repository, puts, again, allow_pickle=allow_pickle, said=said)
    if not puts:
        return []
    if span is None and len(puts) == 1 and puts[0].target.version is None:
        return [_publish_one(repository, puts[0], allow_pickle=allow_pickle)]
    with repository.lock:
        writer = repository.session.writer()
        literals = _encode(puts, writer, allow_pickle=allow_pickle)
        calls.check()
        targets = list(map(itemgetter(1), puts))
        catalog, logs = repository.catalog, _logs(repository, targets)
        if span is not None:
            # What an atomic span holds back is looked at again before it is published.
            seen = {log: catalog.catch_up(log, probe=not span.is_held)[0] for log in logs}
        else:  # a late look at the log is told by the append
            names = set(map(itemgetter(2), map(itemgetter(0), targets)))
            seen = {log: catalog.ready_for(log, names)[0] for log in logs}
        known = Known(repository.catalog, targets)
        if span is not None and said is not None:
            span.declare(said)
        elif span is not None:
            check_names(known, targets, span.said())
        wishes = _wishes(repository, known, puts, literals, span=span)
        if span is not None:
            _check_versions(catalog, known, span, wishes)
            if said is None:  # else the span is about to close, which writes it out too
                writer.flush()
            return span.wish(wishes)
        repository.session.make_durable()
        results: dict[Wish, ArtifactVersion] = {}
        for log, number in seen.items():
            mine = wishes if len(seen) == 1 else [one for one in wishes if one.target.name[:2] == log.scope]
            versions = _append(repository, log, mine, known, number)
            if len(seen) > 1:
                results.update(zip(mine, versions, strict=True))
        repository.session.tidy()
        return versions if len(seen) == 1 else [results[wish] for wish in wishes]


def _check_versions(catalog: Catalog, known: Known, span: ActiveSpan, wishes: Sequence[Wish]) -> None:
    """Raises VersionConflict for a version that means another literal: now, not when the span closes, which would take
    all that it made with it."""
    for wish in wishes:
        if wish.target.version is not None:
            publishing.check_held(wish, span.held_at(wish.target))
            publishing.check_free(catalog, wish, is_new=known.is_new(wish.target.name))


def _publish_one(repository: Repository, put: Put, *, allow_pickle: bool) -> ArtifactVersion:
    """One put outside of spans, of a version that nobody named: as :func:`publish`, from what the catalog keeps at
    hand."""
    value, target, metadata, cards = put
    name, partition, _ = target
    catalog, session = repository.catalog, repository.session
    with repository.lock:
        writer = session.writer()
        literal = registry.encode(value, writer, name=name.name, allow_pickle=allow_pickle)
        calls.check()
        literal_id = literal.id
        log = repository.log_of(name.project, name.domain)
        known = AtHand(catalog.recent(log), name)  # a late look at the log is told by the append
        meta = dict(metadata) if metadata else {}
        kept = _cards(cards, writer) if cards else {}
        held = None if known.fresh else _held(repository, known.tip(target), literal, meta, kept)
        artifact = held or writer.put_record(Kind.ARTIFACT, encode_record(literal, None, None, meta, kept))
        session.make_durable()
        writes = WriteIds()
        end: VersionEntry | Row | None = None

        def plan(stamps: Stamps) -> list[Entry]:
            nonlocal artifact, end, known
            recent = catalog.recent(log)
            if not known.is_right(recent):
                known = AtHand(recent, name)
            new = check_names(known, (target,))
            if not known.fresh:  # somebody else may have put the same there meanwhile
                artifact = _held(repository, known.tip(target), literal, meta, kept) or artifact
            wish = Wish(target, literal_id, artifact, None)
            end = publishing.ending(catalog, known, wish, None, stamps, writes)
            if type(end) is not VersionEntry:
                return []
            if not new:
                return [end]
            declared = publishing.declarations(new, stamps, writes)
            check_entries(declared)
            return [*declared, end]

        # The parts of the version's entry come from a parsed ref and from ids.
        publishing.append(catalog, log, plan, author=repository.sign, now=repository.now, asks=False, checked=True)
        session.tidy()
        assert end is not None
        place = Place(*name, partition, end.version, end.stamp)
        is_new = type(end) is VersionEntry
        # One that is held may have been made by a span, which its record says.
        record = ArtifactRecord(literal, None, None, meta, kept) if is_new or end.span is None else None
        return ArtifactVersion(repository, artifact, place, literal_id, _bytes(end.span), is_new, record)


def _encode(puts: Sequence[Put], writer: PackWriter, *, allow_pickle: bool) -> list[Literal]:
    if len(puts) == 1 or allow_pickle:
        return [
            registry.encode(put.value, writer, name=put.target.name.name, allow_pickle=allow_pickle) for put in puts
        ]
    return registry.encode_many([put.value for put in puts], writer)


def _logs(repository: Repository, targets: Iterable[Target]) -> list[RefLog]:
    scopes = sorted(set(map(itemgetter(0, 1), map(itemgetter(0), targets))))
    return [repository.log_of(project, domain) for project, domain in scopes]


def _wishes(
    repository: Repository,
    known: Known,
    puts: Sequence[Put],
    literals: Sequence[Literal],
    *,
    span: ActiveSpan | None,
) -> list[Wish]:
    """Store a record for every put, save those whose tip holds the same literal with the same metadata."""
    writer = repository.session.writer()
    maker = span.id_bytes if span is not None else None
    if known.fresh and span is None and {put[2:] for put in puts} == {(None, None)}:
        artifacts_made = writer.put_records(Kind.ARTIFACT, encode_records(literals))
        return rows(Wish, map(itemgetter(1), puts), literal_ids(literals), artifacts_made, repeat(None))
    artifacts: list[bytes | None] = []
    payloads: list[bytes] = []
    ids = [literal.id for literal in literals]
    for put, literal in zip(puts, literals, strict=True):
        held = span.held_at(put.target) if span is not None else None
        tip = held or known.tip(put.target)
        cards = _cards(put.cards, writer)
        meta = dict(put.metadata) if put.metadata else {}
        artifacts.append(_held(repository, tip, literal, meta, cards))
        if artifacts[-1] is None:
            payloads.append(encode_record(literal, maker, None, meta, cards))
    stored = iter(writer.put_records(Kind.ARTIFACT, payloads)) if payloads else iter(())
    return [
        Wish(put.target, literal_id, next(stored) if artifact is None else artifact, maker)
        for put, literal_id, artifact in zip(puts, ids, artifacts, strict=True)
    ]


def _held(
    repository: Repository, tip: Wish | Row | None, literal: Literal, meta: dict[str, Any], cards: dict[str, list[Any]]
) -> bytes | None:
    """The artifact of a tip, where it holds the same literal with the same metadata and cards."""
    if tip is None or tip.literal != literal.id:
        return None
    usual = not meta and not cards and tip.artifact == object_id(Kind.ARTIFACT, encode_records((literal,))[0])
    if usual and repository.objects.contains(tip.artifact):
        return tip.artifact  # which need not be read
    try:
        record = repository.record(tip.artifact)
    except (CorruptObject, ObjectNotFound):
        return None  # putting it again is the cure
    return tip.artifact if record.meta == meta and record.cards == cards else None


def _cards(cards: Mapping[str, Any] | None, writer: PackWriter) -> dict[str, list[Any]]:
    """Each card as its own blob: ``{name: [media type, blob id, size]}``."""
    stored: dict[str, list[Any]] = {}
    for name, card in (cards or {}).items():
        media, content = card if isinstance(card, tuple) else (card.media_type, card.content)
        raw = content.encode() if isinstance(content, str) else bytes(content)
        stored[name] = [media, bytes(writer.put_blob(raw)), len(raw)]
    return stored


def _append(
    repository: Repository, log: RefLog, wishes: Sequence[Wish], known: Known, seen: int
) -> list[ArtifactVersion]:
    """Publish the wishes of a log; what each ended up at. ``known`` is what the log said up to segment ``seen``."""
    catalog = repository.catalog
    writes = WriteIds()
    ended: list[VersionEntry | Row] = []
    targets = list(map(itemgetter(0), wishes))

    def plan(stamps: Stamps) -> list[Entry]:
        now_known = known if catalog.head(log)[0] == seen else Known(catalog, targets)
        new = check_names(now_known, targets)
        entries, ended[:] = publishing.version_entries(catalog, now_known, wishes, stamps, writes)
        return [*publishing.declarations(new, stamps, writes), *entries] if entries else []

    sign, now = repository.sign, repository.now
    publishing.append(catalog, log, plan, author=sign, now=now, asks=False, checked=known.fresh)
    names, partitions, _ = zip(*targets, strict=True)
    versions, stamps, spans = zip(*map(attrgetter("version", "stamp", "span"), ended), strict=True)
    places = rows(Place, *zip(*names, strict=True), partitions, versions, stamps)
    _, literals, artifacts, _ = zip(*wishes, strict=True)
    return [
        ArtifactVersion(repository, artifact, place, literal, _bytes(span), type(end) is VersionEntry)
        for artifact, place, literal, span, end in zip(artifacts, places, literals, spans, ended, strict=True)
    ]


def _bytes(text: str | bytes | None) -> bytes | None:
    return bytes.fromhex(text) if isinstance(text, str) else text


class Pending:
    """A put of a batch: ``artifact`` is there once the batch has ended."""

    def __init__(self) -> None:
        self._artifact: ArtifactVersion | None = None

    @property
    def artifact(self) -> ArtifactVersion:
        """The version it became. Raises ArtifactError before the batch has ended."""
        if self._artifact is None:
            from cas.errors import ArtifactError

            raise ArtifactError("the batch has not ended yet", hint="leave the `with repo.batch()` block first")
        return self._artifact


class Batch:
    """Many puts, published in one segment when the ``with`` block ends; none where it raises."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._puts: list[Put] = []
        self._pending: list[Pending] = []

    def put(
        self,
        value: object,
        ref: str,
        *,
        version: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        cards: Mapping[str, Any] | None = None,
    ) -> Pending:
        """Add a put. Raises RefSyntax at once where the ref cannot be put to."""
        repository = self._repository
        target = publishing.target(ref, repository.project, repository.domain, version)
        check_metadata(metadata)
        self._puts.append(Put(value, target, metadata, cards))
        self._pending.append(Pending())
        return self._pending[-1]

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            versions = publish(self._repository, self._puts, self._repository.current_span())
            for pending, version in zip(self._pending, versions, strict=True):
                pending._artifact = version
        self._puts, self._pending = [], []
