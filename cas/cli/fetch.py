"""``cas fetch``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.exchanging import jobs_option, note_emptiness, print_transfer
from cas.cli.progress import Progress
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "fetch",
    cls=Command,
    examples="""
cas fetch                                  # what is new at origin
cas log origin:flights                     # look at it, offline
cas fetch --objects 'origin:flights@origin=EWR'
""",
)
@click.argument("remote", required=False)
@click.option("--objects", multiple=True, metavar="REF", help="Also bring all that REF holds. Repeatable.")
@jobs_option
@json_option
@pass_terminal
def command(terminal: Terminal, remote: str | None, objects: tuple[str, ...], jobs: int, as_json: bool) -> int:
    """Copy what is new in a remote's history.

    Names here stay as they are: REMOTE:NAME is what the remote has. REMOTE is origin unless it is given.
    """
    repository = terminal.repository_here()
    with Progress("fetching") as progress:
        done = repository.fetch(remote, objects=objects, jobs=jobs, progress=progress.show)
    note_emptiness(terminal, repository, done)
    return print_transfer(terminal, done, "fetched from", as_json=as_json)
