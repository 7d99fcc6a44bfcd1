"""The commands. Each one's module is loaded when it is used, so that ``cas resolve`` does not wait for ``cas put``.

The short descriptions stand here so that ``cas --help`` loads no command either; a test holds them
equal to the first line of each command's own help. Method: https://click.palletsprojects.com/complex/
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, NamedTuple

import click

from cas import __version__
from cas.cli.terminal import Terminal, change_directory, colour_wanted

__all__ = ["SECTIONS", "TABLE", "root"]


class Row(NamedTuple):
    """A command: the section of the help it stands in, and its first line."""

    section: str
    short: str


WIDTH = 100
USAGE = 2
SECTIONS = ("Start", "Store and read", "Look", "Run", "Name", "Exchange", "Check", "Plumbing")
TABLE: dict[str, Row] = {
    "init": Row("Start", "Create a repository."),
    "demo": Row("Start", "Run the tour: a small pipeline on real flight records."),
    "help": Row("Start", "Show the help of a command."),
    "put": Row("Store and read", "Store a file, directory or value under a ref."),
    "get": Row("Store and read", "Write what a ref holds to a file or directory."),
    "cat": Row("Store and read", "Print what a ref holds."),
    "ls": Row("Look", "List names, or the partitions of one name."),
    "parts": Row("Look", "Show which partitions of a name there are."),
    "find": Row("Look", "Search by name, partition, type and metadata."),
    "log": Row("Look", "List versions, newest first."),
    "show": Row("Look", "Show all there is to know about a ref, an id or a span."),
    "lineage": Row("Look", "Show what an artifact was made from, or what was made from it."),
    "launch": Row("Run", "Run a plan, workflow or task."),
    "trigger": Row("Run", "List and run what new versions launch."),
    "lock": Row("Run", "Print what a run resolved: every ref and query with the artifact it found."),
    "span": Row("Look", "Look at runs: what each read, made and logged."),
    "alias": Row("Name", "Point an alias at a version."),
    "declare": Row("Name", "Say what a name is: its partition keys, type and description."),
    "rm": Row("Name", "Delete a version, an alias, a partition, a name, a run or a labelled artifact."),
    "migrate": Row("Name", "Rewrite models of an older version as the class is now."),
    "remote": Row("Exchange", "Name other repositories to exchange with."),
    "clone": Row("Exchange", "Make a repository with what is at a URL."),
    "fetch": Row("Exchange", "Copy what is new in a remote's history."),
    "pull": Row("Exchange", "Take in what a remote has and this repository lacks."),
    "push": Row("Exchange", "Send what a remote lacks."),
    "status": Row("Check", "Show where the repository is, what it holds and what is open."),
    "fsck": Row("Check", "Verify every object and ref."),
    "hash": Row("Plumbing", "Print the id that a file's bytes have."),
    "resolve": Row("Plumbing", "Print the artifact id that a ref stands for."),
    "ls-remote": Row("Plumbing", "Print what the refs of a remote stand at now."),
}


READ_ON = """\
A ref is NAME, NAME@key=value,…, NAME#version or NAME#alias: see “cas help refs”.
“cas help COMMAND” explains a command, with examples."""


class Table(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the help."""
        return list(TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now."""
        if cmd_name not in TABLE:
            return None
        command: click.Command = importlib.import_module(f"cas.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command is answered with the nearest ones."""
        if args and args[0] not in TABLE and not args[0].startswith("-"):
            raise _no_command(args[0], list(TABLE), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, without loading any."""
        width = max(map(len, TABLE))
        for section in SECTIONS:
            rows = [(name.ljust(width), row.short) for name, row in TABLE.items() if row.section == section]
            with formatter.section(section):
                formatter.write_dl(rows, col_spacing=4)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Where to read on, not rewrapped."""
        formatter.write(f"\n{READ_ON}\n")


@click.group(
    cls=Table,
    name="cas",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
)
@click.option("-C", "directories", multiple=True, metavar="DIR", help="Run as if started in DIR, or at a URL.")
@click.option("-o", "pairs", multiple=True, metavar="KEY=VALUE", help="With -C URL: an option of its store.")
@click.option("--at", "then", metavar="DATE", help="Read everything as it was then: a date, a time, or @{N}.")
@click.option("--no-color", is_flag=True, help="Print without colour (also: NO_COLOR=1).")
@click.option("--no-pager", is_flag=True, help="Print long lists without a pager.")
@click.option("--trust", is_flag=True, help="Open a repository that another user owns.")
@click.version_option(__version__, "--version", prog_name="cas", message="%(prog)s %(version)s")
@click.pass_context
def root(
    ctx: click.Context,
    *,
    directories: tuple[str, ...],
    pairs: tuple[str, ...],
    then: str | None,
    no_color: bool,
    no_pager: bool,
    trust: bool,
) -> int:
    """Git for artifacts: immutable values, names with versions, and what made what."""
    url = change_directory(directories)
    colour = not no_color and colour_wanted(sys.stdout)
    ctx.obj = Terminal(colour=colour, pager=not no_pager, trust=trust, then=then, url=url, pairs=pairs)
    ctx.call_on_close(ctx.obj.close)
    if ctx.invoked_subcommand is None:
        ctx.obj.print(ctx.get_help())
    return USAGE


def command_of(path: list[str], *, width: int | None = None) -> tuple[click.Context, click.Command]:
    """The command at ``path`` (``["span", "list"]``) with a context to render its help, ``width`` columns wide.

    Raises click.UsageError.
    """
    context = click.Context(root, info_name="cas", terminal_width=width, **root.context_settings)
    found: Any = root
    for name in path:
        known = found.list_commands(context) if isinstance(found, click.Group) else []
        if name not in known:
            raise _no_command(name, known, context)
        found = found.get_command(context, name)
        settings = found.context_settings
        context = click.Context(found, info_name=name, parent=context, terminal_width=width, **settings)
    return context, found


def _no_command(name: str, known: list[str], context: click.Context) -> click.UsageError:
    import difflib  # only a mistake needs it

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    return click.UsageError(f"no command {name!r}{meant}", ctx=context)
