"""``cas ls``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.names import name_lines
from cas.cli.render.versions import version_rows
from cas.cli.terminal import Terminal
from cas.refs.grammar import format as format_revision
from cas.refs.grammar import parse
from cas.refs.partitions import EMPTY

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["command", "is_pattern"]


def is_pattern(text: str) -> bool:
    """Whether the text is a pattern of names rather than a name."""
    return any(character in text for character in "*?[")


@click.command(
    "ls",
    cls=Command,
    examples="""
cas ls                       # names
cas ls 'flights*'            # names that match
cas ls flights               # the partitions of one name
cas ls flights@origin=EWR    # those that match
cas ls 'flights@time=2013-*' # with wildcards, too
""",
)
@click.argument("pattern", required=False)
@json_option
@pass_terminal
def command(terminal: Terminal, pattern: str | None, as_json: bool) -> None:
    """List names, or the partitions of one name.

    Of a name: its partition keys, how many partitions and versions it has, and when it last changed. Of a partition:
    its latest version.
    """
    repository = terminal.repository()
    if pattern is None or (is_pattern(pattern) and "@" not in pattern):
        names = repository.names(pattern or "*")
        if as_json:
            terminal.print_array(name.to_dict() for name in names)
        else:
            terminal.print_lines(name_lines(names, terminal.when, terminal.style))
            if not names:
                nothing = "nothing stored yet; cas put SOURCE REF stores something"
                terminal.note(f"no name matches {pattern}" if pattern else nothing)
        return
    versions = repository.find(pattern) if is_pattern(pattern) else _partitions(repository, pattern)
    found = sorted(versions, key=lambda version: version.ref)
    if as_json:
        terminal.print_array(version.to_dict() for version in found)
    else:
        terminal.print_lines(version_rows(found, terminal.when))


def _partitions(repository: Repository, ref: str) -> list[ArtifactVersion]:
    revision = parse(ref)
    if revision.name is None or revision.remote or revision.selector or revision.mods or revision.path:
        return [repository.resolve(ref)]
    asked = revision.partition
    name = revision._replace(partition=EMPTY)
    found = repository.find(format_revision(name), partitions=asked.as_dict(), time=asked.time)
    return found or [repository.resolve(ref)]  # which says what is wrong, with near misses
