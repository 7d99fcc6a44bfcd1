"""Queries: which version of an artifact a parameter wants, said with values and placeholders.

    RideCount.query(region=Inputs.region, time_partition=Inputs.kickoff - timedelta(days=1))
    RideCount.query(region=["EWR", "JFK"], time=("2024-01", "2024-03")).latest_per_partition()

``settle`` turns a query into what it asks for once the arguments of the call are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from cas.catalog.selection import TimeRange
from cas.errors import DeclarationError, PartitionError
from cas.flows import parts, reading
from cas.flows.dataset import PartitionDataset
from cas.flows.facts import Address, Facts
from cas.flows.inputs import Input, KeyOf, TimeOf
from cas.flows.rendering import check_rendered, moved_time, parse_time, render, render_time
from cas.flows.wanted import Wanted
from cas.refs.names import check_domain, check_project

__all__ = ["ArtifactQuery", "Reference", "make_query", "settle"]


class Reference(NamedTuple):
    """The partition of an artifact version that placeholders such as ``A.partitions.region`` refer to."""

    keys: Mapping[str, str]
    time: str | None


References = Mapping[Address, Reference]


@dataclass(frozen=True)
class ArtifactQuery:
    """The latest version of an artifact whose partition contains what is asked for.

    As the default of a parameter it is resolved when the function is called. Without placeholders it also answers
    at once, from the current repository.
    """

    facts: Facts
    keys: Mapping[str, object] = field(default_factory=dict)
    time: object = None
    project: str | None = None
    domain: str | None = None
    strict: bool = False

    @property
    def bound(self) -> bool:
        """Whether every partition key, and the time where there is one, has a value."""
        return all(key in self.keys for key in self.facts.keys) and (
            self.facts.granularity is None or self.time is not None
        )

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the function that it needs."""
        return tuple(value for value in self._values() if isinstance(value, Input))

    @property
    def references(self) -> tuple[Facts, ...]:
        """The artifacts whose partition it needs, each once."""
        each = [value.facts for value in self._values() if isinstance(value, (KeyOf, TimeOf))]
        return tuple({facts.address: facts for facts in each}.values())

    def referring(self, facts: Facts, reference: Reference) -> ArtifactQuery:
        """The query with the partition of one artifact put in place of the references to it. Raises PartitionError."""
        known = {facts.address: reference}

        def put(value: object) -> object:
            if isinstance(value, (list, tuple)):
                return type(value)(put(one) for one in value)
            if isinstance(value, (KeyOf, TimeOf)) and value.facts.address == facts.address:
                return _known(value, {}, known, f"a query of {self.facts.name!r}")
            return value

        return replace(self, keys={key: put(value) for key, value in self.keys.items()}, time=put(self.time))

    def without_references(self, facts: Facts) -> ArtifactQuery:
        """The query as far as it is known before a version of ``facts`` is: for checks."""
        somewhen = "2000-01-01T00:00"
        return self.referring(facts, Reference(dict.fromkeys(facts.keys, "…"), somewhen))

    def latest(self) -> reading.ArtifactVersion | None:
        """The version it resolves to now, or None. A span around the caller records it as an input."""
        return self.latest_in(reading.repository())

    def latest_in(self, repo: reading.Repository) -> reading.ArtifactVersion | None:
        """The same, in a repository that need not be the current one."""
        wanted = settle(self, {}, {})
        found = reading.latest(repo, wanted)
        return None if found is None else reading.note(repo, found, wanted)

    def version_in(self, repo: reading.Repository) -> reading.ArtifactVersion:
        """The same; raises RefNotFound where there is none. ``repo.get_artifact(query)`` calls this."""
        found = self.latest_in(repo)
        if found is None:
            raise reading.nothing(repo, settle(self, {}, {}))
        return found

    def versions_in(self, repo: reading.Repository) -> Sequence[reading.ArtifactVersion]:
        """The latest version of each partition that matches. ``repo.search(query)`` calls this."""
        return reading.every_tip(repo, settle(self, {}, {}))

    def get(self) -> Any:
        """The value of the version it resolves to now. Raises RefNotFound where there is none."""
        repo = reading.repository()
        return reading.value_of(repo, self.version_in(repo))

    def latest_per_partition(
        self, *, limit: int | None = None, after: str | None = None
    ) -> Sequence[reading.ArtifactVersion]:
        """The latest version of each partition that matches, by partition; at most ``limit``, those past ``after``.

        ``after`` is the ref of the last version of the page before.
        """
        return reading.latest_per_partition(reading.repository(), settle(self, {}, {}), limit=limit, after=after)

    def partition_values(self, key: str) -> list[str]:
        """The values that a key (or ``time``) has among the partitions that match, sorted."""
        if key in ("time", "time_partition"):
            self.facts.check_timed()
        else:
            self.facts.check_key(key)
        return reading.partition_values(reading.repository(), settle(self, {}, {}), key)

    def table(self, as_type: object = None, /) -> Any:
        """What is there of the partitions that match, a row each: as pandas has it, or ``table(pyarrow.Table)``.

        Columns: the partition keys, ``time``, then version, type, size, created, id, literal and span.
        """
        repo, wanted = reading.repository(), settle(self, {}, {})
        found = parts.parts(repo, wanted)
        return parts.as_type(parts.describe(found, parts.key_columns(repo, self.facts, wanted)), as_type)

    def dataset(self) -> PartitionDataset:
        """The tables of all partitions that match, as one lazy Arrow dataset with the partition columns."""
        repo, wanted = reading.repository(), settle(self, {}, {})
        return PartitionDataset(repo, reading.every_tip(repo, wanted), parts.key_columns(repo, self.facts, wanted))

    def _values(self) -> Iterator[object]:
        for value in (*self.keys.values(), self.time):
            yield from value if isinstance(value, (list, tuple)) else (value,)

    def __repr__(self) -> str:
        said = [f"{key}={value!r}" for key, value in self.keys.items()]
        said += [] if self.time is None else [f"time_partition={self.time!r}"]
        said += [f"{word}={value!r}" for word in ("project", "domain", "strict") if (value := getattr(self, word))]
        return f"{self.facts.name}.query({', '.join(said)})"


