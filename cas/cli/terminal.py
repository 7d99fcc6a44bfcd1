"""Where we are and what the terminal can do: directory, colour, pager, author, clock."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from cas import clock
from cas.errors import UsageError

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["Terminal", "colour_wanted"]


class Terminal:
    """One invocation's surroundings, handed to every command. Closes what it opened."""

    def __init__(
        self,
        *,
        colour: bool = False,
        pager: bool = False,
        trust: bool = False,
        then: str | None = None,
        url: str | None = None,
        pairs: tuple[str, ...] = (),
    ) -> None:
        self.colour = colour
        self.pager = pager
        self.trust = trust
        self.then = then
        self.url = url
        self.pairs = pairs
        self._opened: list[Repository] = []

    def repository(self, *, writing: bool = False) -> Repository:
        """The repository at ``-C URL``, else at or above the working directory; as it was then where ``--at`` says so.

        One that will write also knows its author. Raises ReadOnly for that with ``--at``.
        """
        from cas.repository import places
        from cas.repository.opening import open_repository

        cache = None if self.url is None else cache_directory()
        repository = open_repository(self.url, trust=self.trust, options=self.options(), cache=cache)
        self._opened.append(repository)
        places.ask(lambda name: _place(repository, name))
        if writing:
            configured = repository.config.author
            repository.author = lambda: _author(configured)
        if self.then is not None:
            repository = repository.at(self.then)
            self._opened.append(repository)
            if writing:
                repository.refuse()
        return repository

    def options(self) -> dict[str, str]:
        """What ``-o`` says of the store at ``-C URL``. Raises UsageError without such a URL."""
        if not self.pairs:
            return {}
        from cas.cli.exchanging import read_options  # few commands ever ask

        if self.url is None:
            raise UsageError(
                "-o is an option of a store: there is none without a URL", hint="cas -C URL -o KEY=VALUE …"
            )
        return read_options(self.pairs)

    def repository_here(self) -> Repository:
        """A repository that exchanges with others: it has a directory of its own. Raises UsageError with ``-C URL``."""
        if self.url is not None:
            raise UsageError(
                f"what is opened at a URL has no remotes: {self.url}",
                hint=f"clone it, and exchange from there: cas clone {self.url}",
            )
        return self.repository(writing=True)

    def closes(self, repository: Repository) -> None:
        """Take charge of a repository that a command opened itself."""
        self._opened.append(repository)

    def close(self) -> None:
        """Seal and let go of what was opened."""
        while self._opened:
            self._opened.pop().close()

    def now(self) -> datetime:
        """The time, for relative ones."""
        return clock.to_datetime(clock.now())

    @property
    def interactive(self) -> bool:
        """Whether people read stdout directly."""
        return _is_terminal(sys.stdout)

    def style(self, piece: str, **how: Any) -> str:
        """The text in colour, where colour is wanted."""
        return click.style(piece, **how) if self.colour else piece

    def print(self, line: str = "") -> None:
        """One line (or several) to stdout."""
        sys.stdout.write(line + "\n")

    def say(self, line: str) -> None:
        """One line to stdout at once, for what is watched as it runs."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def print_lines(self, lines: Iterable[str]) -> None:
        """Lines to stdout, through the pager on a terminal."""
        if self.pager and self.interactive:
            os.environ.setdefault("LESS", "FRX")
            if "CAS_PAGER" in os.environ:
                os.environ["PAGER"] = os.environ["CAS_PAGER"]
            click.echo_via_pager((line + "\n" for line in lines), color=self.colour)
        else:
            sys.stdout.writelines(line + "\n" for line in lines)

    def print_json(self, found: object) -> None:
        """One JSON value to stdout; indented where people read it."""
        import json  # here and below: plumbing commands start without it

        json.dump(found, sys.stdout, ensure_ascii=False, indent=2 if self.interactive else None)
        sys.stdout.write("\n")

    def print_array(self, items: Iterable[object]) -> None:
        """A top-level JSON array, one item a line, written as the items come."""
        import json

        sys.stdout.write("[")
        separator = "\n"
        for item in items:
            sys.stdout.write(separator + json.dumps(item, ensure_ascii=False))
            separator = ",\n"
        sys.stdout.write("]\n" if separator == "\n" else "\n]\n")

    def when(self, moment: datetime | None) -> str:
        """A time as people read it on a terminal (``3 hours ago``), and as programs do elsewhere (ISO 8601, UTC)."""
        from cas.cli.render import text

        return text.ago(moment, self.now()) if self.interactive else text.iso(moment)

    def note(self, line: str) -> None:
        """One line to stderr: for people only. What was printed before comes before it, where both go to one place."""
        sys.stdout.flush()
        print(line, file=sys.stderr)

    def binary(self) -> IO[bytes]:
        """stdout for bytes, in order with what was printed; to be flushed."""
        sys.stdout.flush()
        stream = sys.stdout.buffer
        if isinstance(stream, io.RawIOBase):  # PYTHONUNBUFFERED: its write may take a part only, and not say so
            return open(stream.fileno(), "wb", closefd=False)
        return stream


def colour_wanted(stream: IO[str], arguments: Sequence[str] = ()) -> bool:
    """Colour only on a terminal, and not with NO_COLOR (https://no-color.org), ``--no-color`` or TERM=dumb."""
    if "--no-color" in arguments or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return _is_terminal(stream)


def cache_directory() -> str:
    """Where what is read from repositories at URLs is kept: ``$XDG_CACHE_HOME/cas``, by default under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "") or os.path.expanduser("~/.cache")  # noqa: PTH111 - without pathlib
    return f"{base}/cas"


def _author(configured: str) -> str:
    from cas.cli.author import find_author

    return find_author(configured)


def _place(repository: Repository, name: str) -> str | None:
    from cas.cli.storages import place  # few commands ever ask

    return place(repository, name)


def change_directory(paths: Sequence[str]) -> str | None:
    """``-C DIR``: each counts from the one before, as in git. The last may be a repository's URL: it is returned."""
    path = ""
    if paths and "://" in paths[-1]:
        change_directory(paths[:-1])
        return paths[-1]
    try:
        for path in paths:
            os.chdir(path)
    except OSError as error:
        raise click.UsageError(f"-C: cannot change to {path!r}: {error.strerror}") from None
    return None


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
