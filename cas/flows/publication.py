"""The results of a call: each annotated one is settled to a partition and put there, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cas.errors import PartitionError, PublishError
from cas.flows import reading
from cas.flows.binding import Creation, settle, warn
from cas.flows.cards import named
from cas.flows.declaration import facts_of
from cas.flows.facts import Facts, type_text
from cas.flows.interface import Interface, Output
from cas.flows.run import Setting
from cas.flows.running import Frame
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.repository.known import Said
from cas.repository.publishing import Target
from cas.repository.transaction import Put, publish

__all__ = ["UnusedCreationWarning", "plain_result", "publish_outputs"]


class UnusedCreationWarning(UserWarning):
    """A call said where a value goes, and no annotated result is that value."""


class Claimed(NamedTuple):
    """One output with its value and what a call said about it."""

    output: Output
    value: object
    creation: Creation | None


def publish_outputs(
    interface: Interface, arguments: Mapping[str, Any], frame: Frame, result: Any, setting: Setting
) -> Any:
    """Put the outputs, and give the result back as the caller gets it. Raises PublishError: nothing is published."""
    repo, span, run = setting
    claimed = _claim(interface, frame, result)
    if claimed:
        settled = [
            (one, settle(one.output.binding, one.creation, arguments, where=one.output.where, place=interface.place))
            for one in claimed
        ]
        said: dict[Name, Said] = {}
        puts = [_put(setting, one, partition, said) for one, partition in settled]
        for version in publish(repo, puts, span, said=said):
            run.add(version)
    return _restored(interface, frame, result, claimed)


def plain_result(interface: Interface, frame: Frame, result: Any) -> Any:
    """The result as the caller gets it, with nothing published."""
    return _restored(interface, frame, result, _claim(interface, frame, result))


def check_declared(setting: Setting, name: Name, facts: Facts) -> Said | None:
    """What a name is to be declared as with its first version; None where the log declares it so already.

    Raises PartitionError where it was declared with other keys, by the log or in this run.
    """
    repo, span, run = setting
    before = run.declared.get(name)
    if before is not None and before[0] is facts:
        return before[1]
    granularity = facts.granularity.value if facts.granularity is not None else None
    declared = reading.declared(repo, name)
    said: Said | None = Said(facts.keys, facts.granularity, type_text(facts))
    if declared is not None and declared.keys is not None:
        _check_same(facts, declared.keys, declared.granularity, granularity)
        said = None
    elif (earlier := span.said().get(name)) is not None:
        _check_same(facts, earlier.keys, earlier.granularity and earlier.granularity.value, granularity)
    run.declared[name] = facts, said
    return said


def _check_same(facts: Facts, keys: tuple[str, ...], declared: str | None, granularity: str | None) -> None:
    if set(keys) == set(facts.keys) and (declared or None) == granularity:
        return
    missing = [key for key in facts.keys if key not in keys]
    raise PartitionError(
        f"{facts.name!r} was first published with the partition keys {list(keys)} and "
        f"{_time_words(declared)}; here it is declared with {list(facts.keys)} "
        f"and {_time_words(granularity)}",
        hint=f"extend it: cas declare {facts.name} --add-key {missing[0]}" if missing else "use the same declaration",
    )


def _claim(interface: Interface, frame: Frame, result: Any) -> list[Claimed]:
    if not interface.outputs:
        return []
    if interface.size is not None and (not isinstance(result, tuple) or len(result) != interface.size):
        got = f"{len(result)} results" if isinstance(result, tuple) else f"a {type(result).__name__}"
        raise PublishError(f"{interface.name}() is annotated with {interface.size} results and returned {got}")
    claimed = []
    for output in interface.outputs:
        given = result if output.index is None else result[output.index]
        creation = frame.claim(output.binding.facts, given)
        if creation is None and facts_of(given) is not None:
            raise PublishError(
                f"{output.where} is {given!r:.120}, an artifact without a value",
                hint=f"the value comes first: return {output.binding.facts.name}(value, …)",
            )
        claimed.append(Claimed(output, given if creation is None else creation.value, creation))
    return claimed


def _restored(interface: Interface, frame: Frame, result: Any, claimed: list[Claimed]) -> Any:
    for creation in frame.unclaimed():
        warn(
            f"{interface.name}(): a call of {creation.facts.name!r} gives a value that is no result annotated with it; "
            "it is not published",
            UnusedCreationWarning,
            interface.place,
        )
    if interface.size is None:
        return claimed[0].value if claimed else frame.original(result)
    changed = {one.output.index: one.value for one in claimed if one.value is not result[one.output.index or 0]}
    if not changed:
        return result
    items = [changed.get(n, item) for n, item in enumerate(result)]
    return type(result)(*items) if hasattr(result, "_fields") else tuple(items)


def _put(setting: Setting, one: Claimed, partition: Partition, said: dict[Name, Said]) -> Put:
    facts = one.output.binding.facts
    name = reading.name_of(setting.repo, facts)
    declared = check_declared(setting, name, facts)
    if declared is not None:
        said[name] = declared
    creation = one.creation
    return Put(
        one.value,
        Target(name, partition, facts.version),
        dict(creation.metadata) if creation is not None and creation.metadata else None,
        named(creation.cards) if creation is not None and creation.cards else None,
    )


def _time_words(granularity: str | None) -> str:
    return f"a time by {granularity}" if granularity else "no time"
