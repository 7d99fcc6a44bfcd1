"""One-dimensional pandas values ↔ a form (a plain value that says how) and members of a tree."""

from __future__ import annotations

from math import isnan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from cas.errors import CodecError
from cas.literals.arrays import array_bytes, array_of, build_dtype, describe_dtype
from cas.literals.arrow.columns import load_column, store_column
from cas.literals.codec import Decoding, Encoding, Members
from cas.literals.frames.zones import zone_form, zone_of
from cas.literals.literal import Literal
from cas.objects.trees import LiteralRef

__all__ = ["Parts", "Source", "load_values", "store_values"]

_NUMPY_KINDS = "biufcmM"
_MASKED: dict[Any, str] = {
    **{getattr(pa, f"{sign}int{bits}")(): f"{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.bool_(): "boolean",
}
_MASKED_NAMES = frozenset(_MASKED.values())


class Parts:
    """What a frame is being written to: blobs by member name, and literals by member name."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.blobs: dict[str, Any] = {}
        self.others: dict[str, Any] = {}


class Source(NamedTuple):
    """What a frame is being read from."""

    members: Members
    decoding: Decoding


def store_values(values: Any, prefix: str, parts: Parts, name: str) -> dict[str, Any]:
    """Add the members of a Series' or Index' values; gives their form. Raises CodecError, naming ``name``."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return _store_objects(values.to_numpy(), prefix, parts, name)
        return _store_numpy(values.to_numpy(), prefix, parts, name)
    array = values.array
    if isinstance(dtype, pd.DatetimeTZDtype):
        _put(parts, prefix, np.asarray(array.asi8))
        return {"kind": "zoned", "unit": dtype.unit, "zone": zone_form(dtype.tz, name)}
    if isinstance(dtype, pd.PeriodDtype):
        _put(parts, prefix, np.asarray(array.asi8))
        return {"kind": "period", "freq": dtype.name.removeprefix("period[").removesuffix("]")}
    if isinstance(dtype, pd.CategoricalDtype):
        return _store_categorical(array, prefix, parts, name)
    if isinstance(dtype, pd.IntervalDtype):
        sides = {
            side: store_values(getattr(array, side), f"{prefix}.{side}", parts, name) for side in ("left", "right")
        }
        return {"kind": "interval", "closed": dtype.closed, **sides}
    if isinstance(dtype, pd.SparseDtype):
        dense = pd.Series(np.asarray(array), dtype=dtype.subtype, copy=False)
        fill = dtype.fill_value.item() if isinstance(dtype.fill_value, np.generic) else dtype.fill_value
        return {"kind": "sparse", "fill": fill, "dense": store_values(dense, f"{prefix}.dense", parts, name)}
    if isinstance(dtype, pd.StringDtype):
        missing = "NA" if dtype.na_value is pd.NA else "nan"
        storage = "pyarrow" if dtype.storage.startswith("pyarrow") else "python"
        column = _strings(pa.array(array), name)
        return {"kind": "string", "storage": storage, "missing": missing, **_arrow(column, prefix, parts, name)}
    if isinstance(dtype, pd.ArrowDtype):
        return {"kind": "arrow", **_arrow(pa.chunked_array(array.__arrow_array__()), prefix, parts, name)}
    if dtype.name in _MASKED_NAMES and type(dtype).__module__.split(".")[0] == "pandas":
        return {"kind": "masked", **_arrow(pa.array(array), prefix, parts, name)}
    raise CodecError(f"{name} has the dtype {dtype}, which cannot be stored", hint="convert it with .astype(...) first")


def load_values(form: Any, rows: int, prefix: str, source: Source) -> Any:
    """A numpy or pandas array; inverse of :func:`store_values`. Raises CodecError."""
    try:
        return _load(form, rows, prefix, source)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, pa.ArrowException) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"stored column {prefix} is not valid: {error}") from error


def _load(form: Any, rows: int, prefix: str, source: Source) -> Any:
    match form:
        case {"kind": "numpy", "dtype": str(code)}:
            dtype = build_dtype(code)
            if dtype.kind not in _NUMPY_KINDS:
                raise CodecError(f"stored column {prefix} has the dtype {dtype}, which pandas does not hold")
            return array_of(_get(source, prefix), dtype, [rows])
        case {"kind": "object", "form": "plain"}:
            return _load_plain(rows, prefix, source)
        case {"kind": "object", "form": "string", "missing": missing}:
            return _load_object_strings(_column(form, rows, prefix, source), missing)
        case {"kind": "string", "storage": "python" | "pyarrow" as storage, "missing": "nan" | "NA" as missing}:
            return _string_dtype(storage, missing).__from_arrow__(_column(form, rows, prefix, source))
        case {"kind": "arrow"}:
            column = _column(form, rows, prefix, source)
            arrow: Any = pd.ArrowDtype(column.type)
            return arrow.__from_arrow__(column)
        case {"kind": "masked"}:
            column = _column(form, rows, prefix, source)
            masked: Any = pd.api.types.pandas_dtype(_MASKED[column.type])
            return masked.__from_arrow__(column)
        case {"kind": "zoned", "unit": str(unit), "zone": zone}:
            stamps = array_of(_get(source, prefix), np.dtype(f"<M8[{unit}]"), [rows])
            return pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(zone_of(zone)).array
        case {"kind": "period", "freq": str(freq)}:
            ordinals = array_of(_get(source, prefix), np.dtype("<i8"), [rows])
            return pd.arrays.PeriodArray(ordinals, dtype=pd.PeriodDtype(freq))
        case {"kind": "interval", "closed": str(closed), "left": left, "right": right}:
            sides = [
                _load(side, rows, f"{prefix}.{where}", source) for where, side in (("left", left), ("right", right))
            ]
            return pd.arrays.IntervalArray.from_arrays(sides[0], sides[1], closed)  # type: ignore[arg-type]  # it checks
        case {"kind": "sparse", "fill": fill, "dense": dense}:
            values = _load(dense, rows, f"{prefix}.dense", source)
            return pd.arrays.SparseArray(values, dtype=pd.SparseDtype(values.dtype, fill))
        case {"kind": "categorical"}:
            return _load_categorical(form, rows, prefix, source)
    raise CodecError(f"stored column {prefix} has a form that is not known: {form!r:.120}")


