"""One run, from its outermost function inwards: which versions it has resolved and made so far.

An argument that is recorded as an input names the version it came from. Values are recognised by the id of their
literal, not as objects: an unchanged table stays the same input however it was copied.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from itertools import chain
from typing import NamedTuple

from cas.flows.facts import Facts
from cas.refs.names import Name
from cas.repository import ArtifactVersion, Repository
from cas.repository.known import Said
from cas.repository.spanning import ActiveSpan

__all__ = ["Run", "Setting", "entered_run"]

# Literals that say too little for an equal one to be the same: they stay plain.
_COMMON = (None, True, False)


class Setting(NamedTuple):
    """Where a call takes place: its repository, its span, and the run that it is part of."""

    repo: Repository
    span: ActiveSpan
    run: Run


class Run:
    """The versions that the functions of one run resolved or published, by the id of their literal."""

    def __init__(self) -> None:
        self.root: str | None = None
        """The id of its outermost span, once that is open."""
        self._versions: dict[bytes, list[ArtifactVersion]] = {}
        self.declared: dict[Name, tuple[Facts, Said | None]] = {}
        """What was checked of names against the log: the declaration, and what there is left to declare."""

    def began(self, span: ActiveSpan) -> None:
        """Note a span of it that was opened."""
        if self.root is None:
            self.root = span.id

    def add(self, version: ArtifactVersion) -> None:
        """Note a version that was resolved or made."""
        self._versions.setdefault(bytes.fromhex(version.literal_id), []).append(version)

    def find(
        self, value: object, literal_id: bytes, facts: Facts | None, spans: Iterable[ActiveSpan]
    ) -> ArtifactVersion | None:
        """The last noted version that holds this value (of this artifact, where ``facts`` says which), else the one
        that the innermost of these open spans read or put.
        """
        if facts is None and any(value is common for common in _COMMON):
            return None
        noted = reversed(self._versions.get(literal_id, ()))
        seen = (one for span in spans if (one := span.seen(literal_id)) is not None)
        return next((one for one in chain(noted, seen) if facts is None or one.name == facts.name), None)


class entered_run:  # noqa: N801 - reads as a statement: with entered_run() as run
    """The run in progress, or a new one for the block."""

    def __enter__(self) -> Run:
        run = _RUN.get()
        self._token: Token[Run | None] | None = None
        if run is None:
            run = Run()
            self._token = _RUN.set(run)
        return run

    def __exit__(self, *exc: object) -> None:
        if self._token is not None:
            _RUN.reset(self._token)


_RUN: ContextVar[Run | None] = ContextVar("cas_run", default=None)
