"""Stored tables as Arrow, with only the columns that are asked for: the blobs of the others are not read."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from cas.errors import CodecError
from cas.literals import registry
from cas.literals.codec import Budget, Decoding
from cas.literals.literal import Literal
from cas.literals.ports import Store
from cas.objects.ids import BlobId, Kind, ObjectId

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_table", "read_table"]

_ARROW = frozenset({"arrow.Table", "arrow.RecordBatch", "polars.DataFrame"})
_PARQUET = b"PAR1"


def is_table(tag: str) -> bool:
    """Whether values of a stored type are tables; a file may be one, where it is Parquet."""
    return tag in _ARROW or tag in ("pandas.DataFrame", "file")


def read_table(literal: Literal, store: Store, names: Collection[str] | None = None, what: str = "value") -> pa.Table:
    """A stored table, or those of its columns that are in ``names``; columns it does not have are passed over.

    Reads tables of pyarrow, pandas and polars, and Parquet files. The index of a frame counts where its levels have
    names. Raises CodecError, naming ``what``, for anything else.
    """
    store = store if names is None else cast("Store", _Partly(store))
    if literal.type in _ARROW:
        from cas.literals.arrow.table import column_names, read_columns

        if names is None:
            return read_columns(literal, store)
        return read_columns(literal, store, [name for name in column_names(literal, store) if name in names])
    if literal.type == "pandas.DataFrame":
        from cas.literals.frames.columns import read_fields

        def child(member: Literal) -> object:
            return registry.decode(member, store)

        return read_fields(literal, Decoding(store, False, child, Budget()), names)
    if literal.type == "file" and (found := _parquet(literal, store, names)) is not None:
        return found
    raise CodecError(
        f"{what} is a {literal.type}, not a table", hint="store tables: pandas, pyarrow, polars or Parquet"
    )


class _Partly:
    """A store whose trees are read without their members, should they lie elsewhere: not all of them are wanted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._alone: Any = getattr(store, "alone", None)

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._store, verb)

    def read(self, object_id: ObjectId, kind: Kind | None = None) -> bytes:
        if kind is Kind.TREE and self._alone is not None:
            found: bytes = self._alone(object_id, kind)[1]
            return found
        return self._store.read(object_id, kind)


def _parquet(literal: Literal, store: Store, names: Collection[str] | None) -> Any:
    with store.open(BlobId(literal.content)) as stream:
        if stream.read(4) != _PARQUET:
            return None
        import pyarrow as pa
        from pyarrow import parquet

        stream.seek(0)
        try:
            file = parquet.ParquetFile(stream)
            wanted = None if names is None else [name for name in file.schema_arrow.names if name in names]
            return file.read(columns=wanted)
        except (pa.ArrowException, OSError) as error:
            raise CodecError(f"a stored Parquet file cannot be read: {error}") from error
