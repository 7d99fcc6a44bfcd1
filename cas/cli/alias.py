"""``cas alias``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.text import clean, short
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["command", "move"]


def move(
    repository: Repository, ref: str, alias: str, *, expect: str | None, new: bool, replace: bool
) -> ArtifactVersion:
    """Point the alias at the version that ``ref`` resolves to.

    ``expect`` is the version it must point at now, ``new`` that it must not exist. Raises AliasConflict.
    """
    if new:
        return repository.alias(ref, alias, expect=None, replace=replace)
    if expect is not None:
        return repository.alias(ref, alias, expect=expect, replace=replace)
    return repository.alias(ref, alias, replace=replace)


@click.command(
    "alias",
    cls=Command,
    examples="""
cas alias model prod                       # model#prod is now the latest version
cas alias model#1.4 prod
cas alias model prod --expect 1.3          # only if nobody moved it meanwhile
""",
)
@click.argument("ref")
@click.argument("alias")
@click.option("--expect", metavar="VERSION", help="Move it only if it points at VERSION now.")
@click.option("--new", is_flag=True, help="Only if there is no such alias yet.")
@click.option("--replace", is_flag=True, help="Settle a conflict: replace all that the alias points at.")
@json_option
@pass_terminal
def command(
    terminal: Terminal, *, ref: str, alias: str, expect: str | None, new: bool, replace: bool, as_json: bool
) -> None:
    """Point an alias at a version.

    NAME#ALIAS then stands for what REF is now. To delete an alias: cas rm NAME#ALIAS.
    """
    if new and expect is not None:
        raise click.UsageError("--new and --expect exclude each other")
    version = move(terminal.repository(writing=True), ref, alias, expect=expect, new=new, replace=replace)
    if as_json:
        terminal.print_json({"alias": alias, **version.to_dict()})
    else:
        partition = version.ref.rpartition("#")[0]
        terminal.print(f"{clean(partition)}#{clean(alias)}  →  {clean(version.ref)}  {short(version.id)}")
