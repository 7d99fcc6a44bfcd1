"""Arrow types ↔ our own description of them, which no version of pyarrow can change. Pure.

A description is a list of a name and parameters: ``["int64"]``, ``["timestamp", "us", "UTC"]``,
``["list", ["item", ["int64"], True]]``; a field is ``[name, description, nullable]``. docs/format.md lists them all.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types as kinds

from cas.errors import CodecError

__all__ = ["build", "build_field", "describe", "describe_field"]

_SIMPLE = {
    "null": "null",
    "bool": "bool_",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "float16",
    "float32": "float32",
    "float64": "float64",
    "date32": "date32",
    "date64": "date64",
    "month_day_nano_interval": "month_day_nano_interval",
    "string": "string",
    "large_string": "large_string",
    "string_view": "string_view",
    "binary": "binary",
    "large_binary": "large_binary",
    "binary_view": "binary_view",
}
_NAMES: dict[pa.DataType, str] = {
    getattr(pa, factory)(): name for name, factory in _SIMPLE.items() if hasattr(pa, factory)
}
_LISTS = {
    "list": (kinds.is_list, pa.list_),
    "large_list": (kinds.is_large_list, pa.large_list),
    "list_view": (getattr(kinds, "is_list_view", None), getattr(pa, "list_view", None)),
    "large_list_view": (getattr(kinds, "is_large_list_view", None), getattr(pa, "large_list_view", None)),
}
_UNITS = {
    "time32": (kinds.is_time32, pa.time32),
    "time64": (kinds.is_time64, pa.time64),
    "duration": (kinds.is_duration, pa.duration),
}
_DECIMALS = ("decimal32", "decimal64", "decimal128", "decimal256")


def describe(kind: pa.DataType) -> list[Any]:
    """The description of a type. Raises CodecError for unions, extension types and what Arrow may yet add."""
    name = _NAMES.get(kind)
    if name is not None:
        return [name]
    for name, (test, _) in _UNITS.items():
        if test(kind):
            return [name, kind.unit]
    if kinds.is_timestamp(kind):
        return ["timestamp", kind.unit, kind.tz]
    if kinds.is_fixed_size_binary(kind) and not kinds.is_decimal(kind):
        return ["fixed_size_binary", kind.byte_width]
    for name in _DECIMALS:
        if getattr(kinds, f"is_{name}", _never)(kind):
            return [name, kind.precision, kind.scale]
    if kinds.is_dictionary(kind):
        return ["dictionary", describe(kind.index_type), describe(kind.value_type), kind.ordered]
    return _describe_nested(kind)


def describe_field(field: pa.Field) -> list[Any]:
    """Name, description and nullability; metadata is not part of a value."""
    return [field.name, describe(field.type), field.nullable]


def build(description: Any) -> pa.DataType:
    """Inverse of :func:`describe`. Raises CodecError for anything else."""
    try:
        return _build(description)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"stored Arrow type {description!r:.120} is not valid: {error}") from error


def build_field(description: Any) -> pa.Field:
    """Inverse of :func:`describe_field`."""
    match description:
        case [str(name), kind, bool(nullable)]:
            return pa.field(name, build(kind), nullable)
    raise CodecError(f"stored Arrow field {description!r:.120} is not valid")


def _describe_nested(kind: pa.DataType) -> list[Any]:
    if kinds.is_map(kind):
        return ["map", describe_field(kind.key_field), describe_field(kind.item_field), kind.keys_sorted]
    for name, (test, _) in _LISTS.items():
        if test is not None and test(kind):
            return [name, describe_field(kind.value_field)]
    if kinds.is_fixed_size_list(kind):
        return ["fixed_size_list", describe_field(kind.value_field), kind.list_size]
    if kinds.is_struct(kind):
        return ["struct", [describe_field(kind.field(index)) for index in range(kind.num_fields)]]
    if kinds.is_run_end_encoded(kind):
        return ["run_end_encoded", describe(kind.run_end_type), describe(kind.value_type)]
    if isinstance(kind, pa.BaseExtensionType):
        raise CodecError(
            f"the Arrow extension type {kind} cannot be stored", hint="cast the column to its storage type"
        )
    raise CodecError(f"the Arrow type {kind} cannot be stored", hint="cast the column to another type")


def _build(description: Any) -> pa.DataType:
    match description:
        case [str(name)] if name in _SIMPLE and hasattr(pa, _SIMPLE[name]):
            return getattr(pa, _SIMPLE[name])()
        case [str(name), str(unit)] if name in _UNITS:
            return _UNITS[name][1](unit)
        case ["timestamp", str(unit), None | str() as zone]:
            return pa.timestamp(unit, zone)
        case ["fixed_size_binary", int(width)] if width >= 0:
            return pa.binary(width)
        case [str(name), int(precision), int(scale)] if name in _DECIMALS and hasattr(pa, name):
            return getattr(pa, name)(precision, scale)
        case ["dictionary", index, value, bool(ordered)]:
            return pa.dictionary(build(index), build(value), ordered)
        case ["map", key, item, bool(keys_sorted)]:
            return pa.map_(build_field(key), build_field(item), keys_sorted)
        case [str(name), field] if name in _LISTS and _LISTS[name][1] is not None:
            return _LISTS[name][1](build_field(field))
        case ["fixed_size_list", field, int(size)] if size >= 0:
            return pa.list_(build_field(field), size)
        case ["struct", list(fields)]:
            return pa.struct([build_field(field) for field in fields])
        case ["run_end_encoded", ends, values]:
            return pa.run_end_encoded(build(ends), build(values))
    raise CodecError(f"stored Arrow type {description!r:.120} is not valid")


def _never(_kind: pa.DataType) -> bool:
    return False
