"""Writing to the disk behind whoever appends to a file, so that the last fsync is short."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["WriteBack"]

_STRETCH = 128 << 20


class WriteBack:
    """Starts an fsync of a file in a second thread each time so many bytes have been appended to it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = 0
        self._pool: ThreadPoolExecutor | None = None
        self._pushing: Future[None] | None = None
        self._failure: BaseException | None = None

    def wrote(self, size: int) -> None:
        """Count bytes that were appended."""
        self._waiting += size
        if self._waiting < _STRETCH:
            return
        self.settle()
        self._waiting = 0
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(1, thread_name_prefix="cas-writeback")
        self._pushing = self._pool.submit(os.fsync, self._descriptor)

    def settle(self, strict: bool = False) -> None:
        """Wait for the disk. What went wrong is kept for the next ``strict`` call, which raises that OSError: the
        kernel reports a failed write-back once only, and appending itself went well."""
        if self._pushing is not None:
            pushing, self._pushing = self._pushing, None
            self._failure = self._failure or pushing.exception()
        if strict and self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Wait for the thread to end; the descriptor is the caller's to close."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
