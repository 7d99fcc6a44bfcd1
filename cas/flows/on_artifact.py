"""What triggers a launch: a new version of one artifact, and how the inputs of the launch follow from it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cas.errors import DeclarationError, PartitionError
from cas.flows.facts import Facts
from cas.flows.inputs import Input, KeyOf, TimeOf
from cas.flows.interface import as_query
from cas.flows.query import Reference, settle
from cas.flows.rendering import parse_time
from cas.flows.wanted import Wanted
from cas.repository import ArtifactVersion

__all__ = ["OnArtifact"]


class OnArtifact:
    """A new version of ``trigger_on`` (an artifact, or a query whose stated values must match) launches the plan.

    ``inputs`` are the triggering artifact itself, its partitions, its time ± timedelta, queries over those, or
    constants. Raises DeclarationError.
    """

    def __init__(self, trigger_on: object, inputs: Mapping[str, object] | None = None) -> None:
        if isinstance(trigger_on, (list, tuple, set)):
            raise DeclarationError(f"a trigger is on exactly one artifact, not on {len(trigger_on)}")
        query = as_query(trigger_on)
        if query is None:
            raise DeclarationError(
                f"a trigger is on an artifact or a query of one, not on {trigger_on!r}", hint="OnArtifact(trigger_on=A)"
            )
        if query.inputs or query.references:
            raise DeclarationError(f"a trigger's query states values only: {query!r}")
        self.query = query
        self.inputs = dict(inputs or {})
        for name, value in self.inputs.items():
            self._check_input(name, value)

    @property
    def facts(self) -> Facts:
        """The triggering artifact."""
        return self.query.facts

    @property
    def wanted(self) -> Wanted:
        """Which versions trigger."""
        return settle(self.query, {}, {})

    def arguments(self, version: ArtifactVersion) -> dict[str, Any]:
        """The inputs of the launch that a version triggers. Raises PartitionError for a key the version lacks."""
        reference = Reference(version.partitions, version.time)
        return {name: self._argument(name, value, version, reference) for name, value in self.inputs.items()}

    def _argument(self, name: str, value: object, version: ArtifactVersion, reference: Reference) -> Any:
        if isinstance(value, KeyOf):
            if value.key not in reference.keys:
                raise PartitionError(f"input {name!r} of the trigger: {version.ref} has no {value.key!r}")
            return reference.keys[value.key]
        if isinstance(value, TimeOf):
            return _moment(name, value, version)
        query = as_query(value)
        if query is None:
            return value
        if query.facts.address == self.facts.address and not query.keys and query.time is None:
            return version
        return query.referring(self.facts, reference)

    def _check_input(self, name: str, value: object) -> None:
        query = as_query(value)
        needed = query.references if query is not None else (value.facts,) if isinstance(value, (KeyOf, TimeOf)) else ()
        for facts in needed:
            if facts.address != self.facts.address:
                raise DeclarationError(
                    f"input {name!r} of the trigger refers to {facts.name!r}; only {self.facts.name!r} triggers it"
                )
        if isinstance(value, Input):
            raise DeclarationError(f"input {name!r} of the trigger cannot be {value!r}: nothing gives it")

    def __repr__(self) -> str:
        return f"OnArtifact({self.query!r}, inputs={self.inputs!r})"


def _moment(name: str, value: TimeOf, version: ArtifactVersion) -> datetime:
    if version.time is None:
        raise PartitionError(f"input {name!r} of the trigger: {version.ref} has no time partition")
    return parse_time(version.time, f"the time of {version.ref}") + value.offset
