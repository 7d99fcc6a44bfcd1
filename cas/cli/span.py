"""``cas span list`` and ``cas span show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cas.cli.command import Command, Group, json_option, limit_option, pass_terminal
from cas.cli.render.spans import span_lines
from cas.cli.show import print_span
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.repository.info import SpanInfo
    from cas.repository.repository import Repository

__all__ = ["command", "list_spans"]

STATUSES = ("open", "ok", "failed", "abandoned")


def list_spans(repository: Repository, label: str | None, status: str | None, limit: int | None) -> list[SpanInfo]:
    """Spans, newest first."""
    return list(repository.spans(label=label, status=status, limit=limit))


@click.group(
    "span",
    cls=Group,
    examples="""
cas span list
cas span show %8c01de
""",
)
def command() -> None:
    """Look at runs: what each read, made and logged."""


@command.command(
    "list",
    cls=Command,
    examples="""
cas span list
cas span list --status failed
cas span list --label train -n 5 --json
""",
)
@click.option("--label", metavar="LABEL", help="Only those of this label.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those of this status.")
@limit_option
@json_option
@pass_terminal
def list_command(terminal: Terminal, label: str | None, status: str | None, limit: int | None, as_json: bool) -> None:
    """List spans, newest first.

    A line each: id, label, status, start, how long it took, and its error or metadata.
    """
    found = list_spans(terminal.repository(), label, status, limit)
    if as_json:
        terminal.print_array(span.to_dict() for span in found)
    else:
        terminal.print_lines(span_lines(found, terminal.when, terminal.style))


@command.command(
    "show",
    cls=Command,
    examples="""
cas span show %8c01de
cas span show 8c01de --json
""",
)
@click.argument("span", metavar="%ID")
@json_option
@pass_terminal
def show_command(terminal: Terminal, span: str, as_json: bool) -> None:
    """Show a span: its times, metadata, code, error, and what it read and made."""
    repository = terminal.repository()
    print_span(terminal, repository, repository.span_info(span), as_json)
