"""``cas declare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.text import clean
from cas.cli.terminal import Terminal
from cas.errors import NotFound

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["command", "declaration_dict"]

GRANULARITIES = ("minute", "hour", "day", "month")


def declaration_dict(repository: Repository, name: str) -> dict[str, Any]:
    """What a name is declared to be. Raises NotFound."""
    found = repository.declaration(name)
    if found is None:
        raise NotFound(f"{name} is not declared", hint=f"cas declare {name} --key KEY")
    return {
        "name": name,
        "keys": list(found.keys),
        "granularity": found.granularity,
        "type": found.type,
        "description": found.description,
    }


@click.command(
    "declare",
    cls=Command,
    examples="""
cas declare flights_clean -k origin --time month
cas declare model --description "Delay by hour and carrier"
cas declare flights_clean --show
""",
)
@click.argument("name")
@click.option("-k", "--key", "--add-key", "keys", multiple=True, metavar="KEY", help="A partition key. Repeatable.")
@click.option("--time", "granularity", type=click.Choice(GRANULARITIES), help="Time-partitioned, by this.")
@click.option("--type", "type_", metavar="TYPE", help="What type its versions are of.")
@click.option("--description", metavar="TEXT", help="What it is, in a line.")
@click.option("--show", is_flag=True, help="Print the declaration instead.")
@json_option
@pass_terminal
def command(
    terminal: Terminal,
    *,
    name: str,
    keys: tuple[str, ...],
    granularity: str | None,
    type_: str | None,
    description: str | None,
    show: bool,
    as_json: bool,
) -> None:
    """Say what a name is: its partition keys, type and description.

    A put with other keys, or another length of time, is refused from then on; the type is told, not checked. Declaring
    again may add keys, not take them away.
    """
    repository = terminal.repository(writing=not show)
    if not show:
        repository.declare(name, keys=keys, granularity=granularity, type=type_, description=description)
    found = declaration_dict(repository, name)
    if as_json:
        terminal.print_json(found)
    else:
        for line in declaration_lines(found):
            terminal.print(line)


def declaration_lines(found: dict[str, Any]) -> list[str]:
    """The name with its keys, then type and description where there are any."""
    keys = [*found["keys"], *([f"time:{found['granularity']}"] if found["granularity"] else [])]
    head = clean(found["name"]) + (clean(f"@{','.join(keys)}") if keys else "")
    return [head, *(f"  {field}: {clean(str(found[field]))}" for field in ("type", "description") if found[field])]
