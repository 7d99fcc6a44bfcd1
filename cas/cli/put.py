"""``cas put``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cas.cli.command import Command, json_option, metadata_option, pass_terminal, read_json, read_metadata
from cas.cli.progress import Progress
from cas.cli.render.versions import put_line
from cas.cli.terminal import Terminal
from cas.errors import CodecError, NotFound, UsageError
from cas.literals.spooled import Spooled
from cas.objects.moved import telling
from cas.storage.durable import storage_errors, typed

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["command", "read_source", "store"]

_PIECE = 1 << 20
FORMS = ("file", "json", "text", "bytes", "csv", "parquet")


def read_source(source: str, form: str | None, spool: Callable[[], Path]) -> Any:
    """The value that SOURCE holds, read as ``form``; by default the file or directory itself, of stdin the bytes.

    Standard input as a file or bytes is copied to the path that ``spool`` gives, so that it may be longer than memory.
    Raises NotFound, StorageError, UsageError (a directory read as a value), CodecError (not of that form).
    """
    if source == "-":
        if form not in (None, "file", "bytes"):
            return _parse(sys.stdin.buffer.read(), form, "standard input")
        piece = sys.stdin.buffer.read(_PIECE)
        if form != "file" and len(piece) < _PIECE:
            return piece
        path = spool()
        with storage_errors(f"write {path}"), path.open("wb") as stream:
            while piece:
                stream.write(piece)
                piece = sys.stdin.buffer.read(_PIECE)
        return path if form == "file" else Spooled(path)
    path = Path(source)
    if not path.exists():
        raise NotFound(f"no such file or directory: {source}", hint="a value is given so: cas put --value JSON REF")
    if not (path.is_file() or path.is_dir()):
        raise UsageError(f"{source} is neither a file nor a directory", hint=f"read it: cas put - REF < {source}")
    if form in (None, "file"):
        return path
    if path.is_dir():
        raise UsageError(
            f"{source} is a directory, it cannot be read as {form}", hint="leave --as away to store the directory"
        )
    if form == "bytes":
        return Spooled(path)
    try:
        return _parse(path.read_bytes(), form or "bytes", source)
    except OSError as error:
        raise typed(f"read {source}", error) from None


def store(
    repository: Repository,
    value: Any,
    ref: str,
    *,
    version: str | None,
    metadata: dict[str, Any],
    replace: bool = False,
) -> tuple[ArtifactVersion, bool]:
    """Put the value; also whether that changed anything under the ref."""
    made = repository.put(value, ref, version=version, metadata=metadata or None, replace=replace)
    return made, made.is_new


@click.command(
    "put",
    cls=Command,
    examples="""
cas put flights.csv flights                     # the file, as it is
cas put flights.csv flights --as csv            # as a table
cas put reports/ reports@month=2013-01          # a directory
cas put --value '{"rate": 0.1}' settings        # a value from the command line
curl -s https://example.org/feed | cas put - feed --as json -m source=example
""",
)
@click.argument("source", required=False, metavar="SOURCE")
@click.argument("ref", required=False, metavar="REF")
@click.option("--value", metavar="JSON", help="Store this value instead of a SOURCE.")
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    metavar="FORM",
    help="Read SOURCE as json, text, bytes, csv or parquet; default: file, as it is (of -, bytes).",
)
@click.option("--version", metavar="V", help="Name the version (default: 12 digits of its content's id).")
@click.option("--replace", is_flag=True, help="Settle a conflict: SOURCE is what the version means from now on.")
@metadata_option("Attach metadata; KEY:=JSON for other than text. Repeatable.")
@json_option
@pass_terminal
def command(
    terminal: Terminal,
    *,
    source: str | None,
    ref: str | None,
    value: str | None,
    form: str | None,
    version: str | None,
    replace: bool,
    pairs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Store a file, directory or value under a ref.

    SOURCE is a file, a directory (the repository itself is left out), or - for standard input. The content is stored
    once, however often it is put; a ref that already holds it gets no new version. A table read from csv or parquet is
    a pyarrow.Table in Python.
    """
    source, ref = _arguments(source, ref, value, form)
    metadata = read_metadata(pairs)
    repository = terminal.repository(writing=True)
    with Progress(f"storing {source or 'value'}") as progress, ExitStack() as stack:
        spool = partial(_spool, repository, stack)
        content = read_json(value, "--value") if value is not None else read_source(source, form, spool)
        stack.enter_context(telling(progress.advance))
        place = content.path if isinstance(content, Spooled) else content
        if isinstance(place, Path) and place.is_file():
            progress.total = place.stat().st_size
        made, changed = store(repository, content, ref, version=version, metadata=metadata, replace=replace)
    if as_json:
        terminal.print_json({**made.to_dict(), "unchanged": not changed})
    else:
        terminal.print(put_line(made, changed))


def _spool(repository: Repository, stack: ExitStack) -> Path:
    """A path in the repository for what has none, removed with ``stack``."""
    from tempfile import TemporaryDirectory

    passing = repository.root / "tmp"
    passing.mkdir(exist_ok=True)
    return Path(stack.enter_context(TemporaryDirectory(dir=passing))) / "stdin"


def _arguments(source: str | None, ref: str | None, value: str | None, form: str | None) -> tuple[str, str]:
    if value is None:
        if source is None or ref is None:
            raise UsageError("put wants a SOURCE and a REF", hint="cas put FILE REF, or cas put --value JSON REF")
        return source, ref
    if source is None or ref is not None:
        raise UsageError("put --value wants one REF and no SOURCE", hint="cas put --value JSON REF")
    if form is not None:
        raise UsageError("--as is for a SOURCE; --value is always JSON", hint="leave --as away")
    return "", source


def _parse(content: bytes, form: str, where: str) -> Any:
    if form == "bytes":
        return content
    if form == "text":
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"{where} is not UTF-8 text (byte {error.start})", hint="store it --as bytes") from None
    if form == "json":
        return read_json(content, where)
    return _parse_table(content, form, where)


def _parse_table(content: bytes, form: str, where: str) -> Any:
    import pyarrow as pa

    try:
        if form == "csv":
            from pyarrow import csv

            return csv.read_csv(pa.BufferReader(content))
        from pyarrow import parquet

        return parquet.ParquetFile(pa.BufferReader(content)).read()  # read_table refuses two columns of one name
    except pa.ArrowInvalid as error:
        raise CodecError(
            f"{where} is no {form} table: {error}", hint="leave --as away to store the file as is"
        ) from None
