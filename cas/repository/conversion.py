"""One value as another type: tables between libraries, files as bytes or text."""

from __future__ import annotations

from typing import Any

from cas.errors import CodecError

__all__ = ["convert"]


def convert(found: Any, as_type: object, ref: str) -> Any:
    """A value as ``as_type``: a table class of pandas, pyarrow or polars, bytes, str or float. Raises CodecError."""
    module = getattr(as_type, "__module__", "").partition(".")[0]
    name = getattr(as_type, "__name__", str(as_type))
    if module in ("pandas", "pyarrow", "polars"):
        table = _arrow(found)
        if table is not None:
            if module == "pyarrow":
                return table
            if module == "pandas":
                return table.to_pandas()
            import polars

            return polars.from_arrow(table)
    elif as_type is bytes and hasattr(found, "read_bytes"):
        return found.read_bytes()
    elif as_type is str and hasattr(found, "read_text"):
        return found.read_text()
    elif as_type is float and isinstance(found, int):
        return float(found)
    raise CodecError(
        f"{ref} is a {type(found).__name__} and cannot be read as {name}", hint="leave the type out to get it as it is"
    )


def _arrow(found: Any) -> Any:
    """The value as an Arrow table, None where it is no table."""
    module = type(found).__module__.partition(".")[0]
    if module == "pyarrow":
        return found
    if module == "pandas":
        import pyarrow as pa

        return pa.Table.from_pandas(found)
    return found.to_arrow() if module == "polars" else None
