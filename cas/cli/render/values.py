"""Values as compact JSON: what is obvious as it is, anything else as an object that names its type."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

__all__ = ["plain", "to_json"]


def to_json(value: Any) -> str:
    """One line of JSON (RFC 8259: so NaN and the infinities are strings, as protobuf writes them)."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """The value with only JSON's own types in it."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return _scalar(value)


def _mapping(value: Mapping[Any, Any]) -> Any:
    if all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    return [[plain(key), plain(item)] for key, item in value.items()]


def _number(value: float) -> Any:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:  # models, which read as records of their fields where their class is not known
        return {name: plain(getattr(value, name)) for name in fields}
    for method in ("tolist", "to_pylist", "to_dict", "model_dump"):  # numpy, Arrow, records, pydantic
        convert = getattr(value, method, None)
        if callable(convert):
            converted = convert()
            if type(converted) is not type(value):
                return plain(converted)
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}", "repr": repr(value)}
