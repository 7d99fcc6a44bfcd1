"""``cas fsck``."""

from __future__ import annotations

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.progress import Progress
from cas.cli.render.report import next_step, report_lines
from cas.cli.terminal import Terminal
from cas.errors import CorruptObject

__all__ = ["command"]


@click.command(
    "fsck",
    cls=Command,
    examples="""
cas fsck
cas fsck --json
cas fsck --repair       # what is lost can then be put, or brought, again
""",
)
@click.option("--repair", is_flag=True, help="Rename packs with damage to .damaged, after copying what is sound.")
@json_option
@pass_terminal
def command(terminal: Terminal, repair: bool, as_json: bool) -> int:
    """Verify every object and ref.

    Reads all bytes and checks each against its id. Of what is damaged it says where, and which refs need it; the exit
    code is then 15.
    """
    repository = terminal.repository(writing=repair)
    with Progress("verifying") as progress:
        report = repository.fsck(progress.show, repair=repair)
    if as_json:
        terminal.print_json(report.to_dict())
    else:
        for line in report_lines(report, terminal.style):
            terminal.print(line)
        if (step := next_step(report)) is not None:
            terminal.note(f"hint: {step}")
    return 0 if report.ok else CorruptObject.exit_code
