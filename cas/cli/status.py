"""``cas status``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.status import status_lines
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "status",
    cls=Command,
    examples="""
cas status
cas status --json
""",
)
@json_option
@pass_terminal
def command(terminal: Terminal, as_json: bool) -> None:
    """Show where the repository is, what it holds and what is open."""
    found = terminal.repository().status()
    if as_json:
        terminal.print_json(found.to_dict())
    else:
        for line in status_lines(found, terminal.when, terminal.style):
            terminal.print(line)
