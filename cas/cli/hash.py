"""``cas hash``."""

from __future__ import annotations

import os
import sys
from typing import IO

import click
from blake3 import blake3

from cas.cli.command import Command, json_option, pass_terminal
from cas.cli.progress import Progress
from cas.cli.terminal import Terminal
from cas.errors import NotFound, StorageError

__all__ = ["command", "hash_file", "hash_stream"]

BLOCK = 1 << 20
PARALLEL = 256 << 10  # from here on all cores pay off


def hash_file(path: str) -> tuple[str, int]:
    """The id and size of a file's bytes. Raises NotFound, StorageError."""
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            with Progress(f"hashing {path}", total=size) as progress:
                return hash_stream(stream, progress, parallel=size >= PARALLEL)
    except FileNotFoundError:
        raise NotFound(f"no such file: {path}", hint="standard input is -: … | cas hash -") from None
    except IsADirectoryError:
        raise StorageError(f"{path} is a directory", hint=f"hash its files: cas hash {path}/*") from None
    except OSError as error:
        from cas.storage.durable import typed

        raise typed(f"read {path}", error) from None


def hash_stream(stream: IO[bytes], progress: Progress, *, parallel: bool = False) -> tuple[str, int]:
    """The id and size of all that a stream still holds."""
    hasher = blake3(max_threads=blake3.AUTO if parallel else 1)
    size = 0
    block = bytearray(8 * BLOCK if parallel else BLOCK)
    view = memoryview(block)
    while length := stream.readinto(view):  # type: ignore[attr-defined]  # every binary stream has it; IO does not say so
        hasher.update(view[:length])
        size += length
        progress.advance(length)
    return hasher.hexdigest(), size


@click.command(
    "hash",
    cls=Command,
    examples="""
cas hash flights.csv
cat flights.csv | cas hash -
cas hash *.csv > ids.txt
""",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@json_option
@pass_terminal
def command(terminal: Terminal, files: tuple[str, ...], as_json: bool) -> None:
    """Print the id that a file's bytes have.

    It is what b3sum prints: the BLAKE3 of the bytes, however cas cuts, packs or compresses them. FILE may be - for
    standard input. Several files give lines “id  name”. No repository is needed.
    """
    found = []
    for name in files:
        if name == "-":
            with Progress("hashing") as progress:
                found.append((name, *hash_stream(sys.stdin.buffer, progress)))
        else:
            found.append((name, *hash_file(name)))
    if as_json:
        terminal.print_array({"id": identity, "name": name, "size": size} for name, identity, size in found)
    elif len(found) == 1:
        terminal.print(found[0][1])
    else:
        terminal.print("\n".join(f"{identity}  {name}" for name, identity, _ in found))
