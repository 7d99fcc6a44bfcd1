"""What codecs need of a store: the few methods of PackWriter and ObjectStore that they call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from cas.objects.ids import BlobId, Kind, ObjectId, TreeId

if TYPE_CHECKING:
    from cas.objects.trees import TreeEntry

__all__ = ["Bytes", "Store", "Writer"]

Bytes = bytes | bytearray | memoryview


class Writer(Protocol):
    """Takes objects in and returns their ids."""

    def put_blob(self, content: Bytes, /) -> BlobId:
        """Store one blob."""

    def put_blobs(self, contents: list[Any], /) -> list[BlobId]:
        """Store many blobs; one id for each."""

    def put_file(self, path: Any, /) -> tuple[BlobId, int]:
        """Store a file's bytes; id and size."""

    def put_stream(self, stream: BinaryIO, /) -> tuple[BlobId, int]:
        """Store what a stream gives; id and size."""

    def put_directory(self, path: Any, /) -> tuple[TreeId, int]:
        """Store a directory with all that is below; id and size."""

    def put_tree(self, entries: Mapping[str, TreeEntry], /) -> tuple[TreeId, int]:
        """Store a tree of entries; id and the size of all below."""


class Store(Protocol):
    """Gives objects back, verified."""

    def read(self, object_id: ObjectId, kind: Kind | None = None) -> bytes:
        """The whole payload."""

    def small(self, object_id: ObjectId, /) -> bytes | None:
        """The payload of a blob that is at hand in one piece, else None."""

    def kind(self, object_id: ObjectId) -> Kind:
        """What kind of object an id names."""

    def size(self, object_id: ObjectId) -> int:
        """How many bytes its payload has."""

    def open(self, blob_id: BlobId) -> BinaryIO:
        """A seekable binary file that reads only what it must."""

    def stream(self, blob_id: BlobId) -> Iterator[bytes]:
        """The payload in parts."""

    def export(self, blob: BlobId, path: Path | str, mode: int | None = None) -> None:
        """Write a blob to a file."""

    def export_tree(self, tree: TreeId, path: Path | str) -> None:
        """Write all that is below a tree into a directory, which is made."""
