"""Settling a stored conflict: one version name that two sides gave to two contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.errors import SpanError, VersionConflict
from cas.literals import registry
from cas.refs.entries import DeleteEntry, Entry
from cas.refs.history import History
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing

if TYPE_CHECKING:
    from cas.repository.publishing import Target
    from cas.repository.repository import Repository

__all__ = ["settle"]


def settle(repository: Repository, value: object, target: Target, *, allow_pickle: bool) -> None:
    """Let go of a version name that is in conflict, so that the value, one of its contents, can be put under it again.

    Does nothing where there is no conflict. Raises VersionConflict where the value is neither content, SpanError within
    a span, whose puts wait for its end.
    """
    version = target.version
    if version is None:
        return
    if repository.current_span() is not None:
        raise SpanError("a conflict is not settled within a span", hint="put it after the span, with replace=True")
    log = repository.log_of(target.name.project, target.name.domain)
    with repository.lock:
        literal = registry.encode(
            value, repository.session.writer(), name=target.name.name, allow_pickle=allow_pickle
        ).id.hex()
    writes = WriteIds()

    def plan(stamps: Stamps) -> list[Entry]:
        number = repository.catalog.refs.ref_number(target.name, target.partition)
        history = History(repository.catalog.refs.entries(number) if number is not None else ())
        contents = {entry.literal for entry in history.live if entry.version == version}
        if len(contents) < 2:
            return []
        if literal not in contents:
            raise VersionConflict(
                f"{target.name.name}#{version} means {len(contents)} contents, and this is none of them",
                candidates=tuple(sorted(contents)),
                hint="put one of them, or put this under another version",
            )
        return [DeleteEntry(target.name.name, target.partition, version, None, stamps.next(), writes.next())]

    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)
