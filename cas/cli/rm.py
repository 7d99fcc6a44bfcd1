"""``cas rm``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.text import clean, count
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "rm",
    cls=Command,
    examples="""
cas rm model#1.3               # shows what would go
cas rm model#1.3 --yes         # one version
cas rm model#prod --yes        # an alias
cas rm flights@origin=EWR --yes
""",
)
@click.argument("ref")
@click.option("-y", "--yes", is_flag=True, help="Do it; without it only the plan is printed.")
@json_option
@pass_terminal
def command(terminal: Terminal, ref: str, yes: bool, as_json: bool) -> int:
    """Delete a version, an alias, a partition or a name.

    Prints what goes, and does it with --yes. Only the names go: the objects stay until they are collected, and the
    history keeps a note.
    """
    repository = terminal.repository(writing=yes)
    plan = repository.delete(ref) if yes else repository.plan_delete(ref)
    gone = list(plan.what)
    if as_json:
        terminal.print_json({"deleted": yes, "what": gone})
        return 0 if yes else 1
    terminal.print("\n".join(f"{'deleted' if yes else 'would delete'}  {clean(item)}" for item in gone))
    if not yes:
        terminal.note(f"{count(len(gone), 'ref')} would go; nothing was deleted. To do it: add --yes")
        return 1
    return 0
