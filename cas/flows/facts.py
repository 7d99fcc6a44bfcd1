"""What a declaration says, as plain facts, and the rules that they must keep, checked when it is declared."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import NamedTuple

from cas.errors import DeclarationError, InvalidRefName, RefSyntax
from cas.literals import registry
from cas.refs.names import check_declared_keys, check_domain, check_name, check_project, check_version
from cas.refs.partitions import Granularity, check_value

__all__ = ["Address", "Facts", "declare", "type_text"]


Address = tuple[str | None, str | None, str]


class Facts(NamedTuple):
    """One declaration: where it lives, its keys in declared order, its granularity (None: not time-partitioned).

    ``fixed`` are key values that hold for every use; ``version`` pins what queries find; ``type`` is the Python type
    of the value, where the declaration says one; ``strict`` makes a key left open an error.
    """

    name: str
    project: str | None = None
    domain: str | None = None
    version: str | None = None
    keys: tuple[str, ...] = ()
    granularity: Granularity | None = None
    fixed: tuple[tuple[str, str], ...] = ()
    strict: bool = False
    type: object = None

    def check_key(self, key: str) -> None:
        """Raise DeclarationError unless the declaration has this partition key."""
        if key in self.keys:
            return
        near = difflib.get_close_matches(key, self.keys, 1)
        has = f"its keys are {', '.join(self.keys)}" if self.keys else "it has no partition keys"
        raise DeclarationError(
            f"artifact {self.name!r} has no partition key {key!r}: {has}",
            hint=f"did you mean {near[0]!r}?" if near else None,
        )

    def check_text(self, key: str, text: str) -> None:
        """Raise DeclarationError unless a partition key can have this value."""
        try:
            check_value(text)
        except RefSyntax as fault:
            raise DeclarationError(f"partition {key!r} of {self.name!r}: {fault.message}", hint=fault.hint) from None

    def check_timed(self) -> Granularity:
        """The granularity; raises DeclarationError unless the artifact is time-partitioned."""
        if self.granularity is None:
            raise DeclarationError(
                f"artifact {self.name!r} is not time-partitioned, so it takes no time partition",
                hint="declare it with time_partitioned=True",
            )
        return self.granularity

    @property
    def address(self) -> Address:
        """What tells artifacts apart: declarations of one address are of one artifact."""
        return self.project, self.domain, self.name

    def describe(self) -> str:
        """The arguments that declare it again, in one order; deterministic."""
        said = [f"name={self.name!r}"]
        said += [f"{word}={value!r}" for word in ("project", "domain", "version") if (value := getattr(self, word))]
        if len(self.fixed) < len(self.keys):
            said.append(f"partition_keys={list(self.keys)!r}")
        if self.fixed:
            said.append(f"partitions={dict(self.fixed)!r}")
        if self.granularity is not None:
            said.append("time_partitioned=True")
            if self.granularity is not Granularity.DAY:
                said.append(f"time_partition_granularity=Granularity.{self.granularity.name}")
        if self.strict:
            said.append("strict=True")
        return ", ".join(said)


def declare(
    *,
    name: str | None,
    project: str | None = None,
    domain: str | None = None,
    version: str | None = None,
    keys: Iterable[str] | None = None,
    fixed: Mapping[str, str] | None = None,
    time_partitioned: bool = False,
    granularity: Granularity | str | None = None,
    strict: bool = False,
    type: object = None,  # noqa: A002 - the declaration's own word
) -> Facts:
    """Checked facts. Raises DeclarationError, InvalidRefName for names that no repository may hold."""
    if not name or not isinstance(name, str):
        raise DeclarationError("an artifact needs a name", hint='Artifact(name="my_data")')
    check_name(name)
    if project is not None:
        check_project(project)
    if domain is not None:
        check_domain(domain)
    if version is not None:
        check_version(version)
    made = Facts(
        name=name,
        project=project,
        domain=domain,
        version=version,
        keys=_checked_keys(name, keys, fixed),
        granularity=_checked_granularity(name, time_partitioned, granularity),
        fixed=tuple(sorted((fixed or {}).items())),
        strict=strict,
        type=type,
    )
    for key, value in made.fixed:
        made.check_text(key, value)
    return made


def type_text(facts: Facts) -> str | None:
    """The declared type's qualified name, as the ref log records it."""
    if facts.type is None or facts.type is type(None):
        return None
    if not isinstance(facts.type, type):
        return repr(facts.type).removeprefix("typing.")
    module, name = facts.type.__module__, facts.type.__qualname__
    codec = registry.codec_of(facts.type)
    if codec is not None and codec.type == f"{module.split('.')[0]}.{name}":
        return codec.type  # pandas.DataFrame, whichever module that version of pandas defines it in
    return name if module == "builtins" else f"{module}.{name}"


def _checked_keys(name: str, keys: object, fixed: object) -> tuple[str, ...]:
    if isinstance(keys, str) or not isinstance(keys, (Iterable, NoneType)):
        raise DeclarationError(
            f"artifact {name!r}: partition_keys is a list of names, not a {type(keys).__name__}",
            hint=f"partition_keys=[{keys!r}]" if isinstance(keys, str) else 'partition_keys=["a", "b"]',
        )
    if not isinstance(fixed, (Mapping, NoneType)):
        raise DeclarationError(
            f"artifact {name!r}: partitions maps keys to values; {fixed!r:.80} does not",
            hint="names alone are partition_keys=[…]",
        )
    # A set has another order in each process, and a declaration is the same in all.
    listed = tuple(sorted(keys, key=str) if isinstance(keys, (set, frozenset)) else keys or ())
    for key, value in (fixed or {}).items():
        if not isinstance(value, str):
            raise DeclarationError(f"artifact {name!r}: the fixed value of {key!r} must be a str, not {value!r}")
        if key not in listed:
            listed += (key,)
    try:
        return check_declared_keys(listed)
    except InvalidRefName as fault:
        raise DeclarationError(f"artifact {name!r}: {fault}", hint=fault.hint) from None


def _checked_granularity(name: str, timed: bool, given: Granularity | str | None) -> Granularity | None:
    if not timed:
        return None
    if given is None:
        return Granularity.DAY
    try:
        return Granularity(given.lower() if isinstance(given, str) else given)
    except ValueError:
        choices = ", ".join(g.name for g in Granularity)
        raise DeclarationError(f"artifact {name!r}: no granularity {given!r}; there are {choices}") from None
