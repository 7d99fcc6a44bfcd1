"""One repository: the facade over objects, refs, spans and catalog.

Each method says in a line what it does and hands over to the module of its subject; ``put`` is followed best from
:func:`cas.repository.transaction.publish`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from cas import clock
from cas.catalog.catalog import Catalog
from cas.lazy import late
from cas.refs.log import RefLog
from cas.repository import config, ownership, resolving
from cas.repository.processes import remember
from cas.repository.version import ArtifactRecord, ArtifactVersion, decode_record
from cas.spans.current import STACK
from cas.storage.local import LocalStore

if TYPE_CHECKING:
    from datetime import date, datetime
    from pathlib import Path

    from cas.objects import ids
    from cas.objects import records as object_records
    from cas.objects.ids import Kind
    from cas.objects.store import ObjectStore
    from cas.remotes.reports import Transfer
    from cas.repository import (
        checking,
        current,
        exchange,
        history,
        lineage,
        lockfile,
        naming,
        publishing,
        reading,
        searching,
        session,
        settling,
        spanning,
        transaction,
    )
    from cas.repository.checking import Report
    from cas.repository.exchange import Remotes
    from cas.repository.info import DeletePlan, LineageNode, NameInfo, ObjectInfo, SomeSpan, SpanInfo, SpanLink, Status
    from cas.repository.session import Session
    from cas.repository.spanning import ActiveSpan
    from cas.repository.transaction import Batch
else:
    checking, current, exchange, history, lineage, lockfile, naming = late(
        "cas.repository", "checking current exchange history lineage lockfile naming"
    )
    publishing, reading, searching, session, settling, spanning, transaction = late(
        "cas.repository", "publishing reading searching session settling spanning transaction"
    )
    (ids, object_records) = late("cas.objects", "ids records")

__all__ = ["ANY", "Repository"]

ANY = object()
"""``expect=ANY``: an alias may be anywhere before it is moved."""


class Repository:
    """A repository in a directory (``.cas``). Thread-safe; also a context manager that makes it the current one.

    ``author`` signs what is published, ``now`` is the clock (µs since the epoch).
    """

    def __init__(
        self, root: str | os.PathLike[str], *, author: str = "", now: Callable[[], int] = clock.now, trust: bool = False
    ) -> None:
        self._root = os.path.realpath(root)
        ownership.check(self._root, trust=trust)
        self.config = config.read(self._root)
        self.project, self.domain = self.config.project, self.config.domain
        self.author: str | Callable[[], str] = author or self.config.author or "unknown"
        self.now = now
        self.lock = threading.RLock()
        self.store = LocalStore(self._root)
        self.catalog = Catalog(f"{self._root}/catalog.sqlite", self.config.id, self._read, self._read_many)
        self._logs: dict[tuple[str, str], RefLog] = {}
        remember(self)

    @cached_property
    def root(self) -> Path:
        """The ``.cas`` directory."""
        from pathlib import Path

        return Path(self._root)

    @cached_property
    def objects(self) -> ObjectStore:
        """The objects under it; a process that only resolves refs needs none."""
        from cas.objects.store import ObjectStore

        elsewhere = self.remotes.on_demand() if "remote" in self.config.settings else None
        return ObjectStore(self.root / "objects", fetch_missing=elsewhere, elsewhere=elsewhere)

    @cached_property
    def remotes(self) -> Remotes:
        """The remotes it knows: add, list, remove, set_url."""
        from cas.repository.exchange import Remotes

        return Remotes(self)

    @cached_property
    def session(self) -> Session:
        """What this process has open."""
        return session.Session(self)

    # --- put -------------------------------------------------------------------------------------

    def put(
        self,
        value: object,
        ref: str,
        *,
        version: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        cards: Mapping[str, Any] | None = None,
        allow_pickle: bool = False,
        replace: bool = False,
    ) -> ArtifactVersion:
        """Store a value and publish it under a ref; within a span, once the span closes well.

        Content that the ref holds already makes no new version. ``replace`` settles a version of two contents.
        Raises RefSyntax, UnknownType, PartitionError, VersionConflict; nothing is published then.
        """
        self._check_pickle(allow_pickle)
        transaction.check_metadata(metadata)
        target = publishing.target(ref, self.project, self.domain, version)
        if replace:
            settling.settle(self, value, target, allow_pickle=allow_pickle)
        puts = [transaction.Put(value, target, metadata, cards)]
        return transaction.publish(self, puts, self.current_span(), allow_pickle=allow_pickle)[0]

    def put_many(self, items: Iterable[tuple[object, str]]) -> list[ArtifactVersion]:
        """Store values and publish them under their refs in one transaction: all, or none."""
        return transaction.publish_many(self, items)

    def batch(self) -> Batch:
        """A ``with`` block of puts that are published together when it ends."""
        return transaction.Batch(self)

    # --- get -------------------------------------------------------------------------------------

    def resolve(self, ref: str, *, strict: bool = False) -> ArtifactVersion:
        """The version that a ref names; ``strict`` takes its partition as the exact one. A span records it as input.

        Of ``ref//path`` it is the version that holds the path. Raises RefSyntax, RefNotFound (with near misses),
        AmbiguousRef, RefConflict.
        """
        version = self.resolve_whole(ref, strict=strict)
        if "//" in ref:
            reading.check_member(self, version, ref)
        return version

    def resolve_whole(self, ref: str, *, strict: bool = False) -> ArtifactVersion:
        """As :meth:`resolve`; whether the version holds the path of ``ref//path`` is not looked at."""
        return self._noted(current.replayed(self, ref) or resolving.resolve(self, ref, strict=strict), ref)

    def get(self, ref: object, *, allow_pickle: bool = False) -> Any:
        """The value of a ref, an id, a version or a query; ``ref//path`` reads a member of a directory or composite."""
        return reading.get(self, ref, allow_pickle=allow_pickle)

    def open(self, ref: str | ArtifactVersion) -> BinaryIO:
        """The bytes of a file, text or bytes as a seekable file that reads only the chunks it needs."""
        return reading.open_bytes(self, ref)

    def value(self, version: ArtifactVersion, as_type: object = None, *, allow_pickle: bool = False) -> Any:
        """The value of a version; ``as_type`` as in :meth:`ArtifactVersion.get`."""
        self._noted(version, None)
        return reading.value(self, version, as_type, allow_pickle=allow_pickle)

    def record(self, artifact: bytes) -> ArtifactRecord:
        """The decoded record of an artifact id (32 bytes)."""
        return decode_record(self.objects.read(artifact, ids.Kind.ARTIFACT))

    def blob(self, blob: bytes) -> bytes:
        """The verified bytes of a blob id (32 bytes)."""
        return self.objects.read(blob, ids.Kind.BLOB)

    def get_artifact(self, what: object) -> ArtifactVersion:
        """The version that a ref, a ``flyte://`` address, an id, a query or a declared artifact names.

        ``.get()`` reads its value, ``.get(path)`` downloads a file or directory. Raises RefNotFound, RefSyntax.
        """
        return searching.get_artifact(self, what)

    def search(
        self,
        what: Any = "*",
        *,
        project: str | None = None,
        domain: str | None = None,
        partitions: Mapping[str, Any] | None = None,
        time: Any = None,
        type: str | None = None,  # noqa: A002 - the word users know
        metadata: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[ArtifactVersion]:
        """The latest version of each partition that a glob on names, a query or an artifact matches, newest first.

        A value of ``partitions`` is a text (``*`` and ``?`` stand for anything) or a list of them; ``time`` a text, a
        list, or a range ``(first, last)``, both included. ``project`` and ``domain`` may be globs too.
        """
        return searching.search(
            self, what, (project, domain), partitions=partitions, time=time, type_=type, metadata=metadata, limit=limit
        )

    # --- look back -------------------------------------------------------------------------------

    def log(self, ref: str | None = None, *, limit: int | None = None) -> list[ArtifactVersion]:
        """The versions of a ref (all that its partition contains), or of everything; newest first."""
        return history.log(self, ref, limit)

    def find(
        self,
        pattern: Any = "*",
        *,
        type: str | None = None,  # noqa: A002 - the word users know
        metadata: Mapping[str, Any] | None = None,
        partitions: Mapping[str, str] | None = None,
        time: str | None = None,
        limit: int | None = None,
    ) -> list[ArtifactVersion]:
        """The latest version of every partition that matches, newest first; ``pattern`` is ``name@k=v`` with globs."""
        if not isinstance(pattern, str):
            return list(pattern.artifacts(self, limit))
        return history.find(self, pattern, type_=type, metadata=metadata, partitions=partitions, time=time, limit=limit)

    def names(self, pattern: str = "*") -> list[NameInfo]:
        """The names that match a glob, sorted."""
        return history.names(self, pattern)

    def aliases(self, ref: str | ArtifactVersion) -> dict[str, str]:
        """``{alias: version}`` of the exact partition of a version, or of the one that a ref resolves to."""
        return history.aliases(self, ref)

    def at(self, when: str | date | datetime) -> Repository:
        """The repository as it was: every name, partition, alias and span; it can only be read.

        ``when`` is a date or time (UTC without a zone; the first moment it names), or ``"@{N}"``: N segments of the ref
        log ago. Raises RefSyntax, RefNotFound where the log is not that long.
        """
        from cas.repository.past_view import PastView

        return PastView(self, when)

    def sign(self) -> str:
        """Who signs what is published; a function given as ``author`` is asked when something first is."""
        if not isinstance(self.author, str):
            self.author = self.author() or "unknown"
        return self.author

    def refuse(self, *_what: object, **_how: object) -> None:
        """Raise ReadOnly where the repository stands still (:meth:`at`)."""

    # --- change names ----------------------------------------------------------------------------

    def alias(self, ref: str, alias: str, *, expect: object = ANY, replace: bool = False) -> ArtifactVersion:
        """Point an alias at the version that a ref resolves to, by compare-and-swap.

        ``expect`` is the version it must be at now (None: nowhere); ``replace`` settles a stored conflict.
        Raises AliasConflict where it is elsewhere, or somebody moved it meanwhile.
        """
        return naming.alias(self, ref, alias, expect, replace=replace)

    def plan_delete(self, ref: str) -> DeletePlan:
        """What :meth:`delete` would take away."""
        return naming.plan_delete(self, ref)

    def delete(self, ref: str) -> DeletePlan:
        """Tombstone a version (``name#version``), an alias (``name#alias``) or every partition that matches."""
        return naming.delete(self, ref)

    def declare(
        self,
        name: str,
        *,
        keys: Iterable[str] = (),
        granularity: str | None = None,
        type: str | None = None,  # noqa: A002 - the word users know
        description: str | None = None,
    ) -> NameInfo:
        """Declare a name's partition keys and time granularity, or extend them. Raises PartitionError: they shrink."""
        return naming.declare(
            self, name, keys=tuple(keys), granularity=granularity, type_=type, description=description
        )

    def declaration(self, name: str) -> NameInfo | None:
        """What is declared of a name, None where it is unknown."""
        return history.declaration(self, name)

    # --- spans -----------------------------------------------------------------------------------

    def span(
        self,
        label: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        atomic: bool = False,
        kind: str = "",
        fields: Mapping[str, Any] | None = None,
        parent: str | None = None,
    ) -> ActiveSpan:
        """A span to enter with ``with`` or ``async with``; ``atomic`` holds back what spans inside it publish, too.

        ``parent`` is the id of the span around it where the context does not tell: in another process or thread.
        """
        up = None if parent is None else spanning.parent_id(self, parent)
        return spanning.ActiveSpan(self, label, metadata=metadata, atomic=atomic, kind=kind, fields=fields, parent=up)

    def span_again(self, span: str | SomeSpan) -> ActiveSpan:
        """A span that was closed, to enter again and add to."""
        info = self.span_info(span)
        return spanning.ActiveSpan(self, info.label, again=info)

    def current_span(self) -> ActiveSpan | None:
        """The innermost open span of this repository around the caller."""
        return next(iter(self.spans_around()), None) if STACK.all() else None

    def spans_around(self) -> tuple[ActiveSpan, ...]:
        """The open spans of this repository around the caller, innermost first."""
        return tuple(span for span in STACK.all() if span.repository is self and span.is_open)

    def spans(
        self,
        where: Any = None,
        *,
        label: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        **fields: Any,
    ) -> list[Any]:
        """Spans, newest first; ``label`` is exact or a glob.

        ``where`` is a subclass of ``cas.Span``, searched by its ``fields`` too, or a filter (``cas.SpanFilter``); both
        give ``cas.Span`` objects, each of its own class, without them ``SpanInfo``. Raises UsageError.
        """
        return lineage.spans_where(self, where, label, status, limit, fields)

    def span_info(self, span: str | SomeSpan) -> SpanInfo:
        """One span by its id, a prefix, ``%prefix`` or any form of it. Raises SpanNotFound, AmbiguousRef."""
        return lineage.span_info(self, span)

    def producer(self, what: str | ArtifactVersion) -> SpanInfo | None:
        """The span that made an artifact; None for one that was put outside of spans."""
        return lineage.producer(self, what)

    def consumers(self, what: str | ArtifactVersion) -> list[SpanInfo]:
        """The spans that read an artifact, oldest first."""
        return lineage.consumers(self, what)

    def inputs(self, span: str | SomeSpan) -> list[SpanLink]:
        """What a span read, in order."""
        return lineage.inputs(self, span)

    def outputs(self, span: str | SomeSpan) -> list[ArtifactVersion]:
        """What a span made, in order: labelled artifacts and what it published."""
        return lineage.outputs(self, span)

    def triggered_by(self, span: str | SomeSpan) -> ArtifactVersion | None:
        """The version that triggered the launch a span is part of; None where no trigger made it."""
        return lineage.triggered_by(self, span)

    def lineage(self, what: str | ArtifactVersion, *, down: bool = False, depth: int | None = None) -> LineageNode:
        """What an artifact was made from, back to the beginning; ``down``: what was made from it."""
        return lineage.lineage(self, what, down=down, depth=depth)

    def fetch(self, remote: str | None = None, **how: Any) -> Transfer:
        """Copy what is new in a remote's logs; see :func:`cas.repository.exchange.fetch`."""
        return exchange.fetch(self, remote, **how)

    def pull(self, remote: str | None = None, patterns: Sequence[str] = (), **how: Any) -> Transfer:
        """Fetch, bring what is missing here, and merge; see :func:`cas.repository.exchange.pull`."""
        return exchange.pull(self, remote, patterns, **how)

    def push(self, remote: str | None = None, patterns: Sequence[str] = (), **how: Any) -> Transfer:
        """Send what a remote lacks; see :func:`cas.repository.exchange.push`."""
        return exchange.push(self, remote, patterns, **how)

    def ls_remote(self, remote: str | None = None) -> list[tuple[str, str]]:
        """``(artifact id, ref)`` of every tip and alias at a remote or URL, now; nothing is kept here."""
        return exchange.list_there(self, remote)

    def lock_of(self, span: str | SomeSpan) -> dict[str, Any]:
        """Every resolution that a span and those inside it made, for ``launch(plan, lock=…)``; JSON values."""
        return lockfile.lock_of(self, span)

    # --- ids and upkeep --------------------------------------------------------------------------

    def show(self, text: str) -> ArtifactVersion | SpanInfo | ObjectInfo:
        """Whatever a ref, an id prefix or ``%span`` names."""
        return reading.show(self, text)

    def version_of(self, artifact: bytes, asked: str | None = None) -> ArtifactVersion:
        """The version that holds an artifact id (32 bytes): the one that ``asked`` named, else the newest."""
        return lineage.version_of(self, artifact, asked)

    def fsck(
        self, progress: Callable[[int, int], None] = lambda _done, _total: None, *, repair: bool = False
    ) -> Report:
        """Read and verify everything; damage is listed with the refs that need it. Progress is in bytes.

        ``repair`` puts packs with damage aside, but for what is sound of them: what is lost can then be put again.
        """
        return checking.fsck(self, progress, repair=repair)

    def status(self) -> Status:
        """The repository at a glance."""
        return checking.status(self)

    def close(self) -> None:
        """Seal what is open and let go of every file."""
        with self.lock:
            if "session" in self.__dict__:
                self.session.close()
            self.catalog.close()
            for opened in ("store", "remotes", "objects"):
                if opened in self.__dict__:
                    getattr(self, opened).close()

    def __enter__(self) -> Repository:
        current.enter(self)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        current.leave()

    def __repr__(self) -> str:
        return f"<Repository {self._root}>"

    # --- for the modules of this room ------------------------------------------------------------

    log_prefix = "refs"  # where the logs lie that names are looked up in
    remote_name: str | None = None  # of which remote they are
    until: int | None = None  # when it stands still: the time up to which it is told (µs)

    def is_same(self, other: Repository) -> bool:
        """Whether both are open on one directory."""
        return self is other or self._root == other._root

    def log_of(self, project: str, domain: str) -> RefLog:
        """The ref log of a project and domain."""
        log = self._logs.get((project, domain))
        if log is None:
            log = self._logs[project, domain] = RefLog(self.store, project, domain)
        return log

    def _read(self, ident: bytes, kind: Kind) -> bytes:
        return self.objects.read(ident, kind)

    def _read_many(self, idents: Sequence[bytes]) -> list[bytes]:
        return object_records.read_records(self.objects, ids.Kind.SPAN, idents)

    def _noted(self, version: ArtifactVersion, asked: str | None) -> ArtifactVersion:
        if (span := self.current_span()) is not None:
            span.read(version, asked)
        return version

    def _check_pickle(self, allowed: bool) -> None:
        if allowed and not self.config.allow_pickle:
            raise ownership.pickle_refused(self._root)

    def _forked(self) -> None:
        # A child has its own lock, catalog connection and pack; the parent's spans stay its context.
        self.lock = threading.RLock()
        self.__dict__.pop("objects", None)
        self.__dict__.pop("remotes", None)
        self.session = session.Session(self, recovered=True)
        self.catalog.reopen()
