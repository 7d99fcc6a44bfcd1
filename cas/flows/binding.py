"""Which partition an output is published to: what the annotation binds, what the call adds, and how they merge.

    Annotated[pd.DataFrame, my_artifact(b=Inputs.b_value).bind_time_partition(Inputs.run_time)]      a Binding
    return my_artifact(df, a="a_value")                                                              a Creation
    settle(binding, creation, arguments)                                                  → the partition

Everything here is pure. Declaration mistakes raise DeclarationError when the function is decorated; values that
only a run can show raise PartitionError or PublishError.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NamedTuple

from cas.errors import DeclarationError, PublishError
from cas.flows.cards import Card
from cas.flows.facts import Facts
from cas.flows.inputs import Input
from cas.flows.query import make_query
from cas.flows.rendering import check_rendered, moved_time, render, render_time
from cas.refs.partitions import Partition
from cas.repository import ArtifactVersion, Repository

__all__ = ["Binding", "Creation", "OpenPartitionWarning", "Place", "bind", "settle", "warn"]

TIME_WORDS = ("time_partition", "time")
Place = tuple[str, int]
"""A file and a line of it."""
_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}


class OpenPartitionWarning(UserWarning):
    """A publication that leaves declared partition keys open."""


@dataclass(frozen=True)
class Binding:
    """A declaration with some of its partition said in advance; calls add to it and give a new one.

    ``keys`` maps a key to a str or an Input; ``time`` is a datetime, a date or an Input, None while open.
    """

    facts: Facts
    keys: Mapping[str, str | Input] = field(default_factory=dict)
    time: datetime | date | Input | None = None

    def __call__(self, *values: object, **partitions: object) -> Binding:
        """Bind more keys, and the time by ``time_partition=``. Raises DeclarationError."""
        if values:
            raise DeclarationError(
                f"partition values of {self.facts.name!r} are given by key, not by position: {values[0]!r}",
                hint=f"{self.facts.name}({next(iter(self.facts.keys), 'key')}=…)",
            )
        return bind(self, partitions)

    bind_partitions = __call__

    def bind_time_partition(self, time: datetime | date | Input) -> Binding:
        """Bind the time partition to a time or an input. Raises DeclarationError."""
        return bind(self, {"time_partition": time})

    def version_in(self, repo: Repository) -> ArtifactVersion:
        """The latest version in a repository that has what is bound. Raises RefNotFound."""
        return make_query(self.facts, dict(self.keys), time=self.time).version_in(repo)

    def versions_in(self, repo: Repository) -> Sequence[ArtifactVersion]:
        """The latest version of each partition in a repository that has what is bound."""
        return make_query(self.facts, dict(self.keys), time=self.time).versions_in(repo)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs that it is bound to, by key, the time's last."""
        bound = [value for _, value in sorted(self.keys.items()) if isinstance(value, Input)]
        return (*bound, self.time) if isinstance(self.time, Input) else tuple(bound)

    def __hash__(self) -> int:
        # A union of annotations is made of hashes.
        return hash((self.facts.address, tuple(sorted(self.keys)), self.time))

    def __repr__(self) -> str:
        bound = [f"{key}={value!r}" for key, value in sorted(self.keys.items())]
        bound += [] if self.time is None else [f"time_partition={self.time!r}"]
        return f"Artifact({self.facts.describe()})({', '.join(bound)})"


class Creation(NamedTuple):
    """What a call of an artifact inside a running function said about one value."""

    facts: Facts
    value: object
    keys: Mapping[str, object] = {}
    time: object = None
    cards: tuple[Card, ...] = ()
    metadata: Mapping[str, object] = {}


def bind(binding: Binding, partitions: Mapping[str, object]) -> Binding:
    """The binding with more values. Raises DeclarationError for unknown keys, other types and second values."""
    facts = binding.facts
    keys, time = dict(binding.keys), binding.time
    for key, value in partitions.items():
        if key in TIME_WORDS:
            time = _bound_time(facts, time, value)
            continue
        facts.check_key(key)
        if not isinstance(value, (str, Input)):
            raise DeclarationError(
                f"partition {key!r} of {facts.name!r} must be a str or Inputs.<name>, not {value!r}",
                hint="values known only at run time go into the call: return artifact(value, key=…)",
            )
        if isinstance(value, str):
            facts.check_text(key, value)
        if keys.setdefault(key, value) != value:
            raise DeclarationError(f"partition {key!r} of {facts.name!r} is bound twice: {keys[key]!r} and {value!r}")
    return replace(binding, keys=keys, time=time)