def _put(parts: Parts, prefix: str, array: Any) -> None:
    if array.nbytes:
        parts.blobs[f"{prefix}.0"] = array_bytes(array)


def _get(source: Source, prefix: str) -> bytes:
    return source.members.get(f"{prefix}.0") or b""


def _arrow(column: Any, prefix: str, parts: Parts, name: str) -> dict[str, Any]:
    return store_column(column, prefix, parts.blobs, name)


def _column(form: Any, rows: int, prefix: str, source: Source) -> Any:
    return load_column(form, rows, prefix, source.members)


def _store_numpy(array: Any, prefix: str, parts: Parts, name: str) -> dict[str, Any]:
    if array.dtype.kind not in _NUMPY_KINDS:
        raise CodecError(f"{name} has the dtype {array.dtype}, which cannot be stored")
    form = {"kind": "numpy", "dtype": describe_dtype(array.dtype, name)}
    _put(parts, prefix, array)
    return form


def _store_objects(array: Any, prefix: str, parts: Parts, name: str) -> dict[str, Any]:
    """Text as Arrow strings, with None or NaN where it is missing; anything else as a list."""
    kinds = set(map(type, array))
    missing = None
    if kinds == {str, type(None)}:
        missing = "none"
    elif kinds == {str, float} and all(map(isnan, (value for value in array if type(value) is float))):
        missing = "nan"
    if kinds == {str} or missing:
        try:
            column = pa.array(array, pa.large_string(), from_pandas=missing == "nan")
        except (pa.ArrowException, UnicodeEncodeError) as error:
            raise CodecError(f"{name} holds text that is not valid Unicode: {error}") from error
        return {"kind": "object", "form": "string", "missing": missing, **_arrow(column, prefix, parts, name)}
    child = parts.encoding.child(list(array), name)
    parts.others[f"{prefix}.0"] = LiteralRef(child.content, child.size, child.type, child.codec)
    return {"kind": "object", "form": "plain"}


def _load_plain(rows: int, prefix: str, source: Source) -> Any:
    entry = source.members.entries.get(f"{prefix}.0")
    if not isinstance(entry, LiteralRef) or entry.type != "list":
        raise CodecError(f"stored column {prefix} is not a list")
    values = source.decoding.child(Literal(entry.type, entry.version, entry.id, entry.size))
    if not isinstance(values, list) or len(values) != rows:
        raise CodecError(f"stored column {prefix} does not have {rows} rows")
    return np.fromiter(values, dtype=object, count=rows)


def _load_object_strings(column: Any, missing: object) -> Any:
    array = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    if missing == "nan":
        array = array.copy()
        array[pd.isna(array)] = np.nan
    return array.astype(object)


def _string_dtype(storage: str, missing: str) -> Any:
    if missing == "NA":
        return pd.StringDtype(storage)
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError as error:  # pandas before 2.3
        raise CodecError(
            "a column of the dtype str needs a newer pandas", hint="upgrade: pip install --upgrade pandas"
        ) from error


def _strings(column: Any, name: str) -> Any:
    if isinstance(column, pa.ChunkedArray) or column.type != pa.large_string():
        try:
            return column.cast(pa.large_string())
        except pa.ArrowException as error:
            raise CodecError(f"{name} cannot be stored as text: {error}") from error
    return column


def _store_categorical(array: Any, prefix: str, parts: Parts, name: str) -> dict[str, Any]:
    codes = np.asarray(array.codes)
    _put(parts, prefix, codes)
    categories = store_values(array.categories, f"{prefix}.categories", parts, f"the categories of {name}")
    return {
        "kind": "categorical",
        "ordered": bool(array.ordered),
        "codes": codes.dtype.str,
        "count": len(array.categories),
        "categories": categories,
    }


def _load_categorical(form: dict[str, Any], rows: int, prefix: str, source: Source) -> Any:
    match form:
        case {
            "ordered": bool(ordered),
            "codes": "|i1" | "<i2" | "<i4" | "<i8" as width,
            "count": int(count),
            "categories": inner,
        } if count >= 0:
            codes = array_of(_get(source, prefix), np.dtype(width), [rows])
            values = _load(inner, count, f"{prefix}.categories", source)
            categories = pd.Index(values, dtype=values.dtype, copy=False)
            return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(categories, ordered))
    raise CodecError(f"stored categorical column {prefix} has a form that is not valid")
