"""Conditions on one value, and how they are said in SQL. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import msgspec

from cas import clock
from cas.errors import UsageError

__all__ = ["Sql", "ValueFilter", "compare", "json_path"]

Sql = tuple[str, list[Any]]
"""A condition with ``?`` for each of its parameters."""

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "like": "LIKE"}
_MISSING: Any = object()


@dataclass(frozen=True, kw_only=True, repr=False)
class ValueFilter:
    """Conditions on one value, all of which must hold: ``ValueFilter(ge=1, lt=5)``.

    ``like`` is SQL's (``%`` any text, ``_`` any character, case as in SQLite); ``glob`` the shell's (``*``, ``?``,
    ``[…]``).
    """

    eq: Any = _MISSING
    ne: Any = _MISSING
    gt: Any = _MISSING
    ge: Any = _MISSING
    lt: Any = _MISSING
    le: Any = _MISSING
    in_: Collection[Any] | None = None
    not_in: Collection[Any] | None = None
    like: str | Any = _MISSING
    glob: str | None = None
    is_null: bool | None = None

    def __repr__(self) -> str:
        given = {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) != one.default}
        return f"ValueFilter({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def compare(column: str, wanted: Any, *, patterns: bool = False, form: Callable[[Any], Any] | None = None) -> Sql:
    """The condition that a column is ``wanted``: a value, a ValueFilter, or where ``patterns`` a glob.

    ``form`` turns a value of the user's into the column's.
    """
    form = form or _plain
    if not isinstance(wanted, ValueFilter):
        if wanted is None:
            return f"{column} IS NULL", []
        if patterns and isinstance(wanted, str) and any(mark in wanted for mark in "*?["):
            return f"{column} GLOB ?", [wanted]
        return f"{column} = ?", [form(wanted)]
    parts: list[str] = []
    values: list[Any] = []
    for name, operator in _OPERATORS.items():
        value = getattr(wanted, name)
        if value is not _MISSING:
            parts.append(f"{column} {operator} ?")
            values.append(form(value))
    for collection, word in ((wanted.in_, "IN"), (wanted.not_in, "NOT IN")):
        if collection is not None:
            # One JSON parameter, since SQLite allows only so many.
            parts.append(
                f"{column} {word} (SELECT value FROM json_each(?))"
                if form is _plain
                else _listed(column, word, collection)
            )
            values.extend(
                [json.dumps([_plain(one) for one in collection])] if form is _plain else map(form, collection)
            )
    if wanted.glob is not None:
        parts.append(f"{column} GLOB ?")
        values.append(wanted.glob)
    if wanted.is_null is not None:
        parts.append(f"{column} IS {'' if wanted.is_null else 'NOT '}NULL")
    if not parts:
        raise UsageError("a ValueFilter without conditions", hint="ValueFilter(gt=…), or leave it out")
    return " AND ".join(parts), values


def json_path(column: str, name: str) -> str:
    """The SQL for a member of a JSON column: one of that name, or where there is none ``a.b`` goes down."""
    whole = f"json_extract({column}, '${_step(name)}')"
    if "." not in name:
        return whole
    steps = "".join(map(_step, name.split(".")))
    return f"COALESCE({whole}, json_extract({column}, '${steps}'))"


def _step(name: str) -> str:
    return '."' + name.replace('"', '""').replace("'", "''") + '"'


def microseconds(value: Any) -> int:
    """A time as the catalog holds it: of a datetime, a date, or an ISO text. Raises UsageError."""
    if isinstance(value, str):
        try:
            value = clock.read(value)
        except ValueError as fault:
            raise UsageError(f"{value!r} is no time", hint="2024-05-01 or 2024-05-01T12:30:00+00:00") from fault
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise UsageError(f"{value!r} is no time", hint="give a datetime")
    return clock.from_datetime(value)


def _plain(value: Any) -> Any:
    """A value as it stands in a JSON column: what is recorded of it there, in the same words."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    try:
        value = msgspec.to_builtins(value, str_keys=True)
    except (TypeError, NotImplementedError, OverflowError):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _listed(column: str, word: str, values: Collection[Any]) -> str:
    return f"{column} {word} ({', '.join('?' * len(values))})"
