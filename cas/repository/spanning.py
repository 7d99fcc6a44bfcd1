"""Spans while they run: opening, what happens inside, closing, and what a dead process left behind.

The opening record is appended when the span opens, labelled artifacts as they are logged, the closing record when it
ends; all of them by write(2), so they survive the process. What the span put under refs is published by one segment
when it closes well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cas.errors import SpanError, SpanNotFound
from cas.objects.ids import ArtifactId, Kind, ObjectId, SpanId
from cas.refs.entries import DeclareEntry, Entry, SpanEntry, VersionEntry
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing, transaction
from cas.repository.intents import intent_of, publish_closed
from cas.repository.known import Known, Said, check_names
from cas.repository.publishing import Target, Wish
from cas.repository.version import ArtifactVersion, Place, encode_record
from cas.spans import calls, records
from cas.spans.code import code_version
from cas.spans.current import STACK
from cas.spans.records import Declared, Intent, SpanInput, SpanOpen
from cas.spans.state import SpanState

if TYPE_CHECKING:
    from cas.literals.literal import Literal
    from cas.refs.log import RefLog
    from cas.repository.info import SpanInfo
    from cas.repository.repository import Repository

__all__ = ["ActiveSpan", "parent_id"]


class ActiveSpan:
    """A span that is open, or about to be: use it as ``with`` or ``async with``.

    ``again`` is a span that was closed, to be entered another time: its id stays, and a further closing record
    adds to it. ``parent`` is the span to count as around it, instead of the one that is.
    """

    def __init__(
        self,
        repository: Repository,
        label: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        atomic: bool = False,
        kind: str = "",
        fields: Mapping[str, Any] | None = None,
        again: SpanInfo | None = None,
        parent: SpanId | None = None,
    ) -> None:
        if not isinstance(label, str) or not label:
            raise SpanError(f"a span's label is a text that is not empty, not {label!r}")
        transaction.check_metadata(metadata)
        self._repository = repository
        self._label = label
        self._metadata = dict(metadata or {})
        self._atomic = atomic
        self._kind = kind
        self._fields = dict(fields or {})
        self._again = again
        self._under = parent
        self._token: Token[tuple[ActiveSpan, ...]] | None = None
        self._state: SpanState | None = None
        self._parent: ActiveSpan | None = None
        self._process = 0
        self._wishes: list[Wish] = []
        self._held: dict[Name, dict[Partition, Wish]] = {}
        self._said: dict[Name, Said] = {}
        self._seen: dict[bytes, ArtifactVersion] = {}
        self._closed = False
        self._withdrawn = False

    # --- what it is ------------------------------------------------------------------------------

    @property
    def state(self) -> SpanState:
        """What it collected so far. Raises SpanError before it was opened."""
        if self._state is None:
            raise SpanError(f"span {self._label!r} is not open yet", hint="enter it: with repo.span(…) as span:")
        return self._state

    @property
    def id_bytes(self) -> SpanId:
        """Its id, 32 bytes."""
        return self.state.span_id

    @property
    def id(self) -> str:
        """Its id, 64 hex digits."""
        return self.id_bytes.hex()

    @property
    def label(self) -> str:
        """What it was called."""
        return self._label

    @property
    def repository(self) -> Repository:
        """The repository it records in."""
        return self._repository

    @property
    def info(self) -> SpanInfo:
        """It, as others would read it now."""
        return self._repository.span_info(self.id)

    @property
    def is_open(self) -> bool:
        """Whether it was entered and not left yet."""
        return self._state is not None and not self._closed

    @property
    def is_inherited(self) -> bool:
        """Whether the process that forked this one opened it, and closes it without what is made here."""
        return self._process != os.getpid()

    # --- what happens inside ---------------------------------------------------------------------

    def log(self, value: object, label: str, *, metadata: Mapping[str, Any] | None = None) -> ArtifactVersion:
        """Store a value as an artifact of this span, under a label that is unique in it. Raises SpanError where it is
        taken."""
        return self.log_many({label: value}, metadata=metadata)[0]

    def log_many(
        self, values: Mapping[str, object], *, metadata: Mapping[str, Any] | None = None
    ) -> list[ArtifactVersion]:
        """Store values under their labels: all of them, or none."""
        from cas.literals import registry

        repository = self._repository
        if self.is_inherited and self.is_open:
            # The process that opened it cannot list what is added here: it is entered again for as long as this takes.
            with repository.span_again(self.id) as again:
                again.state.labels.update(self.state.labels)
                return again.log_many(values, metadata=metadata)
        with repository.lock:
            self._check_open()
            for label in values:
                if not isinstance(label, str) or not label:
                    raise SpanError(f"an artifact's label is a text that is not empty, not {label!r}")
            self.state.check_labels(values)
            calls.check()
            writer = repository.session.writer()
            literals = [registry.encode(value, writer, name=label) for label, value in values.items()]
            payloads = [
                encode_record(literal, self.id_bytes, label, dict(metadata or {}), None)
                for label, literal in zip(values, literals, strict=True)
            ]
            calls.check()
            ids = writer.put_records(Kind.ARTIFACT, payloads)
            writer.flush()
            for label, artifact in zip(values, ids, strict=True):
                self.state.made(ArtifactId(artifact), label, None)
            self._stir()
        return [ArtifactVersion(repository, artifact, None, span=self.id_bytes, new=True) for artifact in ids]

    def withdraw(self) -> None:
        """Having been entered again, and had nothing added: be as before, whatever error is on its way."""
        self._withdrawn = self._again is not None

    def read(self, version: ArtifactVersion, asked: str | None = None, name: str | None = None) -> None:
        """Record that the span read a version; done by itself for everything resolved inside it."""
        maker = bytes.fromhex(version.span) if version.span else None
        artifact = ArtifactId(ObjectId(bytes.fromhex(version.id)))
        self.state.read(SpanInput(artifact, None, asked, name), SpanId(ObjectId(maker)) if maker else None)
        if (literal := version.known_literal) is not None:
            self._seen[literal] = version.bare()

    def seen(self, literal: bytes) -> ArtifactVersion | None:
        """The version with this literal (its id, 32 bytes) that was last read or put in the span, if one was."""
        return self._seen.get(literal)

    def read_literal(self, literal: Literal, name: str) -> None:
        """Record a bare value that the span was given as argument ``name``."""
        self.state.read(SpanInput(None, literal.array, None, name), None)

    def wish(self, wishes: Sequence[Wish]) -> list[ArtifactVersion]:
        """Take versions to be published when the span closes well."""
        self._check_open()
        now = self._repository.now()
        versions = []
        for wish in wishes:
            name, partition, named = wish.target
            version = named or publishing.default_version(wish.literal)
            place = Place(name.project, name.domain, name.name, partition, version, now)
            made = ArtifactVersion(
                self._repository, wish.artifact, place, literal=wish.literal, span=wish.span, new=True
            )
            self._hold(wish)
            self.state.made(ArtifactId(ObjectId(wish.artifact)), None, made.ref)
            self._seen[wish.literal] = made
            versions.append(made)
        self._stir()
        return versions

    def _hold(self, wish: Wish) -> None:
        self._wishes.append(wish)
        partitions = self._held.setdefault(wish.target.name, {})
        partitions.pop(wish.target.partition, None)  # so that the newest is last
        partitions[wish.target.partition] = wish

    def declare(self, said: Mapping[Name, Said]) -> None:
        """Let names that it publishes be declared so, should the log declare nothing of them by then."""
        self._said.update(said)

    def said(self) -> dict[Name, Said]:
        """What this span and those around it declare names as."""
        return {name: said for span in reversed(self._repository.spans_around()) for name, said in span._said.items()}

    @property
    def is_held(self) -> bool:
        """Whether it publishes with an atomic span: itself, or one around it."""
        return self._atomic or any(span._atomic for span in self._around())

    def wishes(self) -> list[Wish]:
        """Everything it holds back, in order."""
        return self._wishes

    def held(self, name: Name) -> Iterator[Wish]:
        """What it holds back of a name: the last wish for each partition, newest first."""
        return reversed(self._held.get(name, {}).values())

    def held_at(self, target: Target) -> Wish | None:
        """The last version that this span or one around it holds back for an exact partition."""
        for span in self._repository.spans_around():
            wish = span._held.get(target.name, {}).get(target.partition)
            if wish is not None:
                return wish
        return None

    def _check_open(self) -> None:
        _ = self.state  # raises where it was not entered yet
        if self._closed:
            raise SpanError(
                f"span {self._label!r} is closed", hint="enter it again to add to it: with repo.span_again(id):"
            )
        if self._process != os.getpid():
            # It would stay in this process's copy of the span, which never closes.
            raise SpanError(
                f"span {self._label!r} runs in process {self._process}, which forked this one",
                hint="open a span here, which counts as inside it: with repo.span(…):",
            )

    # --- opening and closing ---------------------------------------------------------------------

    def __enter__(self) -> ActiveSpan:
        if self._state is not None:
            raise SpanError(f"span {self._label!r} was entered already", hint="open another one")
        repository = self._repository
        around = next((span for span in STACK.all() if span._repository.is_same(repository)), None)
        self._process = os.getpid()
        with repository.lock:
            if self._under is not None:
                around = repository.session.open_spans.get(self._under)  # None: it runs in another process
            if self._again is None:
                self._open(around.id_bytes if around is not None else self._under)
            else:
                self._reopen(self._again)
            here = around is not None and around._process == self._process and self._again is None
            self._parent = around if here else None
            repository.session.open_spans[self.id_bytes] = self
            repository.session.stirred[self.id_bytes] = True
        self._token = STACK.push(self)
        return self

    def _open(self, parent: SpanId | None) -> None:
        repository = self._repository
        code = code_version(os.getcwd())  # noqa: PTH109 - a Path per span costs more than the call
        opened = SpanOpen(
            self._label,
            parent,
            repository.session.tick(),
            self._metadata,
            code,
            self._kind,
            self._fields,
            os.urandom(16),
        )
        writer = repository.session.writer()
        self._opening = records.encode(opened)
        span_id = writer.put_record(Kind.SPAN, self._opening)
        writer.flush()
        self._state = SpanState(SpanId(span_id), opened)

    def _reopen(self, info: SpanInfo) -> None:
        repository = self._repository
        self._opening = repository.objects.read(ObjectId(bytes.fromhex(info.id)), Kind.SPAN)
        opened = records.decode(self._opening)
        assert isinstance(opened, SpanOpen)
        previous = ObjectId(bytes.fromhex(info.closing)) if info.closing else None
        self._state = SpanState(SpanId(ObjectId(bytes.fromhex(info.id))), opened, previous)
        self._state.labels.update(
            (one.label, ArtifactId(ObjectId(bytes.fromhex(one.id)))) for one in repository.outputs(info.id) if one.label
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            STACK.pop(self, self._token)
            self._token = None  # it holds on to all the spans around
        if self.is_inherited:
            # A forked child leaves the block too; the span belongs to the process that opened it.
            return
        with self._repository.lock:
            if self._parent is not None and not self._parent.is_open:
                self._parent = None  # it ended first (a task or thread outlived it), and lists nothing any more
            try:
                if error is None:
                    self._close_well()
                elif not self._withdrawn:
                    self._close_failed(error)
            finally:
                self._closed = True
                self._leave()
                self._repository.session.tidy()

    def _leave(self) -> None:
        session = self._repository.session
        session.open_spans.pop(self.id_bytes, None)
        if session.stirred.pop(self.id_bytes, False) is not True:  # else nobody has seen it open
            self._stir()
        if not session.open_spans:
            # Another list: the log tells of all that this one was about.
            session.closed_again, session.stirred = [], {}
        elif self._again is not None and self.state.previous is not None:
            session.closed_again.append((self.id_bytes, self.state.previous))

    def _list(self, closing: ObjectId) -> None:
        """Let its closing record name that of a span inside it."""
        self.state.children.append(closing)
        self._stir()

    def _stir(self) -> None:
        self._repository.session.stirred.setdefault(self.id_bytes, False)

    async def __aenter__(self) -> ActiveSpan:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _close_well(self) -> None:
        if self._parent is not None and any(span._atomic for span in self._around()):
            # An atomic span around this one holds everything back; it publishes when it closes.
            holder = self._parent
            holder._said.update(self._said)
            for wish in self._wishes:
                holder._hold(wish)
            holder._list(self._write_closing("ok", None, []))
            return
        if not self._wishes:
            self._hand_over(self._write_closing("ok", None, []))
            return
        try:
            self._publish()
        except Exception as error:
            self._close_failed(error)
            raise

    def _close_failed(self, error: BaseException) -> None:
        told = {"type": type(error).__qualname__, "message": str(error)}
        self._hand_over(self._write_closing("failed", told, []))

    def _around(self) -> list[ActiveSpan]:
        around, span = [], self._parent
        while span is not None:
            around.append(span)
            span = span._parent
        return around

    def _write_closing(
        self, status: str, error: dict[str, Any] | None, intents: list[Intent], declared: tuple[Declared, ...] = ()
    ) -> ObjectId:
        repository = self._repository
        closing = self.state.close(status, repository.session.tick(), error, intents)
        if declared:
            closing = closing._replace(declared=declared)
        writer = repository.session.writer()
        closing_id = writer.put_record(Kind.SPAN, records.encode(closing))
        writer.flush()
        # Should publishing fail after this, a further closing record follows this one.
        self.state.previous = closing_id
        return closing_id

    def _hand_over(self, closing: ObjectId) -> None:
        """Let the parent's closing record name this one; a span without a parent here enters the log itself."""
        if self._parent is not None:
            self._parent._list(closing)
            return
        repository = self._repository
        repository.session.make_durable()
        log = repository.log_of(repository.project, repository.domain)
        writes = WriteIds()

        def plan(stamps: Stamps) -> list[Entry]:
            return [SpanEntry(self.id, closing.hex(), self._label, stamps.next(), writes.next())]

        publishing.append(
            repository.catalog, log, plan, author=repository.sign, now=repository.now, asks=False, checked=True
        )

    def _publish(self) -> None:
        """Write the closing record with its intents, then one segment for each log that they go to."""
        repository = self._repository
        wishes = self._wishes
        scopes = dict.fromkeys((wish.target.name.project, wish.target.name.domain) for wish in wishes)
        home = (repository.project, repository.domain)
        logs = [repository.log_of(*scope) for scope in scopes] or [repository.log_of(*home)]
        writes = WriteIds()
        planned: dict[tuple[str, str], list[Entry]] = {}
        seen: dict[tuple[str, str], int] = {}
        for log in logs:
            number, _, stamp = repository.catalog.catch_up(log)
            stamps = Stamps(after=stamp, now=repository.now())
            planned[log.project, log.domain] = self._entries(log, wishes, stamps, writes)
            seen[log.project, log.domain] = number
        intents = [
            intent_of(scope, entry)
            for scope, entries in planned.items()
            for entry in entries
            if isinstance(entry, VersionEntry)
        ]
        declared = [
            Declared(*scope, entry.name, entry.keys, entry.granularity and entry.granularity.value, entry.type)
            for scope, entries in planned.items()
            for entry in entries
            if isinstance(entry, DeclareEntry)
        ]
        closing = self._write_closing("ok", None, intents, tuple(declared))
        repository.session.make_durable()
        if self._parent is not None:
            self._parent._list(closing)
        for log in logs:
            scope = (log.project, log.domain)
            publish_closed(repository, log, (self.id, closing.hex(), self._label), planned[scope], seen[scope])

    def _entries(self, log: RefLog, wishes: Sequence[Wish], stamps: Stamps, writes: WriteIds) -> list[Entry]:
        mine = [
            wish for wish in wishes if (wish.target.name.project, wish.target.name.domain) == (log.project, log.domain)
        ]
        targets = [wish.target for wish in mine]
        known = Known(self._repository.catalog, targets)
        new = check_names(known, targets, self._said)
        entries, _ = publishing.version_entries(self._repository.catalog, known, mine, stamps, writes)
        return [*publishing.declarations(new, stamps, writes), *entries] if entries else []

    def progress(self) -> tuple[bytes, bytes]:
        """Its opening record, and a closing record of status ``open`` with what it collected so far."""
        so_far = self.state.close("open", self._repository.session.tick(), None, [])
        return self._opening, records.encode(so_far)


def parent_id(repository: Repository, span: str) -> SpanId:
    """The id that names a parent. A whole one is taken as it is: the span may run in another process, or on another
    machine. Raises SpanNotFound, AmbiguousRef."""
    text = span.removeprefix("%").lower()
    if len(text) != 64:
        text = repository.span_info(text).id
    try:
        return SpanId(ObjectId(bytes.fromhex(text)))
    except ValueError:
        raise SpanNotFound(f"{span!r} is no span id", hint="see them: cas span list") from None
