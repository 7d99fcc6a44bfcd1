"""A repository as it was at some time, to be read, asked and followed as the repository itself is."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, NoReturn

from cas import clock
from cas.catalog.past import Cut, PastCatalog
from cas.errors import ReadOnly, RefNotFound, RefSyntax, UsageError
from cas.refs import grammar
from cas.refs.grammar import At, Was
from cas.repository import history
from cas.repository.repository import Repository

if TYPE_CHECKING:
    from cas.objects.writer import PackWriter
    from cas.refs.log import RefLog
    from cas.repository.spanning import ActiveSpan
    from cas.repository.version import ArtifactVersion

__all__ = ["PastView"]


class PastView(Repository):
    """Shares everything with a repository but the catalog, which tells what its logs said then. It takes nothing in
    that is published later, and whatever would change it raises ReadOnly."""

    def __init__(self, repository: Repository, when: str | date | datetime) -> None:
        cut = cut_of(repository, when)
        # The parts are the repository's own, so nothing is opened, and nothing else must be closed.
        self.__dict__.update(repository.__dict__)
        self.objects = repository.objects
        self.session = _NoSession(self, repository, cut.until)  # type: ignore[assignment]  # all that reading asks of a session
        self.catalog = PastCatalog(repository.catalog, cut)
        self.until = cut.until
        self.log_prefix, self.remote_name = repository.log_prefix, repository.remote_name
        self._now = repository

    def current_span(self) -> ActiveSpan | None:
        """The open span around the caller: what it reads here are inputs of it."""
        return self._now.current_span()

    def spans_around(self) -> tuple[ActiveSpan, ...]:
        """None: nothing is held back here."""
        return ()

    def _noted(self, version: ArtifactVersion, asked: str | None) -> ArtifactVersion:
        # What was asked for means something else now: the record says what it was.
        return super()._noted(version, version.ref if asked is not None else None)

    def at(self, when: str | date | datetime) -> Repository:
        """The repository at an even earlier time. Raises ReadOnly for a later one, which is not known here."""
        earlier = PastView(self._now, when)
        if earlier.until is not None and self.until is not None and earlier.until > self.until:
            raise ReadOnly(f"{when!r} is after {self!r}", hint="ask the repository itself: repo.at(…)")
        return earlier

    def refuse(self, *_what: object, **_how: object) -> NoReturn:
        """Whatever would change it. Raises ReadOnly."""
        assert self.until is not None
        raise ReadOnly(
            f"{self._root} as it was at {clock.to_iso(self.until)} can only be read",
            hint="change the repository as it is now: leave --at or repo.at(…) out",
        )

    put: Any = refuse
    put_many: Any = refuse
    batch: Any = refuse
    alias: Any = refuse
    delete: Any = refuse
    declare: Any = refuse
    span: Any = refuse
    span_again: Any = refuse
    fetch: Any = refuse
    pull: Any = refuse
    push: Any = refuse

    def close(self) -> None:
        """Let go of the copy; the repository stays open."""
        self.catalog.close()

    def __repr__(self) -> str:
        assert self.until is not None
        return f"<Repository {self._root} at {clock.to_iso(self.until)}>"


class _NoSession:
    """Of what this process has open, the spans that were open then; nothing is written."""

    def __init__(self, view: PastView, repository: Repository, until: int) -> None:
        self._view = view
        spans = list(repository.session.open_spans.items())
        self.open_spans = {ident: span for ident, span in spans if span.state.opened.time <= until}
        self.closed_again: list[tuple[bytes, bytes]] = []
        self.stirred: dict[bytes, bool] = {}

    def writer(self) -> PackWriter:
        self._view.refuse()

    def make_durable(self) -> None:
        self._view.refuse()


def cut_of(repository: Repository, when: str | date | datetime) -> Cut:
    """What is kept of the logs. Raises RefSyntax and UsageError for what is no time, RefNotFound for too many segments
    back.
    """
    history.catch_up_all(repository)
    if isinstance(when, datetime):
        return Cut(clock.from_datetime(when))
    if isinstance(when, date):
        return Cut(clock.from_datetime(datetime(when.year, when.month, when.day, tzinfo=timezone.utc)))
    if not isinstance(when, str):
        raise UsageError(f"{when!r:.40} is no time", hint="give a date, a datetime, or a text: 2024-05-01, @{N}")
    text = when.strip()
    mod = _mod(text if text.startswith("@{") else f"@{{{text}}}", when)
    if isinstance(mod, At):
        return Cut(mod.time)
    if not text.startswith("@{"):
        raise RefSyntax(f"{when!r} is no time", text=when, hint=f"for {when} segments back write @{{{when}}}")
    return _segments_back(repository, mod.moves)


def _mod(text: str, when: str) -> At | Was:
    try:
        (mod,) = grammar.parse(f"x{text}").mods
    except (RefSyntax, ValueError):
        mod = None
    if not isinstance(mod, At | Was):
        raise RefSyntax(
            f"{when!r} is no time", text=when, hint="write 2024-05-01, 2024-05-01T12:30, or @{N} for N segments back"
        )
    return mod


def _segments_back(repository: Repository, count: int) -> Cut:
    log = repository.log_of(repository.project, repository.domain)
    number, _, stamp = repository.catalog.catch_up(log)
    if count > number:
        raise RefNotFound(
            f"the log of {log.project}/{log.domain} has {number} segments, so none {count} back",
            hint="see when things were published: cas log",
        )
    if count == 0:
        return Cut(max(stamp, repository.now()))
    try:
        writes = tuple(write for one in range(number - count + 1, number + 1) for write in _writes(log, one))
        until = _last_moment(log, number - count) if count < number else 0
    except FileNotFoundError:
        raise RefNotFound(f"the segments {count} back are not here", hint="give a date instead") from None
    return Cut(until, (log.project, log.domain), writes)


def _last_moment(log: RefLog, number: int) -> int:
    """When a segment was written, or its last entry stamped: the later of both (µs)."""
    content = log.store.read(log.path(number))
    found = re.findall(rb'^(?:stamp|time) = "([0-9T:.-]+Z)"$', content, re.MULTILINE)
    if len(found) != 1 + len(re.findall(rb"^\[\[", content, re.MULTILINE)):
        segment = log.read(number)
        return max([segment.time, *(entry.stamp for entry in segment.entries)])
    return clock.from_iso(max(found).decode())


def _writes(log: RefLog, number: int) -> list[str]:
    """The write ids of a segment, found as our writer lays them out, at a fiftieth of the time of reading it all."""
    content = log.store.read(log.path(number))
    found = re.findall(rb'^write = "([0-9a-f]{32})"$', content, re.MULTILINE)
    if len(found) != len(re.findall(rb"^\[\[", content, re.MULTILINE)):
        return [entry.write for entry in log.read(number).entries]
    return [write.decode() for write in found]
