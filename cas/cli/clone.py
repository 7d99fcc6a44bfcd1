"""``cas clone``."""

from __future__ import annotations

import click

from cas.cli.author import find_author
from cas.cli.command import Command, json_option, pass_terminal, whole_number
from cas.cli.exchanging import jobs_option, option_option, print_transfer, read_options
from cas.cli.progress import Progress
from cas.cli.terminal import Terminal
from cas.errors import UsageError

__all__ = ["command"]


@click.command(
    "clone",
    cls=Command,
    examples="""
cas clone s3://team-artifacts/store work
cas clone /mnt/share/store --filter 'ride_*' --since 2024-01
cas clone s3://lab/store -o endpoint_url=http://minio.lab:9000 --no-objects
""",
)
@click.argument("url")
@click.argument("directory", required=False)
@click.option("--filter", "patterns", multiple=True, metavar="PATTERN", help="Only names that match. Repeatable.")
@click.option("--since", metavar="TIME", help="Only versions from TIME on, such as 2024-01.")
@click.option("--depth", type=whole_number, metavar="N", help="Only the newest N versions of each ref.")
@click.option("--no-objects", is_flag=True, help="Only refs and records; objects come when they are first used.")
@option_option
@jobs_option
@json_option
@pass_terminal
def command(
    terminal: Terminal,
    *,
    url: str,
    directory: str | None,
    patterns: tuple[str, ...],
    since: str | None,
    depth: int | None,
    no_objects: bool,
    pairs: tuple[str, ...],
    jobs: int,
    as_json: bool,
) -> int:
    """Make a repository with what is at a URL.

    URL becomes its remote “origin”. DIRECTORY is by default named as the last part of URL. Later pulls keep what
    --filter, --since, --depth and --no-objects say. One that was stopped goes on where it was when it is run again.
    """
    from cas.repository.exchange import clone

    if terminal.then is not None:
        raise UsageError("a clone is of a repository as it is now", hint="limit it by --since, or leave --at out")
    try:
        with Progress(f"cloning {url}") as progress:
            repository, done = clone(
                url,
                directory,
                options=read_options(pairs),
                filter=patterns,
                since=since,
                depth=depth,
                objects=not no_objects,
                author=find_author(),
                jobs=jobs,
                progress=progress.show,
            )
    except KeyboardInterrupt:
        terminal.note("run it again to go on: what has arrived is not fetched again")
        raise
    terminal.closes(repository)
    return print_transfer(terminal, done, f"cloned into {repository.root.parent} from", as_json=as_json)
