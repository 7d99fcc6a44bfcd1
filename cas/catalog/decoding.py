"""What the catalog takes from span records: nearly all are checked in C, the rest by ``cas.spans.records``.

A record taken the quick way has exactly the form of docs/format.md: its types are checked while it is decoded, and it
encodes to the same bytes again.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from cas.catalog.rows import SpanRow
from cas.errors import CasError
from cas.objects import canonical
from cas.spans import records

__all__ = ["Closing", "closing_of", "open_row", "text_of"]

_Id = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Link = tuple[_Id | None, tuple[str, int, bytes, int] | None, str | None, str | None]
_Output = tuple[_Id, str | None, str | None]
_Intent = tuple[str, str, str, dict[str, str], str | None, str, bytes, bytes, str, int, str]
_Declared = tuple[str, str, str, list[str], str | None, str | None]
# Maps of anything are checked as canonical values of their own; longer ones could nest deeper than a record may.
_SHORT = 250
_EMPTY = b"\x80"
_NIL = b"\xc0"
_TEXTS: dict[bytes, str] = {}
_KEPT = 4096


# Fields in the order of their names, as they are encoded.
class _Open(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"kind": "class"}, gc=False):
    kind: str
    code: msgspec.Raw
    fields: msgspec.Raw
    label: str
    meta: msgspec.Raw
    nonce: bytes
    parent: _Id | None
    record: Literal["open"]
    time: int


class _Close(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    children: list[_Id]
    declared: list[_Declared] = []
    error: msgspec.Raw
    inputs: list[_Link]
    intents: list[_Intent]
    outputs: list[_Output]
    parents: list[_Id]
    previous: _Id | None
    record: Literal["close"]
    removed: list[str] = []
    span: _Id
    status: Literal["ok", "failed", "abandoned", "open", "deleted"]
    time: int


class Closing(NamedTuple):
    """A closing record, as far as the catalog keeps it; ``error`` is JSON text."""

    id: bytes
    span: bytes
    status: str
    time: int
    error: str | None
    inputs: list[Any]
    outputs: list[Any]
    children: list[Any]
    previous: bytes | None
    removed: tuple[str, ...]

    @property
    def is_tomb(self) -> bool:
        """Whether it takes something away."""
        return self.status == "deleted" or bool(self.removed)


_open = msgspec.msgpack.Decoder(_Open).decode
_close = msgspec.msgpack.Decoder(_Close).decode
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def open_row(ident: bytes, payload: bytes) -> SpanRow:
    """The row of a span that its opening record makes. Raises CorruptObject, TypeMismatch."""
    try:
        one = _open(payload)
        if _encode(one) == payload:
            meta, code, fields = _text(one.meta), _text(one.code), _text(one.fields)
            return SpanRow(
                ident, one.parent, one.label, one.kind, "open", one.time, None, None, meta, code, fields, None
            )
    except (msgspec.MsgspecError, ValueError, RecursionError, CasError):
        pass  # the general way says what it is
    record = records.decode(payload)
    assert isinstance(record, records.SpanOpen)
    meta, code, fields = text_of(record.meta), text_of(record.code), text_of(record.fields)
    return SpanRow(
        ident, record.parent, record.label, record.kind, "open", record.time, None, None, meta, code, fields, None
    )


def closing_of(ident: bytes, payload: bytes) -> Closing:
    """What a closing record says. Raises CorruptObject, TypeMismatch."""
    try:
        one = _close(payload)
        if _encode(one) == payload:
            error = None if bytes(one.error) == _NIL else _text(one.error)
            return Closing(
                ident,
                one.span,
                one.status,
                one.time,
                error,
                one.inputs,
                one.outputs,
                one.children,
                one.previous,
                tuple(one.removed),
            )
    except (msgspec.MsgspecError, ValueError, RecursionError, CasError):
        pass  # as above
    record = records.decode(payload)
    assert isinstance(record, records.SpanClose)
    error = None if record.error is None else text_of(record.error)
    return Closing(
        ident,
        record.span,
        record.status,
        record.time,
        error,
        record.inputs,
        record.outputs,
        record.children,
        record.previous,
        record.removed,
    )


def text_of(value: object) -> str:
    """A map of a record as JSON text."""
    return json.dumps(value, default=_plain, ensure_ascii=False) if value else "{}"


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)


def _text(raw: msgspec.Raw) -> str:
    """An encoded map as JSON text; those of one program are mostly alike. Raises ValueError for anything else."""
    encoded = bytes(raw)
    if encoded == _EMPTY:
        return "{}"
    found = _TEXTS.get(encoded)
    if found is None:
        value = canonical.decode(encoded) if len(encoded) <= _SHORT else None
        if type(value) is not dict:
            raise ValueError("not a short map")
        if len(_TEXTS) >= _KEPT:
            _TEXTS.clear()
        found = _TEXTS[encoded] = text_of(value)
    return found
