"""``cas remote``: add, list, remove, set-url."""

from __future__ import annotations

import click

from cas.cli.command import Command, Group, json_option, pass_terminal
from cas.cli.exchanging import option_option, read_options
from cas.cli.render.text import clean, columns
from cas.cli.terminal import Terminal

__all__ = ["command"]


@click.group(
    "remote",
    cls=Group,
    examples="""
cas remote add origin s3://team-artifacts/store
cas remote list
""",
)
def command() -> None:
    """Name other repositories to exchange with."""


@command.command(
    "add",
    cls=Command,
    examples="""
cas remote add origin /mnt/share/store
cas remote add lab s3://artifacts/store -o endpoint_url=http://minio.lab:9000 -o region=us-east-1
""",
)
@click.argument("name")
@click.argument("url")
@option_option
@click.option("--no-probe", is_flag=True, help="Do not try whether several writers are safe there.")
@json_option
@pass_terminal
def add_command(
    terminal: Terminal, *, name: str, url: str, pairs: tuple[str, ...], no_probe: bool, as_json: bool
) -> None:
    """Remember a URL under a name.

    It is tried whether several writers are safe there. Credentials stay where the store's own library finds them.
    """
    remotes = terminal.repository_here().remotes
    remotes.add(name, url, read_options(pairs), probe=not no_probe)
    _print(terminal, name, "added", as_json=as_json)


@command.command("list", cls=Command, examples="cas remote list\ncas remote list --json")
@json_option
@pass_terminal
def list_command(terminal: Terminal, as_json: bool) -> None:
    """List the remotes: name, URL, options."""
    found = terminal.repository_here().remotes.list()
    if as_json:
        terminal.print_array(one.to_dict() for one in found)
        return
    rows = []
    for one in found:
        form = one.to_dict()
        more = {**form.pop("options"), **{key: value for key, value in form.items() if key not in ("name", "url")}}
        rows.append((one.name, one.url, " ".join(f"{key}={value}" for key, value in more.items())))
    terminal.print_lines(columns([[clean(cell) for cell in row] for row in rows]))


@command.command("remove", cls=Command, examples="cas remote remove lab")
@click.argument("name")
@json_option
@pass_terminal
def remove_command(terminal: Terminal, name: str, as_json: bool) -> None:
    """Forget a remote, and what is kept of its history here.

    Nothing changes at the remote, and nothing that was pulled goes away.
    """
    terminal.repository_here().remotes.remove(name)
    if as_json:
        terminal.print_json({"removed": name})
    else:
        terminal.print(f"removed {clean(name)}")


@command.command("set-url", cls=Command, examples="cas remote set-url origin s3://team-artifacts/moved")
@click.argument("name")
@click.argument("url")
@option_option
@click.option("--no-probe", is_flag=True, help="Do not try whether several writers are safe there.")
@json_option
@pass_terminal
def set_url_command(
    terminal: Terminal, *, name: str, url: str, pairs: tuple[str, ...], no_probe: bool, as_json: bool
) -> None:
    """Give a remote another URL.

    What was fetched stays known: the history there must continue it.
    """
    remotes = terminal.repository_here().remotes
    remotes.set_url(name, url, read_options(pairs) or None, probe=not no_probe)
    _print(terminal, name, "changed", as_json=as_json)


def _print(terminal: Terminal, name: str, what: str, *, as_json: bool) -> None:
    found = next(one for one in terminal.repository_here().remotes.list() if one.name == name)
    if as_json:
        terminal.print_json(found.to_dict())
    else:
        terminal.print(f"{what} {clean(found.name)}  {clean(found.url)}")
