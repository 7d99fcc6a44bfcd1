"""The tables of many partitions as one lazy Arrow dataset, with the partition keys as columns.

    rides = RideCount.dataset(time=("2024-01", "2024-03"))
    rides.to_table(columns=["time", "count"], filter=pc.field("region") == "EWR")

Partitions that a filter rules out are not opened, and of the others only the columns that are needed are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cas.errors import CodecError, RefNotFound, UsageError
from cas.literals.tables import read_table
from cas.repository import ArtifactVersion, Repository

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PartitionDataset"]

_ROWS = 131_072


class PartitionDataset:
    """Offers what a ``pyarrow.dataset.Dataset`` does to read: schema, to_table, to_batches, scanner, filter.

    ``versions`` are the artifact versions it reads, ``keys`` its partition columns (texts; null where a partition has
    no such key). Its schema is that of the first partition unless one is given; other partitions are cast to it, and
    columns they lack are null.
    """

    def __init__(
        self,
        repo: Repository,
        versions: Sequence[ArtifactVersion],
        keys: Sequence[str],
        *,
        where: Any = None,
        schema: pa.Schema | None = None,
    ) -> None:
        self._repo = repo
        self._where = where
        self._given = schema
        self.versions = list(versions)
        self.keys = tuple(keys)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the tables, then the partition columns. Raises RefNotFound where no partition matches."""
        import pyarrow as pa

        if self._given is not None:
            return self._given
        if not self.versions:
            raise RefNotFound("no partition matches, so the dataset has no schema", hint="cas parts NAME")
        first = self.versions[0]
        fields = [field for field in self._read(first, None).schema if field.name not in self.keys]
        return pa.schema([*fields, *(pa.field(key, pa.string()) for key in self.keys)])

    def with_schema(self, schema: pa.Schema) -> PartitionDataset:
        """The same with another schema: columns to add as null, to leave out, or of wider types."""
        return PartitionDataset(self._repo, self.versions, self.keys, where=self._where, schema=schema)

    def filter(self, expression: Any) -> PartitionDataset:
        """The rows for which an expression (``pyarrow.compute``) holds; what it rules out is never read."""
        both = expression if self._where is None else self._where & expression
        narrowed = PartitionDataset(self._repo, self.versions, self.keys, where=both, schema=self.schema)
        narrowed.versions = narrowed.pruned(both)
        return narrowed

    def pruned(self, expression: Any) -> list[ArtifactVersion]:
        """The versions whose partition does not rule an expression out; nothing is read to tell."""
        if expression is None:
            return self.versions
        import pyarrow as pa
        from pyarrow import dataset, fs

        form, nowhere = dataset.IpcFileFormat(), fs.LocalFileSystem()  # the files are never opened
        fragments = [
            form.make_fragment(str(place), nowhere, partition_expression=self._said(version))
            for place, version in enumerate(self.versions)
        ]
        if not fragments:
            return []
        whole = dataset.FileSystemDataset(fragments, self.schema, form, nowhere)
        try:
            return [self.versions[int(left.path)] for left in whole.get_fragments(expression)]
        except pa.ArrowException as error:
            raise UsageError(f"the filter does not fit the dataset: {error}") from error

    def to_batches(self, columns: Sequence[str] | None = None, filter: Any = None) -> Iterator[pa.RecordBatch]:  # noqa: A002 - as pyarrow calls it
        """The rows, partition by partition. ``columns`` names those wanted, ``filter`` is an expression."""
        for table in self._tables(columns, filter):
            yield from table.to_batches(max_chunksize=_ROWS)

    def to_table(self, columns: Sequence[str] | None = None, filter: Any = None) -> pa.Table:  # noqa: A002 - as pyarrow calls it
        """All of it as one table. Raises UsageError for columns that it does not have."""
        import pyarrow as pa

        found = list(self._tables(columns, filter))
        return pa.concat_tables(found) if found else self._shape(columns).empty_table()

    def to_pandas(self, columns: Sequence[str] | None = None, filter: Any = None) -> Any:  # noqa: A002 - as pyarrow calls it
        """All of it as a pandas DataFrame."""
        return self.to_table(columns, filter).to_pandas()

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **options: Any) -> Any:  # noqa: A002 - as pyarrow calls it
        """A ``pyarrow.dataset.Scanner`` that reads partition by partition."""
        from pyarrow import dataset

        return dataset.Scanner.from_batches(self.to_batches(columns, filter), schema=self._shape(columns), **options)

    def head(self, rows: int, columns: Sequence[str] | None = None, filter: Any = None) -> pa.Table:  # noqa: A002 - as pyarrow calls it
        """The first rows; partitions after them are not read."""
        import pyarrow as pa

        found, left = [], rows
        for table in self._tables(columns, filter):
            if left <= 0:
                break
            found.append(table.slice(0, left))
            left -= table.num_rows
        return pa.concat_tables(found) if found else self._shape(columns).empty_table()

    def count_rows(self, filter: Any = None) -> int:  # noqa: A002 - as pyarrow calls it
        """How many rows there are; without a filter no column is read."""
        return sum(table.num_rows for table in self._tables([], filter))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows for any library that takes Arrow streams (polars, DuckDB, pandas)."""
        import pyarrow as pa

        stream = pa.RecordBatchReader.from_batches(self.schema, self.to_batches())
        return stream.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<PartitionDataset of {len(self.versions)} partitions by {', '.join(self.keys) or 'nothing'}>"

    def _tables(self, columns: Sequence[str] | None, expression: Any) -> Iterator[pa.Table]:
        """A table of the wanted columns for each partition that has rows left."""
        import pyarrow as pa

        both = expression if self._where is None else self._where if expression is None else self._where & expression
        if not self.versions:
            return
        shape = self._shape(columns)
        needed = {*shape.names, *self._needed_by(both)}
        whole = pa.schema([field for field in self.schema if field.name in needed])
        for version in self.pruned(both):
            table = self._cast(version, whole)
            if both is not None:
                table = table.filter(both)
            if table.num_rows:
                yield table.select(shape.names)

    def _shape(self, columns: Sequence[str] | None) -> pa.Schema:
        import pyarrow as pa

        if columns is None:
            return self.schema
        for name in columns:
            if name not in self.schema.names:
                raise UsageError(f"no column {name!r} in {self!r}", hint=f"its columns: {', '.join(self.schema.names)}")
        return pa.schema([self.schema.field(name) for name in columns])

    def _needed_by(self, expression: Any) -> list[str]:
        """The columns that an expression is about: those without which it cannot be bound."""
        if expression is None:
            return []
        import pyarrow as pa
        from pyarrow import dataset

        def binds(schema: pa.Schema) -> bool:
            try:
                dataset.dataset(schema.empty_table()).scanner(filter=expression)
            except pa.ArrowException:
                return False
            return True

        if not binds(self.schema):
            raise UsageError(
                f"the filter {expression} does not fit the dataset", hint=f"its columns: {', '.join(self.schema.names)}"
            )
        return [field.name for place, field in enumerate(self.schema) if not binds(self.schema.remove(place))]

    def _cast(self, version: ArtifactVersion, whole: pa.Schema) -> pa.Table:
        """One partition's columns as the schema has them, with the partition columns."""
        import pyarrow as pa

        stored = [name for name in whole.names if name not in self.keys]
        table = self._read(version, stored)
        columns = []
        for field in whole:
            if field.name in self.keys:
                columns.append(pa.repeat(pa.scalar(_value(version, field.name), pa.string()), table.num_rows))
            elif field.name not in table.column_names:
                columns.append(pa.nulls(table.num_rows, field.type))
            else:
                columns.append(_column(table[field.name], field, version))
        if not columns:
            return table.select([])
        return pa.table(columns, schema=whole)

    def _read(self, version: ArtifactVersion, names: Sequence[str] | None) -> pa.Table:
        span = self._repo.current_span()
        if span is not None:
            span.read(version, version.ref)
        return read_table(version.literal, self._repo.objects, names, version.ref)

    def _said(self, version: ArtifactVersion) -> Any:
        """What a partition says of its rows, as an expression."""
        from pyarrow import compute

        said = compute.scalar(True)
        for key in self.keys:
            value = _value(version, key)
            field = compute.field(key)
            said = said & (field.is_null() if value is None else field == value)
        return said


def _value(version: ArtifactVersion, key: str) -> str | None:
    return version.time if key == "time" else version.partitions.get(key)


def _column(column: Any, field: Any, version: ArtifactVersion) -> Any:
    import pyarrow as pa

    if column.type == field.type:
        return column
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise CodecError(
            f"column {field.name!r} of {version.ref} is {column.type}, and does not go into {field.type}: {error}",
            hint="give the dataset a schema that takes both: dataset.with_schema(…)",
        ) from error
