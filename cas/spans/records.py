"""Span records: what a run was, written once when it opens and once when it closes.

The form is in docs/format.md, Span records. Encoding and decoding are pure; ids follow from the bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cas.errors import CodecError, TypeMismatch
from cas.objects import canonical
from cas.objects.ids import ArtifactId, ObjectId, SpanId

__all__ = ["ABANDONED", "Declared", "Intent", "SpanClose", "SpanInput", "SpanOpen", "SpanOutput", "decode", "encode"]

ABANDONED = {"type": "Abandoned", "message": "its process ended without closing it"}


class SpanOpen(NamedTuple):
    """The opening record; its id is the span's id. ``time`` is in µs; ``kind`` names a subclass, or is empty."""

    label: str
    parent: SpanId | None
    time: int
    meta: dict[str, Any]
    code: dict[str, Any]
    kind: str
    fields: dict[str, Any]
    nonce: bytes


class SpanInput(NamedTuple):
    """Something a span read: an artifact, or a bare literal given as argument ``name``; ``ref`` was asked for."""

    artifact: ArtifactId | None
    literal: list[Any] | None
    ref: str | None
    name: str | None


class SpanOutput(NamedTuple):
    """Something a span made: an artifact with its label in the span, or the ref it was put under."""

    artifact: ArtifactId
    label: str | None
    ref: str | None


class Intent(NamedTuple):
    """A version the span publishes when it closes: enough to repeat exactly that after a crash.

    ``tip`` is the write id of the version the maker saw there, "" where there was none.
    """

    project: str
    domain: str
    name: str
    keys: dict[str, str]
    time: str | None
    version: str
    literal: bytes
    artifact: ArtifactId
    tip: str
    stamp: int
    write: str


class Declared(NamedTuple):
    """What a name that the intents publish for the first time is declared as."""

    project: str
    domain: str
    name: str
    keys: tuple[str, ...]
    granularity: str | None
    type: str | None


class SpanClose(NamedTuple):
    """The closing record: links the span to everything it touched. ``time`` is in µs; ``previous`` is the closing of
    a span entered again, whose links this one adds to."""

    span: SpanId
    status: str
    time: int
    error: dict[str, Any] | None
    inputs: list[SpanInput]
    outputs: list[SpanOutput]
    parents: list[SpanId]
    children: list[ObjectId]
    intents: list[Intent]
    previous: ObjectId | None
    # Labels of artifacts deleted from the span; left out of the record where there are none.
    removed: tuple[str, ...] = ()
    # Declarations that go with the intents; left out, too.
    declared: tuple[Declared, ...] = ()


# "open" is the note of a span still running that its pack was sealed; the last one counts if its process dies.
STATUSES = frozenset({"ok", "failed", "abandoned", "open", "deleted"})


def encode(record: SpanOpen | SpanClose) -> bytes:
    """The canonical bytes of a span record. Raises CodecError where metadata or fields hold no plain values."""
    try:
        if isinstance(record, SpanOpen):
            label, parent, time, meta, code, kind, fields, nonce = record
            form = {
                "record": "open", "label": label, "parent": parent, "time": time, "meta": meta, "code": code,
                "class": kind, "fields": fields, "nonce": nonce,
            }  # fmt: skip
            return canonical.encode_record(form, ("meta", "code", "fields"))
        return canonical.encode_record(_closing_form(record), ("error",))
    except CodecError as error:
        raise CodecError(
            f"span metadata must be plain values: {error.message}",
            hint="log other values as artifacts of the span: span.log(value, label=…)",
        ) from error


def _closing_form(record: SpanClose) -> dict[str, Any]:
    span, status, time, error, inputs, outputs, parents, children, intents, previous, removed, declared = record
    form: dict[str, Any] = {
        "record": "close", "span": span, "status": status, "time": time, "error": error, "inputs": inputs,
        "outputs": outputs, "parents": parents, "children": children, "intents": intents, "previous": previous,
    }  # fmt: skip
    if removed:
        form["removed"] = removed
    if declared:
        form["declared"] = declared
    return form


def decode(payload: bytes) -> SpanOpen | SpanClose:
    """Inverse of :func:`encode`. Raises TypeMismatch where the bytes are no span record."""
    form = canonical.decode(payload)
    if not isinstance(form, dict):
        raise TypeMismatch("a span record is a map")
    kind = form.pop("record", None)
    try:
        if kind == "open":
            form["kind"] = form.pop("class")
            opened = SpanOpen(**form)
            _expect(isinstance(opened.label, str) and isinstance(opened.time, int) and isinstance(opened.meta, dict))
            _expect(_is_id(opened.parent) or opened.parent is None)
            return opened
        if kind == "close":
            closed = SpanClose(**form)
            _expect(closed.status in STATUSES and isinstance(closed.time, int) and _is_id(closed.span))
            _expect(all(_is_id(one) for one in (*closed.parents, *closed.children)))
            _expect(isinstance(closed.removed, list | tuple) and all(isinstance(one, str) for one in closed.removed))
            return closed._replace(
                removed=tuple(closed.removed),
                declared=tuple(Declared(*one[:3], tuple(one[3]), *one[4:]) for one in closed.declared),
                inputs=[SpanInput(*one) for one in closed.inputs],
                outputs=[SpanOutput(*one) for one in closed.outputs],
                intents=[Intent(*one) for one in closed.intents],
            )
    except (TypeError, KeyError) as error:
        raise TypeMismatch(f"malformed span record: {error}") from error
    raise TypeMismatch(f"unknown span record {kind!r}", hint="upgrade cas: a newer one wrote this")


def _is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _expect(condition: bool) -> None:
    if not condition:
        raise TypeMismatch("malformed span record: a field has the wrong type")
