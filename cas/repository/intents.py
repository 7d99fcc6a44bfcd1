"""What a closed span meant to publish: kept in its closing record, published once, repeated exactly after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cas.objects.ids import ArtifactId, ObjectId
from cas.refs.entries import Entry, SpanEntry, VersionEntry
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing
from cas.repository.publishing import Target, Wish
from cas.spans.records import Intent

if TYPE_CHECKING:
    from cas.refs.log import RefLog
    from cas.repository.repository import Repository

__all__ = ["entry_of", "intent_of", "publish_closed"]


def publish_closed(
    repository: Repository, log: RefLog, span: tuple[str, str, str], entries: Sequence[Entry], seen: int
) -> None:
    """Publish the entries of a closed span and the span itself (opening id, closing id, label), exactly once.

    ``seen`` is the segment up to which the entries were checked; past it, what the log holds already is left out.
    """
    writes = WriteIds()

    def plan(stamps: Stamps) -> list[Entry]:
        missing = list(entries)
        if repository.catalog.position(log)[0] != seen:
            missing = [entry for entry in entries if not repository.catalog.refs.has_write(entry.write)]
            _check_still_free(repository, log, missing)
        return [*missing, SpanEntry(*span, stamps.next(), writes.next())]

    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)


def _check_still_free(repository: Repository, log: RefLog, entries: Sequence[Entry]) -> None:
    """Raises VersionConflict where, since the intents were written, somebody gave a version name another meaning."""
    for entry in entries:
        if isinstance(entry, VersionEntry):
            name = Name(log.project, log.domain, entry.name)
            wish = Wish(
                Target(name, entry.partition, entry.version),
                bytes.fromhex(entry.literal),
                bytes.fromhex(entry.artifact),
                None,
            )
            publishing.check_free(repository.catalog, wish)


def intent_of(scope: tuple[str, str], entry: VersionEntry) -> Intent:
    """What a closing record keeps of an entry that its span publishes in a log."""
    return Intent(
        *scope,
        entry.name,
        entry.partition.as_dict(),
        entry.partition.time,
        entry.version,
        bytes.fromhex(entry.literal),
        ArtifactId(ObjectId(bytes.fromhex(entry.artifact))),
        "",
        entry.stamp,
        entry.write,
    )


def entry_of(intent: Intent, span: str) -> VersionEntry:
    """The version entry that an intent repeats, exactly as it was meant."""
    return VersionEntry(
        intent.name,
        Partition.of(intent.keys, intent.time),
        intent.version,
        intent.literal.hex(),
        intent.artifact.hex(),
        span,
        intent.stamp,
        intent.write,
    )
