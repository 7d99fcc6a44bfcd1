"""``cas lock``."""

from __future__ import annotations

from pathlib import Path

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.terminal import Terminal
from cas.errors import StorageError

__all__ = ["command"]


@click.command(
    "lock",
    cls=Command,
    examples="""
cas lock %8c01de > train.lock.json
cas lock %8c01de --toml -o train.lock
cas launch flows:train --lock train.lock
""",
)
@click.argument("span", metavar="%SPAN")
@click.option("--toml", "as_toml", is_flag=True, help="Print TOML.")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE; .toml is TOML.")
@json_option
@pass_terminal
def command(terminal: Terminal, *, span: str, as_toml: bool, output: str | None, as_json: bool) -> None:
    """Print what a run resolved: every ref and query with the artifact it found.

    That of the runs inside it counts, what they made themselves does not. “cas launch PLAN --lock FILE” runs a plan
    with exactly those. JSON, unless TOML is asked for.
    """
    import json

    from cas.repository.lockfile import write_toml

    found = terminal.repository().lock_of(span)
    toml = not as_json and (as_toml or (output or "").endswith(".toml"))
    text = write_toml(found) if toml else json.dumps(found, ensure_ascii=False, indent=2) + "\n"
    if output is None or output == "-":
        terminal.print(text.rstrip("\n"))
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {output}: {(error.strerror or str(error)).lower()}") from None
