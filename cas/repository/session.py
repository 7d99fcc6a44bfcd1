"""What one process has open on a repository: the pack it appends to, the spans that run in it, its clock's ticks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cas.objects.ids import Kind

if TYPE_CHECKING:
    from cas.objects.writer import PackWriter
    from cas.repository.repository import Repository
    from cas.repository.spanning import ActiveSpan

__all__ = ["Session"]

# A pack that a process goes on appending to is sealed when it is this large and no span is open …
_SEAL = 4 << 20
# … and when it is this large whatever is open: other processes find things in sealed packs faster.
_ROLL = 64 << 20


class Session:
    """Used under the repository's lock. A forked child begins one of its own."""

    def __init__(self, repository: Repository, *, recovered: bool = False) -> None:
        self._repository = repository
        self.open_spans: dict[bytes, ActiveSpan] = {}
        # Closings of spans entered again while others were open: nothing that is open lists them.
        self.closed_again: list[tuple[bytes, bytes]] = []
        # Spans that opened (True), closed, made something or list another child, since somebody took note.
        self.stirred: dict[bytes, bool] = {}
        self._writer: PackWriter | None = None
        self._recovered = recovered
        self._last_tick = 0
        self._process = os.getpid()

    def writer(self) -> PackWriter:
        """The pack that this process appends to. The first one takes over what dead processes left."""
        if self._writer is None:
            self._writer = self._repository.objects.writer()
        if not self._recovered:
            self._recovered = True
            from cas.repository import recovery

            recovery.recover(self._repository)
        return self._writer

    def make_durable(self) -> None:
        """Objects and records put so far survive a power cut from here on."""
        if self._writer is None:
            return
        if self._writer.size >= _SEAL and not self.open_spans:
            self._writer.seal()
        else:
            self._writer.sync()

    def tidy(self) -> None:
        """Keep packs few and of a good size; cheap when there is nothing to do."""
        if self._writer is None:
            return
        if self._writer.size >= (_ROLL if self.open_spans else _SEAL):
            self._writer.seal()
            for span in self.open_spans.values():
                # The new pack tells the story of every span that is still open, should this process die.
                for payload in span.progress():
                    self._writer.repeat_record(Kind.SPAN, payload)
            self._writer.flush()
        self._repository.objects.merge()

    def tick(self) -> int:
        """The time in µs, later than every tick before it in this process: the order of spans."""
        self._last_tick = max(self._repository.now(), self._last_tick + 1)
        return self._last_tick

    def close(self) -> None:
        """Seal the pack, in the process that began it."""
        if self._writer is not None and self._process == os.getpid():
            self._writer.seal()
            self._repository.objects.forget(self._writer)
            self._writer = None
