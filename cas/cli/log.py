"""``cas log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cas.cli.command import Command, json_option, limit_option, pass_terminal
from cas.cli.render.versions import log_lines
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["AliasNames", "command"]


class AliasNames:
    """The aliases at each version, asked of the repository once per partition."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: dict[str, dict[str, str]] = {}

    def __call__(self, version: ArtifactVersion) -> list[str]:
        """The names of the aliases that point at this version."""
        if not version.version:
            return []
        partition = version.ref.rpartition("#")[0]
        if partition not in self._known:
            self._known[partition] = self._repository.aliases(version)
        return sorted(alias for alias, target in self._known[partition].items() if target == version.version)


@click.command(
    "log",
    cls=Command,
    examples="""
cas log
cas log flights@origin=EWR
cas log -n 5 --json model
""",
)
@click.argument("ref", required=False)
@limit_option
@json_option
@pass_terminal
def command(terminal: Terminal, ref: str | None, limit: int | None, as_json: bool) -> None:
    """List versions, newest first.

    Of REF, or of every name: id, ref (and the aliases that point there), type, size, time, the run that made it and
    its metadata.
    """
    repository = terminal.repository()
    found = repository.log(ref, limit=limit)
    if as_json:
        terminal.print_array(version.to_dict() for version in found)
    else:
        terminal.print_lines(log_lines(found, AliasNames(repository), terminal.when, terminal.style))
