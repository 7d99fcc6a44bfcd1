"""``cas parts``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, json_option, limit_option, pass_terminal
from cas.cli.render.parts import calendar_lines, dimensions, grid_lines, part_rows
from cas.cli.terminal import Terminal
from cas.errors import RefNotFound, UsageError

if TYPE_CHECKING:
    from cas.flows.declaration import Artifact
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["command", "find_parts", "read_condition", "together"]

FORMS = ("auto", "list", "grid", "calendar")


def read_condition(text: str) -> tuple[str, Any]:
    """``origin=EWR,JFK`` as a list, ``time=2013-01..2013-03`` as a range. Raises UsageError."""
    key, sign, value = text.partition("=")
    if not (key and sign and value):
        raise UsageError(
            f"condition {text!r} is not key=value", hint="cas parts flights origin=EWR time=2013-01..2013-03"
        )
    if key == "time" and ".." in value:
        first, _, last = value.partition("..")
        return key, (first or None, last or None)
    values = value.split(",")
    return key, values if len(values) > 1 else value


def find_parts(repository: Repository, name: str, asked: dict[str, Any]) -> tuple[list[ArtifactVersion], list[str]]:
    """The latest version of each partition that matches, and the partition columns. Raises RefNotFound."""
    from cas.flows.declaration import matching_query
    from cas.flows.parts import key_columns, parts
    from cas.flows.query import settle

    artifact, stated = _declared(repository, name)
    asked = together([*stated.items(), *asked.items()])
    with repository:
        time = asked.get("time")
        if isinstance(time, str) and time != "*" and len(time) < _length(artifact):
            asked = {**asked, "time": (time, time)}  # a month of days: a range
        query = matching_query(artifact, asked)
        wanted = settle(query, {}, {})
        return parts(repository, wanted), key_columns(repository, artifact.facts, wanted)


def together(conditions: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Conditions by key. Raises UsageError for a key that comes twice."""
    asked: dict[str, Any] = {}
    for key, value in conditions:
        if key in asked:
            raise UsageError(f"{key!r} is given twice", hint=f"a list: {key}={asked[key]},{value}")
        asked[key] = value
    return asked


def _declared(repository: Repository, name: str) -> tuple[Artifact[Any], dict[str, str]]:
    """The declaration of a name, and what of a partition was said with it. Raises RefNotFound, UsageError."""
    from cas.flows.declaration import Artifact
    from cas.refs import grammar
    from cas.refs.partitions import Granularity

    info = repository.declaration(name)
    if info is None:
        repository.resolve(name)  # which says what is wrong, with near misses
        raise RefNotFound(f"no artifact {name!r}", hint="see the names: cas ls")
    said = grammar.parse(name)
    if said.selector is not None or said.mods or said.path is not None:
        raise UsageError(f"{name!r} is one version, and parts are of a name", hint=f"cas parts {said.name}")
    artifact = Artifact(
        name=said.name or name,
        project=said.project,
        domain=said.domain,
        partition_keys=list(info.keys),
        time_partitioned=info.granularity is not None,
        time_partition_granularity=Granularity(info.granularity) if info.granularity else None,
    )
    stated = dict(said.partition.keys)
    if said.partition.time is not None:
        stated["time"] = said.partition.time
    return artifact, stated


def _length(artifact: Artifact[Any]) -> int:
    from datetime import datetime

    granularity = artifact.facts.granularity
    return len(granularity.truncate(datetime(2000, 1, 1))) if granularity is not None else 0


@click.command(
    "parts",
    cls=Command,
    examples="""
cas parts flights_clean
cas parts flights_clean origin=EWR,JFK time=2013-01..2013-03
cas parts flights_clean 'origin=E*' --as list
cas parts flights_clean --json
""",
)
@click.argument("name")
@click.argument("conditions", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--as", "form", type=click.Choice(FORMS), default="auto", help="How to show them; auto looks at them.")
@limit_option
@json_option
@pass_terminal
def command(
    terminal: Terminal, *, name: str, conditions: tuple[str, ...], form: str, limit: int | None, as_json: bool
) -> None:
    """Show which partitions of a name there are.

    A VALUE may be a list (EWR,JFK), have * and ? in it, and for the time be a range (2013-01..2013-03). Where two keys
    vary they are shown as a grid of sizes, and the time alone as a calendar; else a line each.
    """
    found, keys = find_parts(terminal.repository(), name, together(map(read_condition, conditions)))
    found = found[:limit]
    if as_json:
        terminal.print_array(version.to_dict() for version in found)
        return
    vary = dimensions(found, keys)
    if form == "auto":
        form = "calendar" if vary == ["time"] else "grid" if len(vary) == 2 else "list"
    if form == "grid" and len(vary) != 2:
        raise UsageError(f"a grid is of two keys, and what varies here: {', '.join(vary) or 'none'}", hint="--as list")
    if form == "calendar" and "time" not in keys:
        raise UsageError(f"{name} is not partitioned by time", hint="--as list")
    if form == "calendar":
        terminal.print_lines(calendar_lines(found, terminal.style))
    elif form == "grid":
        terminal.print_lines(grid_lines(found, vary, terminal.style))
    else:
        terminal.print_lines(part_rows(found, keys, terminal.when, terminal.style))
    if not found:
        terminal.note("no partition matches")
