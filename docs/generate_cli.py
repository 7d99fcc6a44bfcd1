"""Writes docs/cli.md from the help of the commands.

python docs/generate_cli.py            writes it
python docs/generate_cli.py --check    fails if it is not current
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cas.cli.help import TOPICS
from cas.cli.table import SECTIONS, TABLE, command_of

PAGE = Path(__file__).resolve().parent / "cli.md"
TITLES = {"refs": "Refs", "exit-codes": "Exit codes", "environment": "Environment"}
INTRODUCTION = """\
# Commands

<!-- Written by docs/generate_cli.py from the help of the commands; do not edit. -->

`cas help COMMAND` and `cas COMMAND --help` show what stands here.

Results go to standard output, messages and progress to standard error. Every command that reads takes `--json`: a list
is a top-level array, one thing is an object, and errors are an object on standard error. Colour, the pager and relative
times appear on a terminal only. `-` is standard input or output. `hash` and `resolve` print ids alone, for scripts.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *parts()])


def parts() -> Iterator[str]:
    """The overview, the topics, and every command in the order of the overview."""
    yield block([])
    for topic, text in TOPICS.items():
        yield f"## {TITLES[topic]}\n\n```text\n{text}\n```\n"
    for section in SECTIONS:
        for name in (name for name, row in TABLE.items() if row.section == section):
            yield f"## cas {name}\n\n" + block([name])
            context, command = command_of([name], width=100)
            if isinstance(command, click.Group):
                for verb in command.list_commands(context):
                    yield f"### cas {name} {verb}\n\n" + block([name, verb])


def block(path: list[str]) -> str:
    """The help of one command as a block of text."""
    context, command = command_of(path, width=100)
    return f"```text\n{command.get_help(context).rstrip()}\n```\n"


def main() -> int:
    """Write or check the page."""
    fresh = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(fresh, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh:
        return 0
    print("docs/cli.md is not current; run: python docs/generate_cli.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
