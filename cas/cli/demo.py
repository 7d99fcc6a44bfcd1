"""``cas demo``."""

from __future__ import annotations

import click

from cas.cli.command import Command, pass_terminal
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "demo",
    cls=Command,
    examples="""
pip install 'cas-store[demo]'     # the flight records
cas demo
cas demo flights-demo             # in a directory of your choice
""",
)
@click.argument("directory", required=False)
@pass_terminal
def command(terminal: Terminal, directory: str | None) -> None:
    """Run the tour: a small pipeline on real flight records.

    It makes a repository in DIRECTORY (default: a new temporary directory), says each step, and leaves it there to
    look at. Takes less than a minute.
    """
    from cas.demo import run

    run(directory, echo=terminal.say)
