"""Models and spans by the ten thousand; Artigraph 0.1.0 does the same in an environment of its own.

Each side runs in a process of its own, in turn, durably on the file system under test; one by one outside of spans on
tmpfs. Artigraph is installed with pip; where that cannot be, ours is measured alone and the reason given.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from measure import Figure, Settings, against, compare, fresh, noted, seconds, size

import cas

PINS = (
    "artigraph[pandas]==0.1.0", "sqlalchemy==2.0.58", "aiosqlite==0.22.1", "greenlet==3.5.6", "anyio==3.7.1",
    "pandas==2.3.3", "numpy==1.26.4", "pyarrow==12.0.1",
)  # fmt: skip
DEPTH = 1000
PEER = Path(__file__).with_name("artigraph_peer.py")


@dataclass
class Made(cas.ArtifactModel, version=1):
    number: int
    text: str = "a"


def run(settings: Settings) -> Iterator[Figure]:
    count = settings.scaled(10_000, 500)
    with tempfile.TemporaryDirectory(prefix="cas-benchmark-peer-") as home:
        python, reason = install(Path(home))
        if python is None:
            yield noted("Artigraph beside us", f"skipped: {reason}")
        rounds = [measured(settings, python, count, turn) for turn in range(settings.rounds)]
    yield from figures(count, rounds)
    yield from growth(settings)


def install(home: Path) -> tuple[Path | None, str]:
    """A Python with Artigraph; None, and why, where pip cannot."""
    made = subprocess.run([sys.executable, "-m", "venv", home], capture_output=True, text=True, check=False)
    pip = [home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *PINS]
    done = subprocess.run(pip, capture_output=True, text=True, check=False) if made.returncode == 0 else made
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or ["pip failed"])[-1][:200]
    return home / "bin" / "python", ""


def measured(settings: Settings, python: Path | None, count: int, turn: int) -> tuple[dict[str, float], ...]:
    """One round of both sides: (theirs, ours); theirs is empty where it is not installed."""
    depth = settings.scaled(DEPTH, 100)

    def side(interpreter: Path | str, *script: Path | str) -> dict[str, float]:
        with tempfile.TemporaryDirectory(prefix="cas-benchmark-", dir=tmpfs(settings)) as fast:
            where = fresh(settings.room / "side")
            return answer(interpreter, *script, where, fast, str(count), str(depth))

    def theirs() -> dict[str, float]:
        return side(python, PEER) if python is not None else {}

    if turn % 2:
        mine = side(sys.executable, __file__, "ours")
        return theirs(), mine
    other = theirs()
    return other, side(sys.executable, __file__, "ours")


def tmpfs(settings: Settings) -> Path:
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else settings.room


def answer(*words: Path | str) -> dict[str, Any]:
    """What a process prints as JSON."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[1]} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(count: int, rounds: list[tuple[dict[str, float], ...]]) -> Iterator[Figure]:
    theirs, ours = [one for one, _ in rounds], [one for _, one in rounds]
    for what, mine, peer, limit in (
        (f"{count:,} artifacts, one batch in a span", "batch", "batch", 1 / 50),
        (f"{count:,} artifacts one by one in a span", "one by one in a span", "one by one", 1 / 50),
        (f"{count:,} artifacts one by one outside of spans, tmpfs", "one by one", "one by one", 1 / 50),
        (f"read all {count:,}", "read", "read", None),
        (f"{count:,} spans, fan-out 10", "spans", "spans", 1 / 50),
        ("the same; the peer's nodes and links in one batch", "spans", "spans in one batch", None),
        (f"descendants of the root of {count:,}", "descendants", "descendants", 1 / 10),
        (f"ancestors of a leaf at depth {DEPTH:,}", "ancestors", "ancestors", None),
    ):
        name = "Artigraph 0.1.0"
        if theirs[0]:
            yield compare(what, name, [(peer_took[peer], took[mine]) for peer_took, took in rounds], limit)
        else:
            yield noted(what, seconds(median(took[mine] for took in ours)))
    yield noted("the first question after that (records are taken in)", seconds(median(one["first"] for one in ours)))
    yield against("ancestors, median", median(one["ancestors"] for one in ours), 0.020, seconds)


# --- our side, in a process of its own -------------------------------------------------------------


