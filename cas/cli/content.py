"""What a ref holds, as bytes: for ``cas cat`` and ``cas get``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cas.cli.render.values import to_json
from cas.errors import RefNotFound, UsageError
from cas.refs.grammar import parse

if TYPE_CHECKING:
    from cas.literals.files import Tree
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["Content", "listing", "open_content"]

BLOCK = 1 << 20
_RAW = frozenset({"bytes", "str"})  # their content is what is written


class Content:
    """A value with the ref it was read by. ``type`` is file, directory, table, or the value's Python type.

    Of long bytes and texts ``value`` is a file over them, and ``version`` has the value itself.
    """

    def __init__(self, ref: str, name: str, value: Any, version: ArtifactVersion | None = None) -> None:
        from cas.literals.files import File, Tree

        self.ref = ref
        self.name = name
        self.value = value
        self.version = version
        self.is_file = isinstance(value, File)
        self.is_directory = isinstance(value, Tree)
        self.table = None if self.is_file or self.is_directory else _table(value)
        self.size = 0

    @property
    def type(self) -> str:
        """What it is, in a word."""
        if self.version is not None:
            return self.version.type
        if self.is_file or self.is_directory:
            return "file" if self.is_file else "directory"
        return "table" if self.table is not None else type(self.value).__name__

    def write(self, stream: IO[bytes], form: str | None = None) -> None:
        """Write it as bytes: files and bytes raw, text as it is, tables as CSV, anything else as a line of JSON.

        ``form`` is one of the formats of tables; other values know only json. Raises UsageError.
        """
        if self.table is not None:
            from cas.cli.render.tables import write_table

            write_table(self.table, form or "csv", stream)
        elif form == "json" and (self.version is not None or not self.is_file):
            value = self.value if self.version is None else self.version.get()
            stream.write(_as_json(value, self.is_directory).encode() + b"\n")
        elif form is not None:
            raise UsageError(
                f"{self.ref} is a {self.type}, not a table: it has no form {form}", hint=f"cas cat {self.ref}"
            )
        elif self.is_file:
            with self.value.open() as source:
                shutil.copyfileobj(source, stream, BLOCK)
        elif self.is_directory:
            for line in listing(self.value):
                stream.write(line.encode(errors="surrogateescape") + b"\n")
        else:
            stream.write(_raw(self.value))
        stream.flush()

    def export(self, path: Path) -> None:
        """Write it to a path where nothing is; ``size`` then says how many bytes."""
        if self.is_file or self.is_directory:
            self.value.export(path)
            self.size = self.value.size
            return
        with path.open("wb") as stream:
            self.write(stream)
            self.size = stream.tell()
            os.fsync(stream.fileno())


def open_content(repository: Repository, ref: str) -> Content:
    """What a ref, or an id, holds. Raises as ``Repository.get``."""
    revision = parse(ref)
    name = (revision.path or revision.name or ref).rstrip("/").rpartition("/")[2] or ref
    version = _long(repository, ref) if revision.path is None and revision.remote is None else None
    if version is None:
        return Content(ref, name, repository.get(ref))
    from cas.literals.files import File
    from cas.objects.ids import BlobId

    return Content(ref, name, File(repository.objects, BlobId(version.literal.content), version.size), version)


def _long(repository: Repository, ref: str) -> ArtifactVersion | None:
    """The version of a ref, where that is bytes or text which memory need not hold to write them."""
    try:
        version = repository.resolve(ref)
    except RefNotFound:  # it may be the id of a blob
        return None
    return version if version.type in _RAW and version.size > BLOCK else None


def listing(tree: Tree) -> Iterator[str]:
    """The paths of all files and links below a directory, sorted."""
    yield from sorted(tree.walk())


def _table(value: Any) -> Any:
    if isinstance(value, (bytes, str, int, float, bool, list, dict, tuple, type(None))):
        return None
    from cas.cli.render.tables import as_table

    return as_table(value)


def _raw(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    return to_json(value).encode() + b"\n"


def _as_json(value: Any, is_directory: bool) -> str:
    return to_json(list(listing(value)) if is_directory else value)
