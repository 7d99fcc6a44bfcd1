"""``cas init``."""

from __future__ import annotations

from pathlib import Path

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.terminal import Terminal
from cas.errors import UsageError
from cas.repository.opening import DIRECTORY, init

__all__ = ["command", "create"]


def create(directory: str) -> tuple[Path, bool]:
    """The repository in ``directory/.cas``, and whether it is new. Making ``directory`` itself is part of it."""
    there = (Path(directory) / DIRECTORY / "config.toml").exists()
    repository = init(directory)
    repository.close()
    return repository.root, not there


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
    if terminal.url is not None:
        raise UsageError(
            f"init makes a repository in a directory, not at {terminal.url}",
            hint=f"cas init, then: cas remote add origin {terminal.url}, and: cas push",
        )
    root, new = create(directory)
    if as_json:
        terminal.print_json({"root": str(root), "created": new})
    else:
        terminal.print(f"created {root}" if new else f"{root} is there already; nothing changed")
