"""How the benchmarks measure: pairs run in turn, medians, and a figure with its limit and verdict."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter


@dataclass(frozen=True)
class Settings:
    """What the command line asks of every benchmark."""

    room: Path  # an empty directory to work in, on the file system under test
    quick: bool  # smaller inputs and fewer rounds: to see that it works, not to quote
    rounds: int

    def scaled(self, count: int, quick: int) -> int:
        """The size of an input."""
        return quick if self.quick else count


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``verdict`` is None where the figure has no limit."""

    what: str
    limit: str
    peer: str
    theirs: str
    ours: str
    ratio: str
    verdict: bool | None


# Installed programs start from bytecode; where it may not be written, every start would compile this one anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

Pair = tuple[float, float]  # the peer's seconds, ours


def in_turn(theirs: Callable[[], float], ours: Callable[[], float], rounds: int) -> list[Pair]:
    """Both sides one after the other, several times; each returns its own seconds.

    Who goes first alternates, so that neither always finds the other's dirty pages.
    """
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            mine = ours()
            pairs.append((theirs(), mine))
        else:
            other = theirs()
            pairs.append((other, ours()))
    return pairs


def compare(what: str, peer: str, pairs: Sequence[Pair], at_most: float | None) -> Figure:
    """Ours against a peer's: the median over the rounds of ours ÷ theirs, with its range."""
    ratios = sorted(ours / theirs for theirs, ours in pairs)
    ratio = median(ratios)
    return Figure(
        what,
        "" if at_most is None else f"≤ {at_most:.3g} x",
        peer,
        seconds(median(theirs for theirs, _ in pairs)),
        seconds(median(ours for _, ours in pairs)),
        f"{ratio:.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})",
        None if at_most is None else ratio <= at_most,
    )


def against(what: str, value: float, limit: float, show: Callable[[float], str], peer: str = "") -> Figure:
    """Ours against a fixed limit."""
    return Figure(what, f"≤ {show(limit)}", peer, "", show(value), f"{value / limit:.2f} of it", value <= limit)


def noted(what: str, value: str) -> Figure:
    """Ours, with no limit and no peer: said because the other figures would hide it."""
    return Figure(what, "", "", "", value, "", None)


def portion(what: str, part: float, whole: float, limit: float, of: str) -> Figure:
    """Bytes stored against bytes given."""
    return Figure(what, f"≤ {limit:.3g} x", of, size(whole), size(part), f"{part / whole:.3f}", part <= limit * whole)


def timed(action: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = perf_counter()
    action()
    return perf_counter() - began


def command(*words: str | Path, cwd: Path | None = None, stdin: bytes | None = None) -> float:
    """Seconds that a process takes, start and end included; its output is thrown away."""
    began = perf_counter()
    done = subprocess.run([str(word) for word in words], cwd=cwd, input=stdin, capture_output=True, check=False)
    taken = perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return taken


def memory_of(*words: str | Path) -> int:
    """The most memory that a process held (resident, bytes).

    A small process starts it: the system counts what the starter held until the program took its place.
    """
    starter = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    words = (sys.executable, "-S", "-c", starter, *words)
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)


def cas_command() -> Path:
    """The installed ``cas`` of this interpreter."""
    return Path(sys.executable).parent / "cas"


def copy_synced(source: Path, target: Path) -> None:
    """``cp`` and fsync: what it takes to have a second copy of a file that survives a power cut."""
    subprocess.run(["cp", "--reflink=never", source, target], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fresh(path: Path) -> Path:
    """An empty directory, with nothing left to write out from what came before."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    os.sync()
    return path


def bytes_below(path: Path) -> int:
    """Bytes in all files below a directory."""
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def seconds(value: float) -> str:
    """A duration with three digits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 0.9995:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def size(value: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
