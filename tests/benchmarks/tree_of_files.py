"""20,000 files of 1 to 64 KiB, half of them text: one put of the directory against git add."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, Settings, bytes_below, cas_command, command, compare, fresh, in_turn, portion


def run(settings: Settings) -> Iterator[Figure]:
    count = settings.scaled(20_000, 1_000)
    source, ours = settings.room / "source", settings.room / "cas"
    total = write_files(source, count)
    cas = cas_command()

    def put() -> float:
        command(cas, "init", fresh(ours))
        return command(cas, "-C", ours, "put", source, "files")

    def add() -> float:
        shutil.rmtree(source / ".git", ignore_errors=True)
        subprocess.run(["git", "init", "-q", source], check=True)
        os.sync()
        taken = command("git", "add", ".", cwd=source)
        shutil.rmtree(source / ".git")
        return taken

    yield compare(f"{count:,} files of 1-64 KiB", "git add", in_turn(add, put, settings.rounds), 1 / 3)
    yield portion("objects/ of these", bytes_below(ours / ".cas/objects"), total, 1, "the files")
    pairs = in_turn(add, lambda: command(cas, "-C", ours, "put", source, "files"), 1)
    yield compare("the same again, unchanged", "git add (first)", pairs, None)


def write_files(folder: Path, count: int) -> int:
    """Half random bytes, half lines of numbers; 100 to a folder. Returns the bytes in all."""
    draw = random.Random(3)
    total = 0
    for index in range(count):
        path = folder / f"{index // 100:03d}" / f"{index:06d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        length = draw.randrange(1 << 10, 64 << 10)
        content = draw.randbytes(length) if index % 2 else lines(draw, length)
        path.write_bytes(content)
        total += length
    return total


def lines(draw: random.Random, length: int) -> bytes:
    row = ",".join(str(draw.randrange(1000)) for _ in range(length // 4 + 64))
    return row.encode()[:length]
