"""``cas lineage``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal, whole_number
from cas.cli.render.lineage import lineage_items, lineage_lines
from cas.cli.terminal import Terminal

__all__ = ["command"]

FORMATS = ("text", "mermaid", "dot", "json")


@click.command(
    "lineage",
    cls=Command,
    examples="""
cas lineage model               # back to the raw data
cas lineage flights_raw --down  # everything that came of it
cas lineage model --depth 1
cas lineage model --graph       # each artifact and run once, as git log --graph draws commits
cas lineage model --graph --format mermaid > lineage.mmd
cas lineage model --graph --format dot | dot -Tsvg > lineage.svg
""",
)
@click.argument("ref")
@click.option("--down", is_flag=True, help="What was made from it, instead of what it was made from.")
@click.option("--depth", type=whole_number, metavar="N", help="Go at most N runs far.")
@click.option("--graph", is_flag=True, help="Draw it as a graph, each artifact and run once.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="The graph for people (text) or other programs.")
@json_option
@pass_terminal
def command(
    terminal: Terminal, *, ref: str, down: bool, depth: int | None, graph: bool, form: str | None, as_json: bool
) -> None:
    """Show what an artifact was made from, or what was made from it."""
    root = terminal.repository().lineage(ref, down=down, depth=depth)
    if not graph and form is None:
        if as_json:
            terminal.print_array(lineage_items(root))
        else:
            terminal.print_lines(lineage_lines(root, terminal.style))
        return
    from cas.cli.render.graphs import graph_lines, graph_of  # drawn by the room of models, which takes its time to load

    if as_json or form == "json":
        terminal.print_json(graph_of(root, down=down).to_dict())
    elif form in (None, "text"):
        terminal.print_lines(graph_lines(root, terminal.style))
    else:
        drawn = graph_of(root, down=down)
        terminal.print((drawn.to_mermaid() if form == "mermaid" else drawn.to_dot()).rstrip())
