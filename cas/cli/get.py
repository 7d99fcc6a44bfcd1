"""``cas get``."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.content import Content, open_content
from cas.cli.progress import Progress
from cas.cli.render.text import clean, size
from cas.cli.terminal import Terminal
from cas.errors import StorageError, UsageError
from cas.objects.moved import telling

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["command", "destination", "fetch"]

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def destination(name: str, wanted: str | None) -> Path:
    """Where to write: ``wanted``, or ``name`` inside it where that is a directory; else ``name``, here."""
    if wanted is None:
        return Path(name)
    path = Path(wanted)
    if wanted.endswith("/") and not path.is_dir():
        raise UsageError(f"{wanted} is not a directory", hint=f"mkdir -p {wanted}")
    return path / name if path.is_dir() else path


def fetch(repository: Repository, ref: str, wanted: str | None, *, force: bool) -> tuple[Content, Path]:
    """Write what a ref holds; it appears at its path whole or not at all.

    Raises UsageError when something is there and ``force`` is not given, StorageError when it cannot be written.
    """
    content = open_content(repository, ref)
    path = destination(content.name, wanted)
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} exists already", hint="give another DEST, or --force to replace it")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a directory", hint=f"mkdir -p {path.parent}")
    try:
        with _swept(), tempfile.TemporaryDirectory(prefix=".cas-get-", dir=path.parent) as room:
            fresh = Path(room) / "content"
            content.export(fresh)
            _swap(fresh, path, Path(room) / "former")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
    return content, path


@click.command(
    "get",
    cls=Command,
    examples="""
cas get flights                       # to ./flights
cas get flights flights.csv
cas get reports@month=2013-01 out/    # a directory
cas get reports//jan/plot.svg         # one file of a directory
cas get flights - | head
""",
)
@click.argument("ref")
@click.argument("dest", required=False)
@click.option("-f", "--force", is_flag=True, help="Replace what is there.")
@json_option
@pass_terminal
def command(terminal: Terminal, ref: str, dest: str | None, force: bool, as_json: bool) -> None:
    """Write what a ref holds to a file or directory.

    DEST is a path, a directory to write into, or - for standard output; by default the name, here. Values are written
    as “cas cat” prints them.
    """
    repository = terminal.repository()
    if dest == "-":
        if as_json:
            raise UsageError("--json and DEST - both want standard output", hint="cas cat --json REF")
        open_content(repository, ref).write(terminal.binary())
        return
    with Progress(f"writing {ref}") as progress, telling(progress.advance):
        content, path = fetch(repository, ref, dest, force=force)
    if as_json:
        terminal.print_json({"path": str(path), "type": content.type, "size": content.size, "ref": content.ref})
    else:
        terminal.print(f"{clean(str(path))}  {content.type}  {size(content.size)}")


@contextmanager
def _swept() -> Iterator[None]:
    """Let signals that end the process raise meanwhile: what lies half written beside the user's files is removed."""
    former = {one: signal.signal(one, lambda number, _: sys.exit(128 + number)) for one in _ENDING}
    try:
        yield
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


def _swap(fresh: Path, path: Path, former: Path) -> None:
    """Put ``fresh`` where ``path`` is; what was there goes to ``former``, inside a directory about to be removed."""
    if path.is_dir() and not path.is_symlink():
        path.rename(former)
        try:
            fresh.rename(path)
        except OSError:
            former.rename(path)
            raise
        return
    if fresh.is_dir() and os.path.lexists(path):
        path.unlink()
    shutil.move(fresh, path) if fresh.is_dir() else fresh.replace(path)
