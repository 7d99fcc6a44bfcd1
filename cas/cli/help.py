"""``cas help``."""

from __future__ import annotations

import click

from cas.cli.command import Command, pass_terminal
from cas.cli.table import command_of
from cas.cli.terminal import Terminal

__all__ = ["TOPICS", "command", "help_text"]

REFS = """\
A ref says which version of what:

  flights                        the latest version of a name
  flights@origin=EWR             … of one partition; of several that match, the latest
  flights@origin=EWR,time=2013-02
  model#1.4                      the version of that name
  model#prod                     where the alias prod points
  model#3fa9c1                   the version whose id begins so
  model~2                        two versions before the latest
  model^1                        the first input of the run that made it
  model@{2013-02-01}             what it was at that time
  model@{1}                      what it was one publication ago
  reports//jan/plot.svg          a file inside a directory
  3fa9c1d2e4b5                   any object, by the first 6 to 64 digits of its id
  %8c01de                        a span (a run), by its id
  %8c01de//loss                  what the span logged under that label
  analytics/prod/flights         a name of another project and domain
  origin:flights                 what the remote origin had when it was last fetched

The parts come in this order: NAME @PARTITION #VERSION ~^@{} //PATH. In values, write , # ~ ^ / @ % as %2C %23 %7E
%5E %2F %40 %25. Quote refs that hold ~ ^ { or # in the shell."""

CODES = """\
  0    it worked
  1    it failed, or things differ
  2    the command line, ref or value cannot be used as given
  3    some of it was done
  10   there is no repository here
  11   another process holds a lock
  12   credentials are missing or refused
  13   a ref moved meanwhile, or holds two contents
  14   no such ref, object, span or file
  15   stored bytes are damaged
  130  interrupted
  141  whoever read the output went away

Errors go to stderr as “error: …” and “hint: …”; with --json as one JSON object with kind, message and exit_code."""

SETTINGS = """\
  CAS_AUTHOR      who writes: “Ann <ann@example.org>”; else author under [user] in the repository's config.toml
                  or in ~/.config/cas/config.toml, else git's user
  CAS_PAGER       the pager for long lists (else PAGER, else less)
  CAS_TRACEBACK   1 shows where an error came from
  NO_COLOR        print without colour
  XDG_CACHE_HOME  cas/ in it keeps what was read from repositories at URLs (else ~/.cache), 4 GiB of each"""

TOPICS = {"refs": REFS, "exit-codes": CODES, "environment": SETTINGS}


def help_text(path: list[str]) -> str:
    """The help of a command or topic. Raises click.UsageError."""
    if len(path) == 1 and path[0] in TOPICS:
        return TOPICS[path[0]]
    context, found = command_of(path)
    return found.get_help(context)


@click.command(
    "help",
    cls=Command,
    examples="""
cas help put
cas help span list
cas help refs            # how to write a ref
cas help exit-codes
cas help environment
""",
)
@click.argument("path", metavar="[COMMAND]...", nargs=-1)
@pass_terminal
def command(terminal: Terminal, path: tuple[str, ...]) -> None:
    """Show the help of a command.

    The topics refs, exit-codes and environment have a help too.
    """
    terminal.print(help_text(list(path)))
