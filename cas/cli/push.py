"""``cas push``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.exchanging import dry_option, jobs_option, print_transfer, remote_and_patterns
from cas.cli.progress import Progress
from cas.cli.render.transfers import outside_lines
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "push",
    cls=Command,
    examples="""
cas push
cas push origin 'ride_*'
cas push origin model --lineage            # also what it was made from
cas push --with-storage                    # also what models keep in other storages
cas push --dry-run
""",
)
@click.argument("words", metavar="[REMOTE] [PATTERN]...", nargs=-1)
@click.option("--lineage", is_flag=True, help="Also send what the runs read that made it.")
@click.option("--with-storage", is_flag=True, help="Also send copies of what models keep in other storages.")
@dry_option
@jobs_option
@json_option
@pass_terminal
def command(
    terminal: Terminal,
    *,
    words: tuple[str, ...],
    lineage: bool,
    with_storage: bool,
    dry_run: bool,
    jobs: int,
    as_json: bool,
) -> int:
    """Send what a remote lacks.

    Only what is not there already moves, large tables and files in pieces. An interrupted push goes on where it was.
    Where both sides moved an alias, or used a version name for two contents, both stand; the exit code is then 13.
    What models keep in storages outside the repository stays there, and is named on stderr, unless --with-storage.
    """
    repository = terminal.repository_here()
    remote, patterns = remote_and_patterns(repository, words)
    with Progress("pushing") as progress:
        done = repository.push(
            remote,
            patterns,
            lineage=lineage,
            jobs=jobs,
            progress=progress.show,
            dry_run=dry_run,
            with_storage=with_storage,
        )
    for line in outside_lines(done.outside):
        terminal.note(line)
    return print_transfer(terminal, done, "pushed to", as_json=as_json, pushed=True)
