"""Spans that no log names yet: the open ones, here and in other processes, and those that closed inside them.

Told by the records in open packs, and by the closings that those list. Where the catalog knows a span, it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cas import clock
from cas.errors import ObjectNotFound
from cas.objects.ids import ArtifactId, Kind
from cas.repository.info import SpanInfo
from cas.repository.version import decode_record
from cas.spans import records
from cas.spans.records import SpanClose, SpanInput, SpanOpen, SpanOutput

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["LiveSpan", "live_spans", "opened_info"]


class LiveSpan:
    """One span that the log does not name: its opening, and its closings in order."""

    def __init__(self, ident: bytes, opened: SpanOpen) -> None:
        self.id = ident
        self.opened = opened
        self.closings: dict[bytes, SpanClose] = {}
        self.note: SpanClose | None = None
        self.running = False
        self.left = False
        self.logged: list[SpanOutput] = []

    @property
    def info(self) -> SpanInfo:
        """It, as the catalog would say it."""
        if self.running or not self.closings:
            opened = opened_info(self.id, self.opened)
            return replace(opened, status="abandoned", error=records.ABANDONED) if self.left else opened
        earlier = {one.previous for one in self.closings.values()}
        closing, last = [(ident, one) for ident, one in self.closings.items() if ident not in earlier][-1]
        return opened_info(self.id, self.opened, closing, last)

    @property
    def inputs(self) -> list[SpanInput]:
        """What it read, as far as it is told."""
        return [one for told in self._told() for one in told.inputs]

    @property
    def outputs(self) -> list[SpanOutput]:
        """What it made, as far as it is told; of an open one what it labelled."""
        told = [one for told in self._told() for one in told.outputs]
        return [*told, *(one for one in self.logged if one not in told)]

    def _told(self) -> list[SpanClose]:
        if not self.closings:
            return [self.note] if self.note is not None else []
        order: dict[bytes, SpanClose] = {}
        waiting = list(self.closings.items())
        while waiting:  # each after the one that it follows
            ident, one = waiting.pop(0)
            if one.previous in self.closings and one.previous not in order:
                waiting.append((ident, one))
            else:
                order[ident] = one
        return list(order.values())


def live_spans(repository: Repository, *, here: bool = True) -> dict[bytes, LiveSpan]:
    """The spans that the catalog does not know, by id, oldest first; with those open here, which it may know.

    Without ``here`` only what other processes tell.
    """
    running = {ident: span.state for ident, span in list(repository.session.open_spans.items())} if here else {}
    found: dict[bytes, LiveSpan] = {}
    closings: dict[bytes, SpanClose] = {}
    notes: dict[bytes, SpanClose] = {}
    # What this process itself wrote is in the catalog, or listed by what it has open.
    for ident, payload in repository.objects.live(Kind.SPAN, others=True):
        record = records.decode(payload)
        if repository.until is not None and record.time > repository.until:
            continue
        if isinstance(record, SpanOpen):
            found[ident] = LiveSpan(ident, record)
        elif record.status == "open":
            notes[record.span] = record
        else:
            closings[ident] = record
    found.update((ident, LiveSpan(ident, state.opened)) for ident, state in running.items())
    # Packs may have been sealed meanwhile: what closed earlier is listed by what is here.
    listed = [child for one in (*closings.values(), *notes.values()) for child in one.children]
    _follow(repository, [*listed, *(child for state in running.values() for child in state.children)], closings)
    _open(repository, [one.span for one in closings.values() if one.span not in found], found)
    for closing, close in closings.items():
        if close.span in found:
            found[close.span].closings[closing] = close
    for span, note in notes.items():
        if span in found:
            found[span].note = note
    for known in repository.catalog.spans().known(list(found)) - running.keys():
        del found[known]
    for open_here in running:
        found[open_here].running = True
    if any(not (one.running or one.closings) for one in found.values()):
        # Nobody writes their ends before the next writer comes, who has not come yet.
        for ident in repository.objects.left(Kind.SPAN) & found.keys():
            found[ident].left = True
    _add_logged(repository, {ident: one for ident, one in found.items() if not (one.running or one.closings)})
    return dict(sorted(found.items(), key=lambda item: (item[1].opened.time, item[0])))


def _add_logged(repository: Repository, spans: dict[bytes, LiveSpan]) -> None:
    """Tell open spans of other processes what they labelled."""
    if not spans:
        return
    for ident, payload in repository.objects.live(Kind.ARTIFACT, others=True):
        record = decode_record(payload)
        if record.span in spans and record.label is not None:
            spans[record.span].logged.append(SpanOutput(ArtifactId(ident), record.label, None))


def _follow(repository: Repository, level: list[bytes], closings: dict[bytes, SpanClose]) -> None:
    """Add the closings of a list, and those inside them; of what the log names nothing is looked at."""
    while True:
        wanted = [ident for ident in dict.fromkeys(level) if ident not in closings]
        taken = repository.catalog.spans().taken(wanted)
        wanted = [ident for ident in wanted if ident not in taken]
        if not wanted:
            return
        level = []
        for ident, payload in _read(repository, wanted).items():
            record = records.decode(payload)
            if isinstance(record, SpanClose):
                closings[ident] = record
                level += record.children


def _open(repository: Repository, idents: Sequence[bytes], found: dict[bytes, LiveSpan]) -> None:
    for ident, payload in _read(repository, list(dict.fromkeys(idents))).items():
        record = records.decode(payload)
        if isinstance(record, SpanOpen):
            found[ident] = LiveSpan(ident, record)


def _read(repository: Repository, idents: list[bytes]) -> dict[bytes, bytes]:
    try:
        return dict(zip(idents, repository.objects.read_many(idents), strict=True))
    except ObjectNotFound:  # a pack that its writer sealed, or merged, under our eyes
        return {}


def opened_info(
    ident: bytes, record: SpanOpen, closing: bytes | None = None, close: SpanClose | None = None
) -> SpanInfo:
    """A span by its records."""
    return SpanInfo(
        ident.hex(),
        record.label,
        record.parent.hex() if record.parent else None,
        "open" if close is None else close.status,
        clock.to_datetime(record.time),
        None if close is None else clock.to_datetime(close.time),
        record.meta,
        record.code,
        None if close is None else close.error,
        record.kind,
        record.fields,
        None if closing is None else closing.hex(),
    )
