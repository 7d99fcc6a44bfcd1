"""What of every artifact can be searched: its type, label, metadata, and a model's name, version and fields.

Derived from records and contents, a row for each artifact, made when the first filter asks; in the catalog's file, and
as derivable as that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from cas.errors import CasError
from cas.literals.codec import Decoding
from cas.models import batch
from cas.models.codec import MODEL, head_of
from cas.repository.version import ArtifactRecord

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["fill", "titles_of"]

_TABLE = """CREATE TABLE IF NOT EXISTS searchable (
    artifact BLOB PRIMARY KEY, type TEXT NOT NULL, label TEXT, span BLOB, meta TEXT NOT NULL,
    model TEXT, version INTEGER, fields TEXT
) WITHOUT ROWID"""
_NEW = (
    "SELECT artifact FROM (SELECT artifact FROM version UNION SELECT artifact FROM output)"
    " WHERE artifact NOT IN (SELECT artifact FROM searchable)"
)


def fill(repository: Repository, database: sqlite3.Connection) -> None:
    """Add the artifacts that are not there yet. Those whose record is not here (a partial clone) wait."""
    database.execute(_TABLE)
    new = [row[0] for row in database.execute(_NEW)]
    for start in range(0, len(new), 5000):
        rows = _rows(repository, new[start : start + 5000])
        database.executemany("INSERT OR IGNORE INTO searchable VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def titles_of(repository: Repository, artifacts: Sequence[bytes]) -> dict[bytes, str]:
    """What people call each artifact: the short name of its model, or its type. Those not here are left out."""
    titles = {}
    for row in _rows(repository, list(dict.fromkeys(artifacts))):
        artifact, kind, model = row[0], row[1], row[5]
        titles[artifact] = kind if model is None else model.replace(":", ".").rpartition(".")[2]
    return titles


def _rows(repository: Repository, artifacts: Sequence[bytes]) -> list[tuple[Any, ...]]:
    rows = []
    try:
        found = list(zip(artifacts, batch.read_records(repository, artifacts), strict=True))
    except CasError:
        found = [(one, record) for one in artifacts if (record := _record(repository, one)) is not None]
    for artifact, record in found:
        model, version, fields = _fields(repository, record)
        rows.append(
            (
                artifact,
                record.literal.type,
                record.label,
                record.span,
                _json(record.meta),
                model,
                version,
                _json(fields),
            )
        )
    return rows


def _record(repository: Repository, artifact: bytes) -> ArtifactRecord | None:
    try:
        return repository.record(artifact)
    except CasError:
        return None


def _fields(repository: Repository, record: ArtifactRecord) -> tuple[str | None, int | None, dict[str, Any]]:
    """A model's stored name, version and plain fields; of a small dict its members."""
    literal = record.literal
    try:
        if literal.type == MODEL.type:
            return head_of(literal, Decoding(repository.objects, False, lambda _: None))
        if literal.type == "dict" and literal.size <= batch.SMALL:
            value = batch.flat_values(repository, [literal])[0]
            return None, None, value if type(value) is dict else {}
    except CasError:
        pass  # not here, or damaged: found by what the record says
    return None, None, {}


def _json(members: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(members).decode()
    except (TypeError, ValueError, UnicodeEncodeError, msgspec.MsgspecError):
        return "{" + ",".join(filter(None, (_member(name, value) for name, value in members.items()))) + "}"


def _member(name: str, value: Any) -> str:
    try:
        return f"{msgspec.json.encode(name).decode()}:{msgspec.json.encode(value).decode()}"
    except (TypeError, ValueError, UnicodeEncodeError, msgspec.MsgspecError):
        return ""
