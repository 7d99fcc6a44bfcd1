"""``cas lineage``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal, whole_number
from cas.cli.render.lineage import lineage_items, lineage_lines
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.command(
    "lineage",
    cls=Command,
    examples="""
cas lineage model               # back to the raw data
cas lineage flights_raw --down  # everything that came of it
cas lineage model --depth 1
""",
)
@click.argument("ref")
@click.option("--down", is_flag=True, help="What was made from it, instead of what it was made from.")
@click.option("--depth", type=whole_number, metavar="N", help="Go at most N runs far.")
@json_option
@pass_terminal
def command(terminal: Terminal, ref: str, down: bool, depth: int | None, as_json: bool) -> None:
    """Show what an artifact was made from, or what was made from it."""
    root = terminal.repository().lineage(ref, down=down, depth=depth)
    if as_json:
        terminal.print_array(lineage_items(root))
    else:
        terminal.print_lines(lineage_lines(root, terminal.style))
