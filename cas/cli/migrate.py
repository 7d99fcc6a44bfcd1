"""``cas migrate``."""

from __future__ import annotations

import sys

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.render.text import clean, count
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "migrate",
    cls=Command,
    examples="""
cas migrate mypackage.models:Report         # shows what would be rewritten
cas migrate mypackage.models:Report --yes
""",
)
@click.argument("model")
@click.option("-y", "--yes", is_flag=True, help="Do it; without it only the plan is printed.")
@json_option
@pass_terminal
def command(terminal: Terminal, model: str, yes: bool, as_json: bool) -> int:
    """Rewrite models of an older version as the class is now.

    MODEL is module:Class; the module is imported from where you are. Every ref whose latest version is an older Class
    gets a new version; the one before stays in its history.
    """
    from cas.models.migration import find_model, migrate_artifacts

    if "" not in sys.path:
        sys.path.insert(0, "")  # as for python -m: a module in the working directory is found
    done = migrate_artifacts(terminal.repository(writing=yes), find_model(model), dry_run=not yes)
    if as_json:
        terminal.print_array(one._asdict() for one in done)
        return 0 if yes or not done else 1
    word = "migrated" if yes else "would migrate"
    terminal.print_lines(f"{word}  {clean(one.ref)}  from version {one.stored}" for one in done)
    if not done:
        terminal.note(f"no ref holds an older {model} as its latest version")
    if not yes and done:
        terminal.note(f"{count(len(done), 'ref')} would get a new version; nothing was written. To do it: add --yes")
        return 1
    return 0
