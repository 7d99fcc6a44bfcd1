"""The results of a call: each annotated one is settled to a partition and put there, all in one transaction."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from cas.errors import PartitionError, PublishError
from cas.flows import reading
from cas.flows.binding import Creation, settle
from cas.flows.cards import named
from cas.flows.facts import Facts, type_text
from cas.flows.interface import Interface, Output
from cas.flows.run import Setting
from cas.flows.running import Frame
from cas.refs import grammar
from cas.refs.partitions import Partition
from cas.repository import Repository

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
    repo, _, run = setting
    claimed = _claim(interface, frame, result)
    if claimed:
        settled = [
            (one, settle(one.output.binding, one.creation, arguments, where=one.output.where)) for one in claimed
        ]
        with repo.batch() as batch:
            pending = [_put(batch, repo, one, partition) for one, partition in settled]
        for one in pending:
            run.add(one.artifact)
    return _restored(interface, frame, result, claimed)


def plain_result(interface: Interface, frame: Frame, result: Any) -> Any:
    """The result as the caller gets it, with nothing published."""
    return _restored(interface, frame, result, _claim(interface, frame, result))


def check_declared(repo: Repository, facts: Facts) -> None:
    """Declare the name with its first version. Raises PartitionError where it was declared with other keys."""
    name = reading.name_of(repo, facts)
    declared = reading.declared(repo, name)
    granularity = facts.granularity.value if facts.granularity is not None else None
    if declared is None or declared.keys is None:
        repo.declare("/".join(name), keys=facts.keys, granularity=granularity, type=type_text(facts))
        return
    if set(declared.keys) == set(facts.keys) and (declared.granularity or None) == granularity:
        return
    missing = [key for key in facts.keys if key not in declared.keys]
    raise PartitionError(
        f"{facts.name!r} was first published with the partition keys {list(declared.keys)} and "
        f"{_time_words(declared.granularity)}; here it is declared with {list(facts.keys)} "
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
        claimed.append(Claimed(output, given if creation is None else creation.value, creation))
    return claimed


def _restored(interface: Interface, frame: Frame, result: Any, claimed: list[Claimed]) -> Any:
    for creation in frame.unclaimed():
        warnings.warn(
            f"{interface.name}(): a call of {creation.facts.name!r} gives a value that is no result annotated with it; "
            "it is not published",
            UnusedCreationWarning,
            stacklevel=2,
        )
    if interface.size is None:
        return claimed[0].value if claimed else frame.original(result)
    changed = {one.output.index: one.value for one in claimed if one.value is not result[one.output.index or 0]}
    if not changed:
        return result
    items = [changed.get(n, item) for n, item in enumerate(result)]
    return type(result)(*items) if hasattr(result, "_fields") else tuple(items)


def _put(batch: Any, repo: Repository, one: Claimed, partition: Partition) -> Any:
    facts = one.output.binding.facts
    check_declared(repo, facts)
    name = reading.name_of(repo, facts)
    ref = grammar.format(grammar.Revision(None, name.project, name.domain, name.name, partition, None, (), None, None))
    creation = one.creation
    return batch.put(
        one.value,
        ref,
        version=facts.version,
        metadata=dict(creation.metadata) if creation is not None and creation.metadata else None,
        cards=named(creation.cards) if creation is not None and creation.cards else None,
    )


def _time_words(granularity: str | None) -> str:
    return f"a time by {granularity}" if granularity else "no time"
