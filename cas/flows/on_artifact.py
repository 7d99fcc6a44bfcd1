"""What triggers a launch: a new version of one artifact, and how the inputs of the launch follow from it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cas.errors import DeclarationError, PartitionError
from cas.flows.facts import Facts
from cas.flows.inputs import Input, KeyOf, TimeOf
from cas.flows.interface import as_query
from cas.flows.query import ArtifactQuery, Reference, settle
from cas.flows.rendering import parse_time
from cas.flows.wanted import Wanted
from cas.repository import ArtifactVersion

__all__ = ["OnArtifact", "stated"]


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
        self.inputs = stated(inputs, "the inputs of a trigger")
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
        return version if self._is_itself(query, version) else query.referring(self.facts, reference)

    def _is_itself(self, query: ArtifactQuery, version: ArtifactVersion) -> bool:
        """Whether an input is the triggering artifact: its declaration, whose fixed keys and version this one has."""
        facts = query.facts
        if facts.address != self.facts.address or query.strict or query.time is not None:
            return False
        if query.keys != dict(facts.fixed) or facts.version not in (None, version.version):
            return False
        return settle(query, {}, {}).matches(version.partitions, version.time)

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


def stated(inputs: object, what: str) -> dict[str, Any]:
    """Inputs by name, as they were given. Raises DeclarationError for what is no mapping of names."""
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping) or not all(isinstance(name, str) for name in inputs):
        raise DeclarationError(f"{what} are given by name, not as {inputs!r:.80}", hint='inputs={"region": …}')
    return dict(inputs)


def _moment(name: str, value: TimeOf, version: ArtifactVersion) -> datetime:
    if version.time is None:
        raise PartitionError(f"input {name!r} of the trigger: {version.ref} has no time partition")
    return parse_time(version.time, f"the time of {version.ref}") + value.offset