def make_query(
    facts: Facts,
    keys: Mapping[str, object],
    *,
    time: object = None,
    partitions: Mapping[str, object] | None = None,
    project: str | None = None,
    domain: str | None = None,
    strict: bool = False,
) -> ArtifactQuery:
    """A checked query. Raises DeclarationError for unknown keys, other types and two foreign artifacts."""
    if partitions is not None and not isinstance(partitions, Mapping):
        raise DeclarationError(
            f"a query of {facts.name!r}: partitions maps keys to values; {partitions!r:.80} does not",
            hint=f"partitions={{{next(iter(facts.keys), 'key')!r}: …}}",
        )
    if partitions and keys:
        raise DeclarationError(f"{facts.name!r}: give partitions={{…}} or keywords, not both")
    asked: dict[str, object] = dict(facts.fixed)
    for key, value in (partitions or keys).items():
        facts.check_key(key)
        asked[key] = _checked_value(facts, key, value)
    if project is not None:
        check_project(project)
    if domain is not None:
        check_domain(domain)
    query = ArtifactQuery(
        facts, asked, _checked_time(facts, time), project or facts.project, domain or facts.domain, strict
    )
    foreign = [other.name for other in query.references if other.address != facts.address]
    if len(foreign) > 1:
        raise DeclarationError(
            f"a query of {facts.name!r} refers to the partitions of several artifacts: {', '.join(map(repr, foreign))}",
            hint="one other artifact is allowed",
        )
    return query


def settle(query: ArtifactQuery, arguments: Mapping[str, object], references: References) -> Wanted:
    """What the query asks for, given the call's arguments and the artifacts it refers to. Raises PartitionError."""
    facts = query.facts
    place = (arguments, references)
    keys = tuple((key, _texts(facts, key, value, *place)) for key, value in sorted(query.keys.items()))
    times: tuple[str, ...] | TimeRange | None = None
    if isinstance(query.time, tuple):
        first, last = (None if end is None else _range_end(facts, end, *place) for end in query.time)
        times = TimeRange(first, last)
    elif query.time is not None:
        times = tuple(_time_text(facts, value, *place) for value in _as_list(query.time))
    return Wanted(facts.name, query.project, query.domain, facts.version, keys, times, query.strict)


