"""``cas span list``, ``log``, ``show`` and ``tree``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cas.cli.command import (
    Command,
    Group,
    json_option,
    limit_option,
    metadata_option,
    pass_terminal,
    read_metadata,
    whole_number,
)
from cas.cli.render.spans import outline_items, outline_lines, run_lines, span_lines
from cas.cli.show import print_span
from cas.cli.terminal import Terminal

if TYPE_CHECKING:
    from cas.repository.info import SpanInfo
    from cas.repository.repository import Repository

__all__ = ["command", "find_spans", "moment"]

STATUSES = ("open", "ok", "failed", "abandoned")
F = TypeVar("F", bound=Callable[..., Any])


def find_spans(
    repository: Repository,
    *,
    label: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    pairs: tuple[str, ...] = (),
    fields: tuple[str, ...] = (),
    limit: int | None = None,
) -> list[SpanInfo]:
    """Spans, newest first, opened from ``since`` on and before ``until``. Raises UsageError for a malformed pair."""
    if not (since or until or pairs or fields):
        return list(repository.spans(label=label, status=status, limit=limit))
    from cas.models.filters import (
        Filter,
        SpanFilter,
        ValueFilter,
    )  # the rest of the list starts without the room of models

    where: Filter = SpanFilter(label=label, status=status, metadata=_wanted(pairs), fields=_wanted(fields))
    if since is not None:
        where &= SpanFilter(opened=ValueFilter(ge=since))
    if until is not None:
        where &= SpanFilter(opened=ValueFilter(lt=until))
    return [repository.span_info(span.node_id) for span in repository.spans(where, limit=limit)]


def _wanted(pairs: tuple[str, ...]) -> dict[str, Any] | None:
    """``key=value`` as it is searched for: a text that is a number finds the number too."""
    found = read_metadata(pairs)
    if not found:
        return None
    from cas.models.filters import ValueFilter

    return {key: ValueFilter(in_=_readings(value)) if isinstance(value, str) else value for key, value in found.items()}


def _readings(text: str) -> list[Any]:
    """What a text from the command line may stand for."""
    return [text, *(made for kind in (int, float) for made in _numbers(kind, text))]


def _numbers(kind: Callable[[str], float], text: str) -> list[float]:
    try:
        return [kind(text)]
    except ValueError:
        return []


def moment(text: str) -> datetime:
    """A time as in ``name@{…}``, as a type of click: 2026-05, 2026-05-01, 2026-05-01T13:45. Raises
    click.BadParameter."""
    from cas import clock
    from cas.errors import CasError
    from cas.refs import grammar

    try:
        revision = grammar.parse(f"x@{{{text}}}")
        at = revision.mods[0]
        if isinstance(at, grammar.At):
            return clock.to_datetime(at.time)
    except CasError:
        pass
    raise click.BadParameter(f"{text!r} is no date: write 2026-05-01 or 2026-05-01T13:45 (UTC)")


def _filters(command: F) -> F:
    """The options that choose among spans."""
    for option in (
        click.option("--field", "fields", multiple=True, metavar="KEY=VALUE", help="Of this value in a custom field."),
        metadata_option("With this metadata; KEY:=JSON for other than text and numbers."),
        click.option("--until", type=moment, metavar="DATE", help="Opened before this time."),
        click.option("--since", type=moment, metavar="DATE", help="Opened at this time or later."),
        click.option("--status", type=click.Choice(STATUSES), help="Only those of this status."),
    ):
        command = option(command)
    return command


@click.group(
    "span",
    cls=Group,
    examples="""
cas span list --status failed
cas span log train
cas span tree %8c01de
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
cas span list --status failed --since 2026-05-01
cas span list --label 'train*' -m team=vision -n 5 --json
cas span list --field learning_rate=0.1
""",
)
@click.option("--label", metavar="LABEL", help="Only those of this label; * and ? stand for anything.")
@_filters
@limit_option
@json_option
@pass_terminal
def list_command(terminal: Terminal, /, *, as_json: bool, **wanted: Any) -> None:
    """List spans, newest first.

    A line each: id, label, status, start, how long it took, and its error or metadata.
    """
    found = find_spans(terminal.repository(), **wanted)
    if as_json:
        terminal.print_array(span.to_dict() for span in found)
    else:
        terminal.print_lines(span_lines(found, terminal.when, terminal.style))


@command.command(
    "log",
    cls=Command,
    examples="""
cas span log train
cas span log train --status ok -n 10
cas span log 'eval*' --since 2026-05 --json
""",
)
@click.argument("label")
@_filters
@limit_option
@json_option
@pass_terminal
def log_command(terminal: Terminal, /, *, as_json: bool, **wanted: Any) -> None:
    """List the runs of one label, newest first, with what each was given.

    A line each: id, status, start, how long it took, its fields and metadata, and its error.
    """
    found = find_spans(terminal.repository(), **wanted)
    if as_json:
        terminal.print_array(span.to_dict() for span in found)
    else:
        terminal.print_lines(run_lines(found, terminal.when, terminal.style))


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


@command.command(
    "tree",
    cls=Command,
    examples="""
cas span tree %8c01de
cas span tree -n 3             # the last three runs that no other run began
cas span tree %8c01de --depth 1 --json
""",
)
@click.argument("span", metavar="[%ID]", required=False)
@click.option("--depth", type=whole_number, metavar="N", help="Go at most N levels down.")
@limit_option
@json_option
@pass_terminal
def tree_command(terminal: Terminal, *, span: str | None, depth: int | None, limit: int | None, as_json: bool) -> None:
    """Show spans inside spans: status, how long each took, and what it labelled and published.

    Without an ID the spans that were opened outside of others, newest first.
    """
    from cas.models.outline import outline

    repository = terminal.repository()
    roots = [span] if span is not None else [one.id for one in repository.spans() if one.parent is None][:limit]
    spans = (one for root in roots for one in outline(repository, root, depth=depth))
    if as_json:
        terminal.print_array(outline_items(spans))
    else:
        terminal.print_lines(outline_lines(spans, terminal.style))
