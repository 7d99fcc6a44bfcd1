"""What the ref log asks of the place that keeps it. Any store of ``cas.storage`` fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

__all__ = ["LogStore", "Named"]


class Named(Protocol):
    """Something listed: all the log needs of it is its name."""

    @property
    def name(self) -> str: ...


class LogStore(Protocol):
    """List, read, create-if-absent. Missing files raise FileNotFoundError."""

    def list(self, prefix: str) -> Iterator[Named]:
        """The files whose name begins with ``prefix``, by name."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        ...

    def read(self, name: str) -> bytes:
        """The file's bytes."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Create the file if absent, durably and atomically; False where it exists already."""
        ...