def settle(
    binding: Binding,
    creation: Creation | None,
    arguments: Mapping[str, object],
    *,
    where: str,
    place: Place = ("<unknown>", 1),
) -> Partition:
    """The partition that an output goes to; ``where`` names the output in errors, ``place`` its function in warnings.

    A value given at run time fills a key that the annotation left open; a second value is a PublishError, and so
    is a partitioned artifact about which nothing was said. Keys still open otherwise are left out with an
    OpenPartitionWarning, or refused where the declaration is strict.
    """
    facts = binding.facts
    keys = dict(facts.fixed)
    keys |= {key: _rendered(facts, key, value, arguments) for key, value in binding.keys.items()}
    time = None if binding.time is None else _rendered_time(facts, binding.time, arguments)
    if creation is not None:
        for key, value in creation.keys.items():
            facts.check_key(key)
            if key in keys:
                raise PublishError(
                    f"{where}: partition {key!r} of {facts.name!r} is bound to {keys[key]!r} by the annotation, "
                    f"and the call gives {value!r}",
                    hint="give it in one of the two places",
                )
            keys[key] = _rendered(facts, key, value, arguments)
        if creation.time is not None:
            if time is not None:
                raise PublishError(
                    f"{where}: the time partition of {facts.name!r} is bound by the annotation and the call"
                )
            time = _rendered_time(facts, creation.time, arguments)
    _check_open(facts, keys, time, where, place)
    return Partition.of(keys, time=time)


def _bound_time(facts: Facts, before: object, value: object) -> datetime | date | Input:
    facts.check_timed()
    if not isinstance(value, (datetime, date, Input)):
        raise DeclarationError(
            f"the time partition of {facts.name!r} must be a datetime, a date or Inputs.<name>, not {value!r}"
        )
    if before is not None and before != value:
        raise DeclarationError(f"the time partition of {facts.name!r} is bound twice: {before!r} and {value!r}")
    return value


def _rendered(facts: Facts, key: str, value: object, arguments: Mapping[str, object]) -> str:
    what = f"partition {key!r} of {facts.name!r}"
    if isinstance(value, Input):
        what = f"{what} ({value!r})"
        value = moved_time(_argument(value, arguments, what), value.offset, what)
    return check_rendered(render(value, what), what)


def _rendered_time(facts: Facts, value: object, arguments: Mapping[str, object]) -> str:
    what = f"the time partition of {facts.name!r}"
    granularity = facts.check_timed()
    if isinstance(value, Input):
        what = f"{what} ({value!r})"
        value = moved_time(_argument(value, arguments, what), value.offset, what)
    return render_time(value, granularity, what)


def _argument(wanted: Input, arguments: Mapping[str, object], what: str) -> object:
    if wanted.name not in arguments:
        raise PublishError(f"{what}: the function has no input {wanted.name!r}")
    return arguments[wanted.name]


def warn(message: str, category: type[Warning], place: Place) -> None:
    """Warn where a function is defined: the caller may be in another thread, or an event loop."""
    warnings.warn_explicit(message, category, *place, registry=_WARNED)


def _check_open(facts: Facts, given: Collection[str], time: str | None, where: str, place: Place) -> None:
    left = [key for key in facts.keys if key not in given]
    if facts.granularity is not None and time is None:
        left.append("time_partition")
    if not left:
        return
    names = ", ".join(repr(key) for key in left)
    said = len(given) > 0 or time is not None
    if said and not facts.strict:
        warn(f"{where}: published to {facts.name!r} without {names}", OpenPartitionWarning, place)
        return
    raise PublishError(
        f"{where}: {names} of {facts.name!r} {'is' if len(left) == 1 else 'are'} left open; nothing was published",
        hint=f"return {facts.name}(value, {left[0]}=…), or bind it in the annotation",
    )
