"""``cas pull``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.exchanging import dry_option, jobs_option, note_emptiness, print_transfer, remote_and_patterns
from cas.cli.progress import Progress
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "pull",
    cls=Command,
    examples="""
cas pull
cas pull origin 'ride_*' model
cas pull --dry-run
""",
)
@click.argument("words", metavar="[REMOTE] [PATTERN]...", nargs=-1)
@dry_option
@jobs_option
@json_option
@pass_terminal
def command(terminal: Terminal, *, words: tuple[str, ...], dry_run: bool, jobs: int, as_json: bool) -> int:
    """Take in what a remote has and this repository lacks.

    Every byte is verified before anything of it is seen here. Where both sides moved an alias, or used a version name
    for two contents, both stand; the exit code is then 13.
    """
    repository = terminal.repository_here()
    remote, patterns = remote_and_patterns(repository, words)
    with Progress("pulling") as progress:
        done = repository.pull(remote, patterns, jobs=jobs, progress=progress.show, dry_run=dry_run)
    note_emptiness(terminal, repository, done)
    return print_transfer(terminal, done, "pulled from", as_json=as_json)
