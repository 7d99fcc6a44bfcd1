"""The arguments of a call: queries give way to what they find, and every argument becomes an input of the span."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from cas.errors import CasError, NoRepository, StorageFull
from cas.flows import reading
from cas.flows.facts import Address
from cas.flows.interface import Interface, as_query
from cas.flows.query import ArtifactQuery, Reference, settle
from cas.flows.run import Setting
from cas.flows.wanted import Wanted
from cas.literals import registry
from cas.literals.literal import Literal
from cas.repository import ArtifactVersion, Repository
from cas.repository.current import LOCK

__all__ = ["NOTHING", "Stored", "resolve_without_repository", "take_arguments"]


Stored = Mapping[str, tuple[Literal, bytes]]
"""Arguments whose literal is known already, with its id."""
NOTHING: Stored = {}


def take_arguments(
    interface: Interface, arguments: MutableMapping[str, Any], setting: Setting, stored: Stored = NOTHING
) -> None:
    """Put values where queries stand, and record all. Raises RefNotFound where a query finds nothing."""
    repo = setting.repo
    pinned = {name: value for name, value in arguments.items() if isinstance(value, ArtifactVersion)}
    queries = _queries(interface, arguments)
    plain = {name: value for name, value in arguments.items() if name not in queries and name not in pinned}
    found = _record_values(plain, interface, setting, stored)
    for name, given in pinned.items():
        arguments[name] = _taken(name, given, given.ref, setting)
    references = _references(interface, found | pinned)
    for name, query in queries.items():
        wanted = settle(query, arguments, references)
        version = None if _was_none(name, interface, wanted, repo) else reading.latest(repo, wanted)
        if version is None:
            if name not in interface.optional:
                raise reading.nothing(repo, wanted, f"{interface.name}({name}=…): ")
            arguments[name] = None
            continue
        references[query.facts.address] = Reference(version.partitions, version.time)
        arguments[name] = _taken(name, version, reading.asked(repo, wanted), setting)


def resolve_without_repository(interface: Interface, arguments: MutableMapping[str, Any]) -> None:
    """Where there is no repository a query finds nothing: None where that is allowed, else NoRepository."""
    for name, query in _queries(interface, arguments).items():
        if name not in interface.optional:
            raise NoRepository(
                f"{interface.name}(): {name} = {query!r} needs a repository", hint="cas init, or give the value"
            )
        arguments[name] = None


def _was_none(name: str, interface: Interface, wanted: Wanted, repo: Repository) -> bool:
    """Whether a lock is replayed in which an optional query found nothing."""
    lock = LOCK.get()
    return lock is not None and name in interface.optional and not lock.has(repo, reading.asked(repo, wanted))


def _queries(interface: Interface, arguments: Mapping[str, Any]) -> dict[str, ArtifactQuery]:
    """The arguments that are queries, in the order in which they can be resolved."""
    given = {name: query for name, value in arguments.items() if (query := as_query(value)) is not None}
    if given.keys() == interface.queries.keys() and all(given[name] == interface.queries[name] for name in given):
        return interface.queries
    return interface.ordered(given)


def _record_values(
    values: Mapping[str, Any], interface: Interface, setting: Setting, stored: Stored
) -> dict[str, ArtifactVersion]:
    """Record plain arguments as literals, or as the version with that value which this run made or resolved, or a span
    around it.
    """
    found: dict[str, ArtifactVersion] = {}
    repo, span, run = setting
    around = repo.spans_around()[1:]  # not the one that is being entered
    with repo.lock:
        writer = repo.session.writer()
        for name, value in values.items():
            if name in stored:
                literal, ident = stored[name]
            else:
                encoded = _stored(value, writer, name)
                if encoded is None:
                    continue
                literal, ident = encoded, encoded.id
            version = run.find(value, ident, interface.artifacts.get(name), around)
            if version is None:
                span.read_literal(literal, name)
            else:
                span.read(version, name=name)
                found[name] = version
    return found


def _stored(value: object, writer: Any, name: str) -> Literal | None:
    """The literal of an argument; None for what cannot be stored (a connection, a path that is not there yet)."""
    try:
        return registry.encode(value, writer, name=name)
    except StorageFull:
        raise
    except CasError:
        return None


def _references(interface: Interface, versions: Mapping[str, ArtifactVersion]) -> dict[Address, Reference]:
    """The partitions of the artifacts that parameters hold, where the values given are known versions of them."""
    return {
        facts.address: Reference(versions[name].partitions, versions[name].time)
        for name, facts in interface.holds.items()
        if name in versions and versions[name].name == facts.name
    }


def _taken(name: str, version: ArtifactVersion, asked: str, setting: Setting) -> Any:
    setting.span.read(version, asked, name)
    setting.run.add(version)
    return reading.value_of(setting.repo, version)
