"""``cas find``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, limit_option, metadata_option, pass_terminal, read_metadata
from cas.cli.render.versions import version_rows
from cas.cli.terminal import Terminal
from cas.errors import UsageError

__all__ = ["command", "read_partitions"]


def read_partitions(texts: tuple[str, ...]) -> tuple[dict[str, str], str | None]:
    """``-p origin=EWR -p time=2013-01`` as keys and a time. Raises UsageError."""
    keys: dict[str, str] = {}
    for text in texts:
        for pair in text.split(","):
            key, sign, value = pair.partition("=")
            if not (key and sign and value):
                raise UsageError(f"partition {pair!r} is not key=value", hint="-p origin=EWR")
            keys[key] = value
    time = keys.pop("time", None)
    return keys, time


@click.command(
    "find",
    cls=Command,
    examples="""
cas find 'flights*' -p origin=EWR
cas find -m source=faa --type pandas.DataFrame
cas find -p time=2013-01 --json
""",
)
@click.argument("pattern", default="*")
@click.option("-p", "--partition", "partitions", multiple=True, metavar="KEY=VALUE", help="With this partition value.")
@click.option("--type", "type_", metavar="TYPE", help="Of this type; * and ? stand for anything.")
@metadata_option("With this metadata; KEY:=JSON for other than text.")
@limit_option
@json_option
@pass_terminal
def command(
    terminal: Terminal,
    *,
    pattern: str,
    partitions: tuple[str, ...],
    type_: str | None,
    pairs: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> None:
    """Search by name, partition, type and metadata.

    Only the latest version of each partition is looked at. PATTERN is NAME or NAME@KEY=VALUE; * and ? mean anything.
    """
    keys, time = read_partitions(partitions)
    metadata = read_metadata(pairs)
    found = terminal.repository().find(
        pattern, type=type_, metadata=metadata or None, partitions=keys or None, time=time, limit=limit
    )
    if as_json:
        terminal.print_array(version.to_dict() for version in found)
    else:
        terminal.print_lines(version_rows(found, terminal.when))
        if not found:
            terminal.note("nothing matches")
