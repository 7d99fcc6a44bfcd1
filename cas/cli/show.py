"""``cas show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.log import AliasNames
from cas.cli.render.spans import span_detail
from cas.cli.render.text import clean, size
from cas.cli.render.versions import aligned, detail_lines
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.repository.info import SpanInfo
    from cas.repository.repository import Repository

__all__ = ["command", "print_span", "span_dict"]


def span_dict(repository: Repository, span: SpanInfo) -> dict[str, Any]:
    """A span with what it read and made, for programs."""
    return {
        **span.to_dict(),
        "inputs": [item.to_dict() for item in repository.inputs(span.id)],
        "outputs": [version.to_dict() for version in repository.outputs(span.id)],
    }


def print_span(terminal: Terminal, repository: Repository, span: SpanInfo, as_json: bool) -> None:
    """A span with what it read and made."""
    if as_json:
        terminal.print_json(span_dict(repository, span))
        return
    for line in span_detail(span, repository.inputs(span.id), repository.outputs(span.id), terminal.style):
        terminal.print(line)


@click.command(
    "show",
    cls=Command,
    examples="""
cas show flights@origin=EWR      # a version
cas show 3fa9c1d2                # any object, by the start of its id
cas show %8c01de                 # a span
cas show --json model#prod
""",
)
@click.argument("what", metavar="REF|ID|%SPAN")
@json_option
@pass_terminal
def command(terminal: Terminal, what: str, as_json: bool) -> None:
    """Show all there is to know about a ref, an id or a span."""
    from cas.repository.info import SpanInfo
    from cas.repository.version import ArtifactVersion

    repository = terminal.repository()
    found = repository.show(what)
    if isinstance(found, SpanInfo):
        print_span(terminal, repository, found, as_json)
    elif as_json:
        terminal.print_json(found.to_dict())
    elif isinstance(found, ArtifactVersion):
        for line in detail_lines(found, AliasNames(repository)(found), terminal.style):
            terminal.print(line)
    else:
        for line in aligned(
            [(key, clean(_text(key, value))) for key, value in found.to_dict().items()], terminal.style
        ):
            terminal.print(line)


def _text(key: str, value: object) -> str:
    return size(value) if key == "size" and isinstance(value, int) else str(value)
