"""One large file that does not compress: in, again, a second version, and out; cp with fsync and b3sum beside it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import (
    Figure,
    Settings,
    against,
    bytes_below,
    cas_command,
    command,
    compare,
    copy_synced,
    fresh,
    in_turn,
    memory_of,
    portion,
    size,
    timed,
)

MIB = 1 << 20


def run(settings: Settings) -> Iterator[Figure]:
    room, cas = settings.room, cas_command()
    source, copy, home = room / "big.bin", room / "copy.bin", room / "cas"
    total = settings.scaled(2048, 128) * MIB
    write_random(source, total)
    name, checksum = checksum_of(source)
    cold = min(command(cas, "--version") for _ in range(5))

    def copy_afresh() -> float:
        copy.unlink(missing_ok=True)
        os.sync()
        return timed(lambda: copy_synced(source, copy))

    def ingest() -> float:
        command(cas, "init", fresh(home))
        return command(cas, "-C", home, "put", source, "big")

    def copy_and_checksum() -> float:
        copies.append(copy_afresh())
        return copies[-1] + checksum()

    def restore() -> float:
        copy.unlink(missing_ok=True)
        os.sync()
        return command(cas, "-C", home, "get", "big", copy)

    what = f"{size(total)} incompressible"
    copies: list[float] = []
    pairs = in_turn(copy_and_checksum, ingest, settings.rounds)
    yield compare(f"ingest {what}", f"cp + fsync, {name}", pairs, 2)
    pairs = [(alone, ours) for alone, (_, ours) in zip(copies, pairs, strict=True)]
    yield compare("the same, against the copy alone", "cp + fsync", pairs, None)
    command(cas, "init", fresh(home))
    memory = memory_of(cas, "-C", home, "put", source, "big") - memory_of(sys.executable, "-c", "pass")
    yield against("memory of it over the interpreter's own", memory, 300 * MIB, size)
    again = in_turn(checksum, lambda: command(cas, "-C", home, "put", source, "big") - cold, settings.rounds)
    yield compare("ingest it again, less the cold start", name, again, 1.25)
    yield compare("read it back, verified", "cp + fsync", in_turn(copy_afresh, restore, settings.rounds), 2)
    before = bytes_below(home / ".cas/objects")
    replace_stretch(source, total // 3, total // 100)
    command(cas, "-C", home, "put", source, "big")
    grown = bytes_below(home / ".cas/objects") - before
    yield portion("stored for a second version, 1 % replaced", grown, total, 0.012, "the file")
    for path in (source, copy):
        path.unlink()


def checksum_of(source: Path) -> tuple[str, Callable[[], float]]:
    """b3sum where it is installed; else the same code (the blake3 crate, mapped, all threads) from Python."""
    if shutil.which("b3sum"):
        return "b3sum", lambda: command("b3sum", source)
    from blake3 import blake3

    return "blake3 (AUTO threads)", lambda: timed(lambda: blake3(max_threads=blake3.AUTO).update_mmap(source).digest())


def write_random(path: Path, total: int) -> None:
    with path.open("wb") as file:
        for _ in range(total // MIB):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())


def replace_stretch(path: Path, offset: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(length))
