"""``cas resolve``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "resolve",
    cls=Command,
    examples="""
cas resolve model                       # the latest version
cas resolve model#prod                  # where an alias points
cas resolve 'flights@origin=EWR~1'      # the version before the latest
""",
)
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Take REF's partition as exact, not as “the latest that matches”.")
@json_option
@pass_terminal
def command(terminal: Terminal, refs: tuple[str, ...], strict: bool, as_json: bool) -> None:
    """Print the artifact id that a ref stands for.

    One id a line, for scripts; nothing is printed unless all refs resolve.
    """
    repository = terminal.repository()
    found = [repository.resolve(ref, strict=strict) for ref in refs]
    if not as_json:
        terminal.print("\n".join(version.id for version in found))
    elif len(found) == 1:
        terminal.print_json(found[0].to_dict())
    else:
        terminal.print_array(version.to_dict() for version in found)
