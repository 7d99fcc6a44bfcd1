"""What questions about spans, names and the repository return: plain, frozen answers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cas import clock
from cas.catalog.rows import SpanRow
from cas.errors import SpanNotFound

__all__ = [
    "AliasInfo",
    "DeletePlan",
    "LineageNode",
    "NameInfo",
    "ObjectInfo",
    "SomeSpan",
    "SpanInfo",
    "SpanLink",
    "Status",
    "span_text",
]


class SomeSpan(Protocol):
    """A span, in whatever form somebody has it: open, as an answer, or as ``cas.Span``."""

    @property
    def id(self) -> str | None:
        """64 hex digits; None before it was opened."""


def span_text(span: str | SomeSpan) -> str:
    """The id of a span, or the text that names it. Raises SpanNotFound for what is neither."""
    text = span if isinstance(span, str) else getattr(span, "id", None)
    if not isinstance(text, str):
        raise SpanNotFound(f"{span!r:.80} names no span", hint="give its id, a prefix of it, or the span itself")
    return text


@dataclass(frozen=True)
class SpanInfo:
    """One span: ids are hex, times aware UTC. ``status`` is open, ok, failed or abandoned; ``closing`` the last closing
    record."""

    id: str
    label: str
    parent: str | None
    status: str
    opened_at: datetime
    closed_at: datetime | None
    metadata: dict[str, Any]
    code: dict[str, Any]
    error: dict[str, Any] | None
    kind: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    closing: str | None = None

    @classmethod
    def of(cls, row: SpanRow) -> SpanInfo:
        """The answer from the catalog's row."""
        return cls(
            row.id.hex(),
            row.label,
            row.parent.hex() if row.parent else None,
            row.status,
            clock.to_datetime(row.opened),
            None if row.closed is None else clock.to_datetime(row.closed),
            _read(row.meta),
            _read(row.code),
            json.loads(row.error) if row.error else None,
            row.kind,
            _read(row.fields),
            row.closing.hex() if row.closing else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything about it as JSON values."""
        form = asdict(self)
        form["opened_at"] = self.opened_at.isoformat()
        form["closed_at"] = self.closed_at.isoformat() if self.closed_at else None
        return form


def _read(text: str) -> dict[str, Any]:
    """A map from its JSON text; most are empty."""
    return {} if text == "{}" else json.loads(text)


@dataclass(frozen=True)
class SpanLink:
    """One input of a span: an artifact, or the bare literal of argument ``name``; ``asked`` is the ref that was
    resolved."""

    artifact: str | None
    literal: str | None
    type: str | None
    asked: str | None
    name: str | None
    ref: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class NameInfo:
    """A name: its declaration, how many partitions and versions it has now, and when the newest was published."""

    name: str
    keys: tuple[str, ...]
    granularity: str | None
    type: str | None
    description: str | None
    partitions: int
    versions: int
    latest: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        form = asdict(self)
        form["keys"] = list(self.keys)
        form["latest"] = self.latest.isoformat() if self.latest else None
        return form


@dataclass(frozen=True)
class AliasInfo:
    """An alias of one exact partition."""

    ref: str
    alias: str
    version: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class DeletePlan:
    """What a delete takes away: refs as they are typed. The objects stay until they are collected."""

    what: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"what": list(self.what)}


@dataclass(frozen=True)
class ObjectInfo:
    """An object by its id: its kind and how many bytes its payload has."""

    id: str
    kind: str
    size: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class LineageNode:
    """A step of a lineage: an artifact or a span, and what lies behind (or before) it. ``seen`` marks one shown
    already."""

    kind: str
    id: str
    title: str
    children: tuple[LineageNode, ...] = ()
    seen: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "id": self.id,
            "title": self.title,
            "seen": self.seen,
            "children": [child.to_dict() for child in self.children],
        }


@dataclass(frozen=True)
class Status:
    """A repository at a glance: sizes in bytes."""

    path: str
    project: str
    domain: str
    names: int
    partitions: int
    versions: int
    spans: int
    open_spans: tuple[SpanInfo, ...]
    packs: int
    bytes: int
    segments: int
    log_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "open_spans": [span.to_dict() for span in self.open_spans]}
