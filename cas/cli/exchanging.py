"""What fetch, pull, push and clone share: their options, and how they say what was moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cas.cli.command import whole_number
from cas.cli.render.text import clean
from cas.cli.render.transfers import conflict_lines, transfer_line
from cas.cli.terminal import Terminal
from cas.errors import RefConflict, UsageError

if TYPE_CHECKING:
    from cas.remotes.reports import Transfer
    from cas.repository.repository import Repository

__all__ = [
    "dry_option",
    "jobs_option",
    "note_emptiness",
    "option_option",
    "print_transfer",
    "read_options",
    "remote_and_patterns",
]

F = TypeVar("F", bound=Callable[..., Any])
JOBS = 8


def jobs_option(command: F) -> F:
    """``-j COUNT``."""
    return click.option(
        "-j", "jobs", type=_jobs, default=str(JOBS), metavar="COUNT", help=f"Requests at once (default: {JOBS})."
    )(command)


def dry_option(command: F) -> F:
    """``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help="Only say how much would be moved.")(command)


def option_option(command: F) -> F:
    """``-o KEY=VALUE``."""
    return click.option(
        "-o",
        "--option",
        "pairs",
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the store, such as endpoint_url. Repeatable.",
    )(command)


def read_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """The options of a store. Raises UsageError."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise UsageError(f"option {key!r} is not key=value", hint="as in: -o region=eu-central-1")
        found[key] = value
    return found


def remote_and_patterns(repository: Repository, words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The remote and the patterns among the words: the first names a remote unless it can only be a pattern."""
    if not words:
        return None, ()
    known = {found.name for found in repository.remotes.list()}
    if words[0] not in known and any(sign in words[0] for sign in "*?[@/"):
        return None, words
    return words[0], words[1:]


def print_transfer(terminal: Terminal, done: Transfer, what: str, *, as_json: bool, pushed: bool = False) -> int:
    """Say what was moved, and each stored conflict with both candidates; the exit code."""
    if as_json:
        terminal.print_json(done.to_dict())
    else:
        terminal.print(transfer_line(done, what))
        for line in conflict_lines(done.conflicts, pushed_to=done.remote if pushed else None):
            terminal.print(line)
        for ref in done.missing:
            terminal.print(f"missing  {ref}")
    return RefConflict.exit_code if done.conflicts else 0


def note_emptiness(terminal: Terminal, repository: Repository, done: Transfer) -> None:
    """Say that nothing was ever pushed to a remote: that is no error, and its URL may be mistyped."""
    if not repository.remotes.open(done.remote).copies():
        terminal.note(f"nothing was ever pushed to {clean(done.url)}: if that is wrong, look at the URL")


def _jobs(text: str) -> int:
    number = whole_number(text)
    if not 1 <= number <= 64:
        raise click.BadParameter(f"{text!r} is not a number from 1 to 64")
    return number
