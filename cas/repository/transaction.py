"""One transaction of puts: values become objects, then records, then one ref segment, each durable before the next.

Inside a span the last step waits for the span to close well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cas.objects.ids import Kind
from cas.refs.entries import Entry, VersionEntry
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing
from cas.repository.known import Known, check_names
from cas.repository.publishing import Target, Wish
from cas.repository.version import ArtifactVersion, Place, encode_record

if TYPE_CHECKING:
    from cas.catalog.refs import Row
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


def publish(
    repository: Repository, puts: Sequence[Put], span: ActiveSpan | None, *, allow_pickle: bool = False
) -> list[ArtifactVersion]:
    """Store the values and publish them: all of them, or none. Within a span they are published when it closes well."""
    if not puts:
        return []
    with repository.lock:
        writer = repository.session.writer()
        literals = _encode(puts, writer, allow_pickle=allow_pickle)
        targets = [put.target for put in puts]
        # Outside a span a late look at the log is told by the append; inside, whoever puts is told now.
        seen = {log: repository.catalog.catch_up(log, probe=span is not None)[0] for log in _logs(repository, targets)}
        known = Known(repository.catalog, targets)
        if span is not None:
            check_names(known, targets)
        wishes = _wishes(repository, known, puts, literals, span=span)
        if span is not None:
            writer.flush()
            return span.wish(wishes)
        repository.session.make_durable()
        results: dict[Wish, ArtifactVersion] = {}
        for log, number in seen.items():
            results.update(_append(repository, log, wishes, known, number))
        repository.session.tidy()
        return [results[wish] for wish in wishes]


def _encode(puts: Sequence[Put], writer: PackWriter, *, allow_pickle: bool) -> list[Literal]:
    from cas.literals import registry

    if len(puts) == 1 or allow_pickle:
        return [
            registry.encode(put.value, writer, name=put.target.name.name, allow_pickle=allow_pickle) for put in puts
        ]
    return registry.encode_many([put.value for put in puts], writer)


def _logs(repository: Repository, targets: Iterable[Target]) -> list[RefLog]:
    scopes = dict.fromkeys((one.name.project, one.name.domain) for one in targets)
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
    artifacts: list[bytes | None] = []
    payloads: list[bytes] = []
    ids = [literal.id for literal in literals]
    for put, literal, literal_id in zip(puts, literals, ids, strict=True):
        held = span.held_at(put.target) if span is not None else None
        tip = held or known.tip(put.target)
        cards = _cards(put.cards, writer)
        meta = dict(put.metadata) if put.metadata else {}
        if tip is not None and tip.literal == literal_id:
            record = repository.record(tip.artifact)
            if record.meta == meta and record.cards == cards:
                artifacts.append(tip.artifact)
                continue
        artifacts.append(None)
        payloads.append(encode_record(literal, maker, None, meta, cards))
    stored = iter(writer.put_records(Kind.ARTIFACT, payloads)) if payloads else iter(())
    return [
        Wish(put.target, literal_id, next(stored) if artifact is None else artifact, maker)
        for put, literal_id, artifact in zip(puts, ids, artifacts, strict=True)
    ]


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
) -> dict[Wish, ArtifactVersion]:
    """Publish the wishes of a log; what each ended up at. ``known`` is what the log said up to segment ``seen``."""
    catalog = repository.catalog
    mine = [wish for wish in wishes if wish.target.name[:2] == (log.project, log.domain)]
    writes = WriteIds()
    ended: list[VersionEntry | Row] = []

    def plan(stamps: Stamps) -> list[Entry]:
        targets = [wish.target for wish in mine]
        now_known = known if catalog.head(log)[0] == seen else Known(catalog, targets)
        new = check_names(now_known, targets)
        entries, ended[:] = publishing.version_entries(catalog, now_known, mine, stamps, writes)
        return [*publishing.declarations(new, stamps, writes), *entries] if entries else []

    publishing.append(catalog, log, plan, author=repository.author, now=repository.now)
    return {wish: version_of(repository, wish, end) for wish, end in zip(mine, ended, strict=True)}


def version_of(repository: Repository, wish: Wish, end: VersionEntry | Row) -> ArtifactVersion:
    """What put returns for a wish that ended up at an entry."""
    name, partition, _ = wish.target
    place = Place(name.project, name.domain, name.name, partition, end.version, end.stamp)
    return ArtifactVersion(
        repository, wish.artifact, place, literal=wish.literal, span=_bytes(end.span), new=isinstance(end, VersionEntry)
    )


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
