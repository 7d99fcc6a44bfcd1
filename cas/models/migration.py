"""Rewriting stored models of an older version as new versions of their refs; what was there stays addressable."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from cas.errors import DeclarationError, MigrationError, NotFound
from cas.models import access
from cas.models.classes import ModelClass, entry_of
from cas.models.conditions import ValueFilter
from cas.models.filters import ArtifactFilter
from cas.models.record import ModelRecord
from cas.repository.repository import Repository
from cas.repository.version import ArtifactVersion

__all__ = ["Migrated", "find_model", "migrate_artifacts", "outdated"]


class Migrated(NamedTuple):
    """One artifact: its ref, the version it was stored as, and the artifact that holds it now (None: only planned)."""

    ref: str
    stored: int
    artifact: str | None


def find_model(place: str) -> type:
    """The model class at ``module:Class``, imported. Raises NotFound, DeclarationError."""
    module, colon, qualname = place.partition(":")
    if not colon or not module or not qualname:
        raise NotFound(
            f"{place!r} is no place of a class", hint="give it as module:Class, as in mypackage.models:Report"
        )
    try:
        found: Any = import_module(module)
        for step in qualname.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError) as fault:
        raise NotFound(
            f"no model {place}: {fault}", hint="is its package installed here, and the name right?"
        ) from fault
    if not isinstance(found, type) or entry_of(found) is None:
        raise DeclarationError(f"{place} is no model class", hint="class Report(ArtifactModel, version=1)")
    return found


def outdated(repository: Repository, cls: type) -> list[tuple[ArtifactVersion, int]]:
    """The refs whose latest version holds a model of this class, stored as an older version; and that version."""
    entry = _entry(cls)
    found = []
    for version in ArtifactFilter(model=entry.name, version=ValueFilter(lt=entry.version)).artifacts(repository):
        found += [(place, _stored_version(repository, place)) for place in _latest(repository, version)]
    return sorted(found, key=lambda one: one[0].ref)


def migrate_artifacts(repository: Repository, cls: type, *, dry_run: bool = False) -> list[Migrated]:
    """Publish every outdated artifact of a class anew, as the class is now, in one transaction.

    Each keeps its metadata; the version before stays in its ref's history. Artifacts that only a span labels belong to
    that span's past and are migrated when they are read. Raises MigrationError before anything is written.
    """
    entry = _entry(cls)
    plan = outdated(repository, cls)
    values = [access.read_value(repository, version, cls) for version, _ in plan]
    for (version, stored), value in zip(plan, values, strict=True):
        if isinstance(value, ModelRecord):
            raise MigrationError(f"{version.ref} is a {value.model} of version {stored}, not a {entry.name}")
    if dry_run or not plan:
        return [Migrated(version.ref, stored, None) for version, stored in plan]
    with repository.batch() as batch:
        pending = [
            batch.put(value, version.ref.rpartition("#")[0], metadata=version.metadata or None)
            for (version, _), value in zip(plan, values, strict=True)
        ]
    return [
        Migrated(version.ref, stored, one.artifact.id) for (version, stored), one in zip(plan, pending, strict=True)
    ]


def _entry(cls: type) -> ModelClass:
    entry = entry_of(cls)
    if entry is None:
        raise DeclarationError(f"{cls.__qualname__} is no model class", hint="class Report(ArtifactModel, version=1)")
    return entry


def _latest(repository: Repository, version: ArtifactVersion) -> Iterator[ArtifactVersion]:
    """Every ref that holds an artifact as its latest version."""
    from cas.refs.history import History
    from cas.repository import resolving

    refs = repository.catalog.refs
    for row in refs.versions_of(bytes.fromhex(version.id)):
        tip = History(refs.entries(row.ref)).tip
        if tip is not None and tip.write == row.write:
            yield resolving.from_row(repository, row)


def _stored_version(repository: Repository, version: ArtifactVersion) -> int:
    from cas.literals.codec import Decoding
    from cas.models.codec import head_of

    return head_of(version.literal, Decoding(repository.objects, False, lambda _: None))[1]