def _checked_value(facts: Facts, key: str, value: object) -> object:
    what = f"partition {key!r} in a query of {facts.name!r}"
    if isinstance(value, (Input, KeyOf, TimeOf)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        if not value:
            raise DeclarationError(f"{what} is an empty list, which nothing matches")
        each = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [_checked_value(facts, key, one) for one in each]
    try:
        return check_rendered(render(value, what), what)
    except PartitionError as fault:
        raise DeclarationError(fault.message, hint=fault.hint) from None


def _checked_time(facts: Facts, time: object) -> object:
    if time is None:
        return None
    granularity = facts.check_timed()
    if isinstance(time, tuple):
        if len(time) != 2:
            raise DeclarationError(f"a range of times of {facts.name!r} has two ends, not {len(time)}: {time!r}")
        ends = tuple(None if end is None else _checked_moment(facts, end, text=True) for end in time)
        _check_order(facts, ends)
        return ends
    if isinstance(time, list):
        if not time:
            raise DeclarationError(f"the times in a query of {facts.name!r} are an empty list, which nothing matches")
        return [_checked_moment(facts, one) for one in time]
    if isinstance(time, str):
        return render_time(time, granularity, f"the time partition of {facts.name!r}")
    return _checked_moment(facts, time)


def _check_order(facts: Facts, ends: tuple[object, ...]) -> None:
    """Raise DeclarationError for a range of known times that goes backwards, PartitionError for an end that is none."""
    known = [
        None if end is None or isinstance(end, (Input, TimeOf, KeyOf)) else _range_end(facts, end, {}, {})
        for end in ends
    ]
    if known[0] is not None and known[1] is not None and not TimeRange(None, known[1]).holds(known[0]):
        raise DeclarationError(
            f"the range of times in a query of {facts.name!r} goes backwards, so nothing matches: {ends!r}",
            hint="the earlier end comes first",
        )


def _checked_moment(facts: Facts, time: object, *, text: bool = False) -> object:
    if not isinstance(time, (datetime, date, str, Input, TimeOf, KeyOf)):
        raise DeclarationError(
            f"the time partition in a query of {facts.name!r} must be a time, Inputs.<name> or the time of another "
            f"artifact, not {time!r}"
        )
    if isinstance(time, str) and not text:
        return render_time(time, facts.check_timed(), f"the time partition of {facts.name!r}")
    return time


def _texts(
    facts: Facts, key: str, value: object, arguments: Mapping[str, object], references: References
) -> tuple[str, ...]:
    texts: list[str] = []
    for one in _as_list(value):
        what = f"partition {key!r} in a query of {facts.name!r}"
        known = _known(one, arguments, references, what)
        each: Iterable[object] = known if isinstance(known, (list, tuple, set, frozenset)) else (known,)
        texts.extend(render(part, f"{what} ({one!r})" if one is not part else what) for part in each)
    return tuple(dict.fromkeys(texts))


def _time_text(facts: Facts, value: object, arguments: Mapping[str, object], references: References) -> str:
    what = f"the time partition in a query of {facts.name!r}"
    return render_time(_known(value, arguments, references, what), facts.check_timed(), what)


def _range_end(facts: Facts, value: object, arguments: Mapping[str, object], references: References) -> str:
    what = f"the range of times in a query of {facts.name!r}"
    known = _known(value, arguments, references, what)
    granularity = facts.check_timed()
    if isinstance(known, date) and not isinstance(known, datetime):
        known = known.isoformat()  # the whole day
    if isinstance(known, str) and len(known) < len(granularity.truncate(datetime(2000, 1, 1))):
        parse_time(known, what)
        return known
    return render_time(known, granularity, what)


def _known(value: object, arguments: Mapping[str, object], references: References, what: str) -> object:
    """The value that a placeholder stands for; any other value as it is."""
    if isinstance(value, Input):
        if value.name not in arguments:
            raise PartitionError(f"{what} needs the input {value.name!r}, which is not known here")
        return moved_time(arguments[value.name], value.offset, f"{what} ({value!r})")
    if not isinstance(value, (KeyOf, TimeOf)):
        return value
    reference = references.get(value.facts.address)
    found: Any = None
    if reference is not None:
        found = reference.keys.get(value.key) if isinstance(value, KeyOf) else reference.time
    if found is None:
        raise PartitionError(
            f"{what} needs {value!r}, which is not known here",
            hint=f"it is known where {value.facts.name!r} triggers the launch, or is resolved for another parameter",
        )
    return moved_time(found, value.offset, f"{what} ({value!r})") if isinstance(value, TimeOf) else found


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
