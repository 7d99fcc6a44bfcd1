"""Many artifacts' values at once: records and contents are read by the thousand and JSON-like ones checked in C.

Whatever does not go the fast way (large, composite, of another version or type) is read by
:func:`cas.models.access.decode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from cas.literals.literal import Literal
from cas.literals.plain import PLAIN, all_flat, encode_flat, is_flat
from cas.models import access
from cas.models.classes import find_class
from cas.models.codec import MODEL
from cas.models.migrate import restore
from cas.models.record import ModelRecord
from cas.repository.version import ArtifactRecord, ArtifactVersion, decode_record

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["SMALL", "flat_values", "read_records", "read_values"]

_unpack = msgspec.msgpack.Decoder().decode
_FAST = frozenset({MODEL.type, PLAIN[dict], PLAIN[list]})
_HEAD = frozenset({"model", "version", "fields"})
_RECORD = frozenset({"literal", "span", "label"})
_LITERAL = [str, int, bytes, int]
_SPAN = (bytes, type(None))
_LABEL = (str, type(None))
SMALL = 64 * 1024  # bytes; larger contents are not worth a batch
_SLOW: Any = object()


def read_records(repository: Repository, artifacts: Sequence[bytes]) -> list[ArtifactRecord]:
    """The records of artifact ids (32 bytes each), in order."""
    payloads = repository.objects.read_many(artifacts)
    return [_record(payload) or decode_record(payload) for payload in payloads]


def read_values(repository: Repository, versions: Sequence[ArtifactVersion], *, lazy: bool = False) -> list[Any]:
    """The values of versions, in order."""
    literals = [version.literal for version in versions]
    fast = [at for at, literal in enumerate(literals) if literal.type in _FAST and literal.size <= SMALL]
    values: list[Any] = [_SLOW] * len(literals)
    for at, value in zip(fast, flat_values(repository, [literals[at] for at in fast]), strict=True):
        if value is not _SLOW:
            values[at] = _value(literals[at], value, versions[at])
    for at, value in enumerate(values):
        if value is _SLOW:
            values[at] = access.read_value(repository, versions[at], lazy=lazy)
    return values


def flat_values(repository: Repository, literals: Sequence[Literal]) -> list[Any]:
    """The JSON-like values that contents hold; _SLOW for others."""
    contents = repository.objects.read_many([literal.content for literal in literals])
    values = []
    for content in contents:
        try:
            values.append(_unpack(content))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # noqa: PERF203  (the slow way tells what it is)
            values.append(_SLOW)
    if all_flat(values):
        return [
            value if encode_flat(value) == content else _SLOW for value, content in zip(values, contents, strict=True)
        ]
    return [
        value if value is not _SLOW and is_flat(value) and encode_flat(value) == content else _SLOW
        for value, content in zip(values, contents, strict=True)
    ]


def _record(payload: bytes) -> ArtifactRecord | None:
    """A plain record without metadata and cards, five times as fast as the general way; None for any other."""
    try:
        form = _unpack(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if type(form) is not dict or not form.keys() <= _RECORD or encode_flat(form) != payload:
        return None
    literal, span, label = form.get("literal"), form.get("span"), form.get("label")
    if type(literal) is not list or list(map(type, literal)) != _LITERAL or len(literal[2]) != 32:
        return None
    if literal[1] < 1 or literal[3] < 0 or type(span) not in _SPAN or type(label) not in _LABEL:
        return None
    return ArtifactRecord(Literal._make(literal), span, label, {}, {})


def _value(literal: Literal, value: Any, version: ArtifactVersion) -> Any:
    if literal.type != MODEL.type:
        return value if PLAIN.get(type(value)) == literal.type else _SLOW
    if type(value) is not dict or value.keys() != _HEAD:
        return _SLOW
    name, number, fields = value["model"], value["version"], value["fields"]
    if type(name) is not str or type(number) is not int or type(fields) is not dict:
        return _SLOW
    entry = find_class(name)
    if entry is None:
        return ModelRecord(name, number, fields)
    if number == entry.version:
        return restore(entry, number, fields, f"artifact {version.id[:12]}")
    return _SLOW
