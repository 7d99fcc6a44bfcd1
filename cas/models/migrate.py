"""From stored fields to an instance of the class as it is now: construction, or migration from an older version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cas.errors import MigrationError
from cas.models.classes import ModelClass

__all__ = ["restore"]


def restore(entry: ModelClass, version: int, fields: dict[str, Any], what: str = "") -> Any:
    """An instance of ``entry``'s class from the fields as ``version`` stored them; ``what`` names the artifact in
    errors.

    An older version goes through the class's ``migrate(version, fields)``, which returns an instance, or the fields as
    the next version stores them, which go through it again (a chain). Raises MigrationError, naming both versions.
    """
    if version == entry.version:
        return _construct(entry, version, fields, what)
    if version > entry.version:
        raise MigrationError(
            f"{_subject(entry, what)} was stored as version {version}; the class here is version {entry.version}",
            hint=f"upgrade the package that defines {entry.name}",
        )
    if entry.migrate is None:
        return _construct(entry, version, fields, what)
    at, value = version, _step(entry, version, version, fields, what)
    while isinstance(value, Mapping) and not isinstance(value, entry.cls):
        at += 1
        if at == entry.version:
            return _construct(entry, version, dict(value), what)
        value = _step(entry, version, at, dict(value), what)
    if not isinstance(value, entry.cls):
        raise MigrationError(
            f"{_between(entry, version, what)}: migrate returned {type(value).__qualname__}",
            hint=f"return an instance of {entry.cls.__name__}, or the fields of the next version",
        )
    return value


def _step(entry: ModelClass, stored: int, at: int, fields: dict[str, Any], what: str) -> Any:
    assert entry.migrate is not None
    try:
        return entry.migrate(at, fields)
    except Exception as fault:  # whatever a user's migrate raises
        raise MigrationError(
            f"{_between(entry, stored, what)}: {_cause(fault)}",
            hint=f"let {entry.cls.__name__}.migrate take version {at}",
        ) from fault


def _construct(entry: ModelClass, stored: int, fields: dict[str, Any], what: str) -> Any:
    try:
        return entry.cls(**fields)
    except Exception as fault:  # __init__ and __post_init__ are the user's
        if stored == entry.version:
            subject = _subject(entry, what)
            message = f"{subject}: the fields stored as version {stored} do not fit the class's version {entry.version}"
            hint = "a class whose fields change needs a new version= and a migrate()"
        else:
            message, hint = _between(entry, stored, what), f"write {entry.cls.__name__}.migrate(cls, version, data)"
        raise MigrationError(f"{message}: {_cause(fault)}", hint=hint) from fault


def _subject(entry: ModelClass, what: str) -> str:
    return f"model {entry.name}" + (f" ({what})" if what else "")


def _between(entry: ModelClass, stored: int, what: str) -> str:
    return f"{_subject(entry, what)}: no way from version {stored} to version {entry.version}"


def _cause(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}"