def ours(directory: str, fast: str, count: int, depth: int) -> dict[str, float]:
    took: dict[str, float] = {}
    cas.use(f"{fast}/one", create=True)
    Made(-1).create("before")
    took["one by one"] = timed(lambda: [Made(number).create(f"made-{number}") for number in range(count)])[0]
    cas.current().close()

    cas.use(f"{directory}/repo", create=True)
    made = {f"made-{number}": Made(number) for number in range(count)}
    with cas.span_context(label="many") as many:
        took["batch"] = -perf_counter()
        cas.create_span_artifacts("current", made)
    took["batch"] += perf_counter()  # durable once the span is closed
    took["read"], found = timed(lambda: cas.read_span_artifacts(many))
    assert found == made
    del found, made

    took["one by one in a span"] = -perf_counter()
    with cas.span_context(label="many"):
        for number in range(count):
            cas.create_span_artifact("current", label=f"made-{number}", data=Made(number))
    took["one by one in a span"] += perf_counter()

    took["spans"], root = timed(lambda: fan_out(count))
    took["first"] = timed(lambda: cas.read_child_spans(root))[0]
    took["descendants"] = median(timed(lambda: cas.read_descendant_spans(root))[0] for _ in range(3))
    assert len(cas.read_descendant_spans(root)) == count
    with ExitStack() as line:
        leaf = [line.enter_context(cas.span_context(label="deep")) for _ in range(depth + 1)][-1].node_id
    cas.read_parent_span(leaf)
    took["ancestors"] = median(timed(lambda: cas.read_ancestor_spans(leaf))[0] for _ in range(3))
    assert len(cas.read_ancestor_spans(leaf)) == depth
    return took


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    began = perf_counter()
    found = action()
    return perf_counter() - began, found


def fan_out(count: int) -> str:
    """Spans inside spans, ten in each, until there are so many below the root; the root's id."""
    left = count
    deepest = 0
    while sum(10**level for level in range(1, deepest + 1)) < count:
        deepest += 1

    def inside(depth: int) -> None:
        nonlocal left
        for _ in range(10):
            if not left:
                return
            left -= 1
            with cas.span_context(label="span"):
                if depth > 1:
                    inside(depth - 1)

    with cas.span_context(label="root") as root:
        inside(deepest)
    assert root.node_id is not None
    return root.node_id


# --- growth ------------------------------------------------------------------------------------------


def growth(settings: Settings) -> Iterator[Figure]:
    """Ten times the spans, and again: no step may take more than ten times as long, and a quarter more for the depth of
    B-trees, caches that no longer hold it all, and noise."""
    counts = [1_000, 10_000] if settings.quick else [10_000, 100_000, 1_000_000]
    found = []
    for count in counts:
        home = fresh(settings.room / "growth")
        found.append(answer(sys.executable, __file__, "growth", home, str(count)))
        text = f"make {seconds(found[-1]['make'])}, take in {seconds(found[-1]['first'])}, "
        text += f"descendants {seconds(found[-1]['descendants'])}, one span's children {seconds(found[-1]['children'])}"
        yield noted(f"{count:,} spans, fan-out 10", f"{text}; memory {size(found[-1]['memory'])}")
    for less, more, count in zip(found, found[1:], counts[1:], strict=False):
        for step in ("make", "first", "descendants"):
            yield against(
                f"{count:,} spans ÷ a tenth of them: {step}", more[step] / less[step], 12.5, "{:.1f} x".format
            )
        yield against(
            f"{count:,} spans ÷ a tenth of them: one span's children", more["children"] / less["children"], 2,
            "{:.1f} x".format,
        )  # fmt: skip


def grown(directory: str, count: int) -> dict[str, float]:
    cas.use(f"{directory}/repo", create=True)
    took: dict[str, float] = {}
    took["make"], root = timed(lambda: fan_out(count))
    took["first"] = timed(lambda: cas.read_child_spans(root))[0]
    took["children"] = median(timed(lambda: cas.read_child_spans(root))[0] for _ in range(20))
    took["descendants"] = median(timed(lambda: cas.read_descendant_spans(root))[0] for _ in range(7))
    took["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return took


if __name__ == "__main__":
    mode, *words = sys.argv[1:]
    if mode == "ours":
        print(json.dumps(ours(words[0], words[1], int(words[2]), int(words[3]))))
    else:
        print(json.dumps(grown(words[0], int(words[1]))))
