"""``cas init``."""

from __future__ import annotations

from pathlib import Path

import click

import cas
from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.terminal import Terminal

__all__ = ["command", "create"]


def create(directory: str) -> Path:
    """A new repository in ``directory/.cas``; its path. Making ``directory`` itself is part of it."""
    with cas.init(directory) as repository:
        return Path(repository.root)


@click.command(
    "init",
    cls=Command,
    examples="""
cas init
cas init experiments
""",
)
@click.argument("directory", default=".")
@json_option
@pass_terminal
def command(terminal: Terminal, directory: str, as_json: bool) -> None:
    """Create a repository.

    It is a directory .cas in DIRECTORY (default: here). There is no server and nothing else to set up.
    """
    root = create(directory)
    if as_json:
        terminal.print_json({"root": str(root)})
    else:
        terminal.print(f"created {root}")
