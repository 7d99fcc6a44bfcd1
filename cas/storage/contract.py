"""What the rooms above ask of a place that keeps files: a ladder of small capabilities.

Names are relative, ``/``-separated and already checked. Every file is created once and never
changed. Missing files raise FileNotFoundError, everything else a CasError. Stores are safe to use from
several threads, which is how many small requests are made at once. Names below ``tmp/`` need not be listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

__all__ = ["DeletingStore", "FileInfo", "ReadableStore", "RemoteStore", "UploadingStore", "WritableStore"]


class FileInfo(NamedTuple):
    """One file: its name relative to the store, its size in bytes, and when it was written (µs, the store's clock)."""

    name: str
    size: int
    modified: int


class ReadableStore(Protocol):
    """A store that can be read and, where ``listable``, listed."""

    listable: bool

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """The files whose name begins with ``prefix``, by name; a prefix that matches nothing gives none."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        ...

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """The file's bytes from ``offset``, exactly ``length`` of them where given (fewer only at its end)."""
        ...


class WritableStore(ReadableStore, Protocol):
    """A store that can create files, each exactly once."""

    def create(self, name: str, content: bytes) -> bool:
        """Create the file if it is absent, durably and atomically; False where it exists already.

        A store whose answers can get lost says True also where the file holds these very bytes: it cannot tell
        its own earlier attempt from another's. Writers who must know put something of their own in the content.
        """
        ...


class DeletingStore(WritableStore, Protocol):
    """A store that can also delete."""

    def delete(self, name: str) -> None:
        """Delete the file; one that is missing is fine."""
        ...


class RemoteStore(ReadableStore, Protocol):
    """A readable store at a URL, with connections to let go of."""

    @property
    def url(self) -> str:
        """Where it is; holds no secret."""
        ...

    def close(self) -> None:
        """Let go of connections; the store is not used after it."""
        ...


class UploadingStore(RemoteStore, DeletingStore, Protocol):
    """A remote that can be written, also from files larger than memory."""

    def create_from_file(self, name: str, path: Path) -> bool:
        """``create`` with the content of a local file."""
        ...
