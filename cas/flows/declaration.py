"""Declare an artifact: a name, its partition keys, and the type of its value.

    my_artifact = Artifact(name="my_data", partition_keys=["a", "b"], time_partitioned=True)
    typed = Artifact[pd.DataFrame](name="rides", partition_keys=["region"])

    class MyData(Artifact[pd.DataFrame]):
        partitions = ["a", "b"]

Both forms are used alike: in an annotation they bind partitions (``binding``), around a value they say where it goes
(``running``), and ``query`` asks for what is there (``query``). A declaration is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Concatenate, Generic, get_args, get_origin, overload

from typing_extensions import ParamSpec, Self, TypeVar

from cas.errors import DeclarationError
from cas.flows import reading
from cas.flows.binding import TIME_WORDS, Binding, Creation, bind
from cas.flows.cards import as_card
from cas.flows.dataset import PartitionDataset
from cas.flows.facts import Facts, declare
from cas.flows.inputs import Input, PartitionKeys, TimeOf
from cas.flows.parts import is_pattern, matching
from cas.flows.query import ArtifactQuery, make_query
from cas.flows.running import current_frame
from cas.refs.partitions import Granularity

__all__ = ["Artifact", "facts_of", "matching_query"]

T = TypeVar("T", default=Any)
V = TypeVar("V")
P = ParamSpec("P")
R = TypeVar("R")


class _Verb(Generic[P, R]):
    """A method that a declaration and a declared class have alike."""

    def __init__(self, function: Callable[Concatenate[Artifact[Any], P], R]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, declared: Artifact[Any] | None, owner: type[Artifact[Any]]) -> Callable[P, R]:
        bound: Callable[P, R] = self._function.__get__(owner._declaration() if declared is None else declared)
        return bound


class _TimePartition:
    """``A.time_partition``: the time of a version of A, wherever one is at hand."""

    def __get__(self, declared: Artifact[Any] | None, owner: type[Artifact[Any]]) -> TimeOf:
        facts = (owner._declaration() if declared is None else declared).facts
        facts.check_timed()
        return TimeOf(facts)


class Artifact(Generic[T]):
    """The declaration of an artifact; subclass it to declare by class.

    ``partition_keys`` are at most ten names; ``time_partitioned`` adds a time, truncated to
    ``time_partition_granularity`` (a day); ``partitions`` fixes keys to values; ``version`` pins what queries find;
    ``strict`` makes a key left open an error. Raises DeclarationError.
    """

    facts: Facts
    name: str
    project: str | None
    domain: str | None
    version: str | None
    partitions: Any
    partition_keys: Any
    time_partitioned: bool
    time_partition_granularity: Granularity | None
    strict: bool
    time_partition = _TimePartition()

    @overload
    def __init__(
        self,
        /,
        *,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        partition_keys: Sequence[str] | None = None,
        partitions: Mapping[str, str] | None = None,
        time_partitioned: bool = False,
        time_partition_granularity: Granularity | None = None,
        strict: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self, value: T, /, *cards: object, metadata: Mapping[str, object] | None = None, **partitions: object
    ) -> None: ...
    @overload
    def __init__(self, /, **partitions: object) -> None: ...

    def __init__(self, /, *values: object, **said: Any) -> None:
        if values:
            raise DeclarationError(
                f"an artifact is declared by keyword, not by {values[0]!r}", hint='Artifact(name="my_data")'
            )
        said["keys"] = said.pop("partition_keys", None)
        said["fixed"] = said.pop("partitions", None)
        said["granularity"] = said.pop("time_partition_granularity", None)
        unknown = said.keys() - _ARGUMENTS
        if unknown:
            raise DeclarationError(f"an artifact has no {', '.join(sorted(unknown))}")
        self.facts = declare(name=said.pop("name", None), **said)
        _show(self, self.facts)

    if not TYPE_CHECKING:  # a declared class is called like a declaration: what comes back is a value or a binding

        def __new__(cls, *values, **said):
            if "facts" in vars(cls):
                return cls._declaration()(*values, **said)
            return object.__new__(cls)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own, above = vars(cls), getattr(cls, "facts", None)
        said = {word: getattr(cls, word, None) for word in ("project", "domain", "version")}
        keys = own.get("partitions", own.get("partition_keys"))
        fixed = keys if isinstance(keys, Mapping) else None
        if keys is None and above is not None:
            keys, fixed = above.keys, dict(above.fixed)
        cls.facts = declare(
            name=own.get("name") or cls.__name__,
            keys=keys,
            fixed=fixed,
            time_partitioned=bool(getattr(cls, "time_partitioned", False)),
            granularity=getattr(cls, "time_partition_granularity", None),
            strict=bool(getattr(cls, "strict", False)),
            type=_declared_type(cls),
            **said,
        )
        _show(cls, cls.facts)

    @classmethod
    def _declaration(cls) -> Self:
        """The declaration that a class stands for. Raises DeclarationError for Artifact itself."""
        facts = vars(cls).get("facts")
        if facts is None:
            raise DeclarationError("Artifact itself declares nothing", hint='declare one: Artifact(name="my_data")')
        declared = object.__new__(cls)
        declared.facts = facts
        _show(declared, facts)
        return declared

    @property
    def __orig_class__(self) -> object:
        """``Artifact[pd.DataFrame]`` as typing notes it after ``Artifact[pd.DataFrame](…)``."""
        raise AttributeError("__orig_class__")

    @__orig_class__.setter
    def __orig_class__(self, alias: object) -> None:
        self.facts = self.facts._replace(type=get_args(alias)[0])
        _show(self, self.facts)

    @overload
    def __call__(self, /, **partitions: object) -> Binding: ...
    @overload
    def __call__(
        self, value: T, /, *cards: object, metadata: Mapping[str, object] | None = None, **partitions: object
    ) -> T: ...

    def __call__(self, /, *values: Any, metadata: Any = None, **partitions: object) -> Any:
        """Without a value: bind partitions, for an annotation. With one: say where this value goes, and give it back.

        What follows the value are cards; ``metadata`` holds plain values. Raises DeclarationError.
        """
        if values:
            return _create(self.facts, values, metadata, partitions)
        if metadata is not None:
            raise DeclarationError(
                f"metadata belongs to a value of {self.facts.name!r}", hint="return artifact(value, metadata={…})"
            )
        return bind(Binding(self.facts), partitions)

    @_Verb
    def bind_partitions(self, /, **partitions: object) -> Binding:
        """Bind partition keys (and ``time_partition=``), for an annotation."""
        return bind(Binding(self.facts), partitions)

    @_Verb
    def bind_time_partition(self, /, time: datetime | date | Input) -> Binding:
        """Bind the time partition, for an annotation."""
        return bind(Binding(self.facts), {"time_partition": time})

    @_Verb
    def create_from(
        self,
        value: V,
        card: object = None,
        /,
        *cards: object,
        metadata: Mapping[str, object] | None = None,
        **partitions: object,
    ) -> V:
        """Inside a task: say which partition a value goes to, with its cards, and give the value back."""
        given = tuple(one for one in (card, *cards) if one is not None)
        created: V = _create(self.facts, (value, *given), metadata, partitions)
        return created

    @_Verb
    def query(
        self,
        /,
        project: str | None = None,
        domain: str | None = None,
        *,
        time_partition: object = None,
        time: object = None,
        partitions: Mapping[str, object] | None = None,
        strict: bool = False,
        **keys: object,
    ) -> Any:
        """An ArtifactQuery (typed Any, so that it may be the default of a parameter of the value's type).

        A value is a str, ``Inputs.x``, the partition of another artifact, or a list of values; a time also a range
        ``(first, last)``, both included. Raises DeclarationError.
        """
        if time is not None and time_partition is not None:
            raise DeclarationError(f"a query of {self.facts.name!r} gives time and time_partition: give one")
        when = time if time_partition is None else time_partition
        return make_query(
            self.facts, keys, time=when, partitions=partitions, project=project, domain=domain, strict=strict
        )

    @_Verb
    def latest_per_partition(
        self, /, *, limit: int | None = None, after: str | None = None, **asked: Any
    ) -> Sequence[reading.ArtifactVersion]:
        """The latest version of each partition that a query with these values matches."""
        return _query(self, asked).latest_per_partition(limit=limit, after=after)

    @_Verb
    def partition_values(self, /, key: str, **asked: Any) -> list[str]:
        """The values that a key (or ``time``) has in the current repository, sorted."""
        return _query(self, asked).partition_values(key)

    @_Verb
    def version_in(self, repo: reading.Repository, /) -> reading.ArtifactVersion:
        """Its latest version in a repository. Raises RefNotFound."""
        return _query(self, {}).version_in(repo)

    @_Verb
    def versions_in(self, repo: reading.Repository, /) -> Sequence[reading.ArtifactVersion]:
        """The latest version of each of its partitions in a repository."""
        return _query(self, {}).versions_in(repo)

    @_Verb
    def table(self, as_type: object = None, /, **asked: Any) -> Any:
        """What is there, a row for each partition that a query with these values matches (:meth:`ArtifactQuery.table`).

        In a text, ``*`` and ``?`` stand for anything: ``table(region="*", time=("2024-01", "2024-03"))``.
        """
        return matching_query(self, asked).table(as_type)

    @_Verb
    def dataset(self, /, **asked: Any) -> PartitionDataset:
        """The tables of those partitions as one lazy Arrow dataset, with the partition columns."""
        return matching_query(self, asked).dataset()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and self.facts == other.facts

    def __hash__(self) -> int:
        return hash((self.facts.name, self.facts.keys))

    def __repr__(self) -> str:
        written = self.facts.type
        of = f"[{getattr(written, '__qualname__', None) or repr(written)}]" if written is not None else ""
        return f"Artifact{of}({self.facts.describe()})"

    if TYPE_CHECKING:
        # A parameter annotated with a declared class holds a value of the class's type.
        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...
        def __iter__(self) -> Any: ...
        def __len__(self) -> int: ...


_ARGUMENTS_OF_QUERY = {"project", "domain", "time_partition", "time", "partitions", "strict"}
_ARGUMENTS = {"name", "project", "domain", "version", "keys", "fixed", "time_partitioned", "granularity", "strict"}


def facts_of(given: object) -> Facts | None:
    """The facts of a declaration, a declared class or a binding; None for anything else."""
    if isinstance(given, (Artifact, Binding)):
        return given.facts
    if isinstance(given, type) and issubclass(given, Artifact):
        return vars(given).get("facts")
    return None


def _query(artifact: Artifact[Any], asked: dict[str, Any]) -> ArtifactQuery:
    made = artifact.query(**asked)
    assert isinstance(made, ArtifactQuery)
    return made


def matching_query(artifact: Artifact[Any], asked: dict[str, Any]) -> ArtifactQuery:
    """The query with lists of what is there in place of texts with ``*`` and ``?``."""
    stated = asked.get("partitions")
    given = {**stated, **asked} if isinstance(stated, Mapping) else asked
    patterns = {key: value for key, value in given.items() if key not in _ARGUMENTS_OF_QUERY and is_pattern(value)}
    for key in patterns:
        artifact.facts.check_key(key)
    if isinstance(stated, Mapping):
        asked = {**asked, "partitions": {k: v for k, v in stated.items() if k not in patterns}}
    for word in TIME_WORDS:
        if asked.get(word) == "*":
            artifact.facts.check_timed()
            patterns[word] = "*"
    plain = _query(artifact, {key: value for key, value in asked.items() if key not in patterns})
    there = {key: plain.partition_values(key) for key, pattern in patterns.items() if pattern != "*"}
    return replace(plain, keys={**plain.keys, **matching(patterns, there)})


def _create(
    facts: Facts, values: tuple[Any, ...], metadata: Mapping[str, object] | None, partitions: Mapping[str, object]
) -> Any:
    value, *cards = values
    frame = current_frame()
    if isinstance(value, Input) or (frame is None and _is_by_position(facts, value, partitions)):
        raise DeclarationError(
            f"{value!r} is given to {facts.name!r} by position: partition values go by key, and values to publish "
            "inside a task",
            hint=f"{facts.name}({next(iter(facts.keys), 'key')}=…)",
        )
    keys = {key: given for key, given in partitions.items() if key not in TIME_WORDS}
    times = [given for key, given in partitions.items() if key in TIME_WORDS]
    for key in keys:
        facts.check_key(key)
    if times:
        facts.check_timed()
    if metadata is not None and not isinstance(metadata, Mapping):
        raise DeclarationError(
            f"metadata of {facts.name!r} is plain values by name, not {metadata!r:.80}", hint='metadata={"rows": 10}'
        )
    if frame is None:
        return value
    pages = tuple(as_card(card) for card in cards)
    return frame.add(Creation(facts, value, keys, times[0] if times else None, pages, dict(metadata or {})))


def _is_by_position(facts: Facts, value: object, partitions: Mapping[str, object]) -> bool:
    """Whether a value outside of any task, as in an annotation, is meant as that of a partition key."""
    if isinstance(value, (str, date)):
        return True
    return isinstance(value, (int, float)) and not partitions and bool(facts.keys or facts.granularity)


def _show(target: Any, facts: Facts) -> None:
    """Put the facts on a declaration or a declared class as plain attributes."""
    target.name, target.project, target.domain, target.version = facts.name, facts.project, facts.domain, facts.version
    target.partitions = target.partition_keys = PartitionKeys(facts)
    target.time_partitioned = facts.granularity is not None
    target.time_partition_granularity = facts.granularity
    target.strict = facts.strict


def _declared_type(cls: type) -> object:
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Artifact):
            args = get_args(base)
            return None if isinstance(args[0], TypeVar) else args[0]
    inherited: Facts | None = getattr(cls, "facts", None)
    return inherited.type if inherited else None
