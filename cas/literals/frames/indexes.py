"""pandas indexes ↔ a form and members of a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from cas.errors import CodecError
from cas.literals.frames.values import Parts, Source, load_values, store_values

__all__ = ["label_form", "load_index", "store_index"]


def store_index(index: Any, prefix: str, parts: Parts, name: str) -> dict[str, Any]:
    """Add the members of an index; gives its form. A RangeIndex needs none. Raises CodecError, naming ``name``."""
    if isinstance(index, pd.RangeIndex):
        steps = {"start": int(index.start), "stop": int(index.stop), "step": int(index.step)}
        return {"kind": "range", **steps, "name": label_form(index.name)}
    if isinstance(index, pd.MultiIndex):
        levels = [
            store_values(index.get_level_values(level), f"{prefix}.{level}", parts, f"{name} level {level}")
            for level in range(index.nlevels)
        ]
        return {"kind": "multi", "levels": levels, "names": [label_form(label) for label in index.names]}
    form = {"kind": "index", "name": label_form(index.name), "values": store_values(index, prefix, parts, name)}
    freq = getattr(index, "freq", None)
    if freq is not None and not isinstance(index, pd.PeriodIndex):
        form["freq"] = _freq(freq, name)
    return form


def load_index(form: Any, rows: int, prefix: str, source: Source) -> Any:
    """Inverse of :func:`store_index`. Raises CodecError, also when the index does not have ``rows`` entries."""
    try:
        index = _load(form, rows, prefix, source)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"stored index {prefix} is not valid: {error}") from error
    if len(index) != rows:
        raise CodecError(f"stored index {prefix} has {len(index)} entries for {rows} rows")
    return index


def label_form(label: Any) -> Any:
    """A name as a plain value: numpy scalars become Python's, in tuples too, as columns of many levels have them."""
    if type(label) is tuple:
        return tuple(map(label_form, label))
    # A datetime64 of nanoseconds gives an integer: as such it would come back.
    return label.item() if isinstance(label, np.generic) and label.dtype.kind not in "mM" else label


def _load(form: Any, rows: int, prefix: str, source: Source) -> Any:
    match form:
        case {"kind": "range", "start": int(start), "stop": int(stop), "step": int(step), "name": name}:
            return pd.RangeIndex(start, stop, step, name=name)
        case {"kind": "multi", "levels": list(levels), "names": list(names)}:
            arrays = []
            for level, inner in enumerate(levels):
                values = load_values(inner, rows, f"{prefix}.{level}", source)
                arrays.append(pd.Index(values, dtype=values.dtype, copy=False))
            return pd.MultiIndex.from_arrays(arrays, names=names)
        case {"kind": "index", "name": name, "values": inner}:
            values = load_values(inner, rows, prefix, source)
            index = pd.Index(values, dtype=values.dtype, name=name, copy=False)
            if "freq" in form:
                index.freq = form["freq"]
            return index
    raise CodecError(f"stored index {prefix} has a form that is not known: {form!r:.120}")


def _freq(freq: Any, name: str) -> str:
    text: str = freq.freqstr
    try:
        same = to_offset(text) == freq
    except ValueError:
        same = False
    if not same:
        raise CodecError(f"{name} has the frequency {freq!r:.80}, which has no name", hint="set index.freq = None")
    return text
