"""What dead processes left: publications to finish, and spans that never closed.

A pack that is still open though nobody holds its lock tells the story: every opening record of a span that was open,
what the span logged, and the closing record of any that had ended. Nothing here is done twice, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cas.errors import RefConflict, TypeMismatch
from cas.objects.ids import ArtifactId, Kind, ObjectId, SpanId
from cas.refs.entries import Entry, SpanEntry, VersionEntry
from cas.refs.names import Name
from cas.refs.partitions import Granularity
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing
from cas.repository.intents import entry_of, publish_closed
from cas.repository.known import Known, Said, check_names
from cas.repository.publishing import Target
from cas.repository.version import decode_record
from cas.spans import records
from cas.spans.records import SpanClose, SpanOpen, SpanOutput
from cas.storage.leftovers import sweep

if TYPE_CHECKING:
    from cas.catalog.spans import SpanQueries
    from cas.refs.log import RefLog
    from cas.repository.repository import Repository

__all__ = ["recover"]

Told = Sequence[tuple[Kind, ObjectId, bytes]]


def recover(repository: Repository) -> None:
    """Finish what the open packs of dead writers tell, and seal them; remove the temporary files they left."""
    sweep(repository.root / "tmp", repository.now())
    repository.objects.salvage(lambda told: _settle(repository, told))


class _Story:
    """What one pack tells of its spans, by span id, in the order it was written."""

    def __init__(self, told: Told) -> None:
        self.opened: dict[bytes, SpanOpen] = {}
        self.closings: dict[bytes, list[tuple[ObjectId, SpanClose]]] = {}
        self.ends: dict[bytes, ObjectId] = {}
        self.progress: dict[bytes, SpanClose] = {}
        self.logged: dict[bytes, list[SpanOutput]] = {}
        for kind, ident, payload in told:
            if kind is Kind.ARTIFACT:
                self._artifact(ident, payload)
            elif kind is Kind.SPAN:
                self._span(ident, payload)

    def _artifact(self, ident: ObjectId, payload: bytes) -> None:
        record = decode_record(payload)
        if record.span is not None and record.label is not None:
            self.logged.setdefault(record.span, []).append(SpanOutput(ArtifactId(ident), record.label, None))

    def _span(self, ident: ObjectId, payload: bytes) -> None:
        record = records.decode(payload)
        if isinstance(record, SpanOpen):
            self.opened[ident] = record
        elif record.status == "open":
            # Everything before this note is in it.
            self.progress[record.span] = record
            self.logged.pop(record.span, None)
        else:
            self.closings.setdefault(record.span, []).append((ident, record))
            self.ends[record.span] = ident

    def children(self, span: bytes) -> list[ObjectId]:
        """How the spans inside one ended, as far as that is told."""
        return [
            ident for child, ident in self.ends.items() if child in self.opened and self.opened[child].parent == span
        ]

    def abandoned(self) -> list[bytes]:
        """The spans without a closing record, innermost first."""
        left = [ident for ident in self.opened if ident not in self.closings]
        return sorted(left, key=lambda ident: self.opened[ident].time, reverse=True)


def _settle(repository: Repository, told: Told) -> None:
    try:
        story = _Story(told)
    except TypeMismatch:
        return  # not ours to understand: a newer cas wrote it, and fsck lists what is damaged
    if not story.opened and not story.closings:
        return
    home = repository.log_of(repository.project, repository.domain)
    repository.catalog.catch_up(home)
    ended: list[tuple[bytes, ObjectId, str]] = []
    for span, closings in story.closings.items():
        for ident, closed in closings:
            last = _finish(repository, story, ident, closed) if closed.intents else ident
            ended.append((span, last, _label(story, span)))
    known = repository.catalog.spans()
    for span in story.abandoned():
        row = known.get(span)
        have = {one.artifact for one in known.outputs(span) if one.artifact is not None}
        if row is not None and row.status != "open" and (row.status == "deleted" or _knows(known, story, span, have)):
            continue  # it was settled before
        # One that another process added to has a closing record of that process, and none of its own.
        story.ends[span] = _abandon(repository, story, span, row.closing if row is not None else None, have)
        ended.append((span, story.ends[span], _label(story, span)))
    _enter(repository, story, ended)


def _knows(known: SpanQueries, story: _Story, span: bytes, have: set[bytes]) -> bool:
    """Whether the catalog has all that a span of the story made, and the spans inside it."""
    so_far, children = story.progress.get(span), story.children(span)
    made = [*(so_far.outputs if so_far else []), *story.logged.get(span, [])]
    return have.issuperset(one.artifact for one in made) and known.taken(children).issuperset(children)


def _label(story: _Story, span: bytes) -> str:
    opened = story.opened.get(span)
    return opened.label if opened is not None else "?"


def _finish(repository: Repository, story: _Story, ident: ObjectId, closing: SpanClose) -> ObjectId:
    """Publish what a closed span meant to publish and the log lacks: the same entries, or, where that has become
    impossible, a further closing record that says so."""
    scopes: dict[tuple[str, str], list[VersionEntry]] = {}
    span = closing.span.hex()
    for intent in closing.intents:
        scopes.setdefault((intent.project, intent.domain), []).append(entry_of(intent, span))
    try:
        for (project, domain), entries in scopes.items():
            log = repository.log_of(project, domain)
            repository.catalog.catch_up(log)
            missing = [entry for entry in entries if not repository.catalog.refs.has_write(entry.write)]
            if missing:
                _publish(repository, closing, (span, ident.hex(), _label(story, closing.span)), missing, log)
    except RefConflict as error:
        told = {"type": type(error).__name__, "message": error.message}
        failed = SpanClose(closing.span, "failed", repository.session.tick(), told, [], [], [], [], [], ident)
        return repository.session.writer().put_record(Kind.SPAN, records.encode(failed))
    return ident


def _publish(
    repository: Repository,
    closing: SpanClose,
    span: tuple[str, str, str],
    entries: Sequence[VersionEntry],
    log: RefLog,
) -> None:
    targets = [Target(Name(log.project, log.domain, entry.name), entry.partition, None) for entry in entries]
    said = {
        Name(*one[:3]): Said(one.keys, Granularity(one.granularity) if one.granularity else None, one.type)
        for one in closing.declared
    }
    new = check_names(Known(repository.catalog, targets), targets, said)
    _, _, stamp = repository.catalog.catch_up(log)
    declared = publishing.declarations(new, Stamps(after=stamp, now=repository.now()), WriteIds())
    # -1: nothing was checked against this log yet.
    publish_closed(repository, log, span, [*declared, *entries], -1)


def _abandon(repository: Repository, story: _Story, span: bytes, previous: bytes | None, have: set[bytes]) -> ObjectId:
    """Write the closing record that a span's own process could not, of all it made but what the log has."""
    so_far = story.progress.get(span)
    opened = story.opened[span]
    made = [*(so_far.outputs if so_far else []), *story.logged.get(span, [])]
    closing = SpanClose(
        SpanId(ObjectId(span)),
        "abandoned",
        repository.session.tick(),
        records.ABANDONED,
        so_far.inputs if so_far else [],
        [one for one in made if one.artifact not in have],
        so_far.parents if so_far else [opened.parent] if opened.parent else [],
        [*(so_far.children if so_far else []), *story.children(span)],
        [],
        None if previous is None else ObjectId(previous),
    )
    return repository.session.writer().put_record(Kind.SPAN, records.encode(closing))


def _enter(repository: Repository, story: _Story, ended: list[tuple[bytes, ObjectId, str]]) -> None:
    """Let the log name every span that no other span of the story names and that it does not name yet."""
    taken = repository.catalog.spans().taken([closing for _, closing, _ in ended])
    roots = [
        (span, closing, label)
        for span, closing, label in ended
        if (span not in story.opened or story.opened[span].parent not in story.opened) and closing not in taken
    ]
    if not roots:
        return
    repository.session.make_durable()
    log = repository.log_of(repository.project, repository.domain)
    writes = WriteIds()

    def plan(stamps: Stamps) -> list[Entry]:
        return [
            SpanEntry(span.hex(), closing.hex(), label, stamps.next(), writes.next()) for span, closing, label in roots
        ]

    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)
