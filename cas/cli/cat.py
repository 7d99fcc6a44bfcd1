"""``cas cat``."""

from __future__ import annotations

import click

from cas.cli.command import Command, pass_terminal
from cas.cli.content import open_content
from cas.cli.terminal import Terminal

__all__ = ["command"]

FORMATS = ("csv", "json", "markdown", "parquet", "arrow")


@click.command(
    "cat",
    cls=Command,
    examples="""
cas cat settings                    # JSON values as JSON
cas cat flights | head              # tables as CSV
cas cat --format parquet flights > flights.parquet
cas cat reports//jan/summary.txt    # a file of a directory
cas cat 3fa9c1d2                    # any content, by the start of its id
""",
)
@click.argument("refs", metavar="REF|ID...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    metavar="FORM",
    help="Tables as csv (default), json, markdown, parquet or arrow.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@pass_terminal
def command(terminal: Terminal, refs: tuple[str, ...], form: str | None, as_json: bool) -> None:
    """Print what a ref holds.

    Files and bytes come out raw, text as it is, tables as CSV, other values as a line of JSON, directories as a list
    of their files.
    """
    repository = terminal.repository()
    for ref in refs:
        open_content(repository, ref).write(terminal.binary(), "json" if as_json else form)
