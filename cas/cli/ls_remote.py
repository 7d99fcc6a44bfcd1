"""``cas ls-remote``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.exchanging import option_option, read_options
from cas.cli.render.text import clean
from cas.cli.terminal import Terminal
from cas.errors import NoRepository

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["command"]


@click.command(
    "ls-remote",
    cls=Command,
    examples="""
cas ls-remote                              # origin
cas ls-remote s3://team-artifacts/store
""",
)
@click.argument("remote", metavar="[REMOTE|URL]", required=False)
@option_option
@json_option
@pass_terminal
def command(terminal: Terminal, remote: str | None, pairs: tuple[str, ...], as_json: bool) -> None:
    """Print what the refs of a remote stand at now.

    A line each: artifact id, tab, ref; the newest version of every partition, and every alias. Nothing is kept here.
    """
    from cas.repository.exchange import list_there

    options = {**terminal.options(), **read_options(pairs)}
    if terminal.url is not None and remote is None:
        found = list_there(None, terminal.url, options)
    else:
        found = list_there(_repository(terminal), remote, options)
    if as_json:
        terminal.print_array({"id": ident, "ref": ref} for ident, ref in found)
    else:
        terminal.print_lines(f"{ident}\t{clean(ref)}" for ident, ref in found)


def _repository(terminal: Terminal) -> Repository | None:
    try:
        return terminal.repository()
    except NoRepository:
        return None
