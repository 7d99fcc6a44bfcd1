"""100,000 JSON records of about 200 B under names, in one transaction; git fast-import takes the same content."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from measure import Figure, Settings, bytes_below, command, compare, fresh, in_turn, portion, timed

import cas
from cas.demo import load_flights
from cas.objects.store import ObjectStore

FLIGHT = [
    "year",
    "month",
    "day",
    "dep_time",
    "dep_delay",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
]


def run(settings: Settings) -> Iterator[Figure]:
    count = settings.scaled(100_000, 5_000)
    ours, theirs = settings.room / "cas", settings.room / "git"
    for kind, ref, items in (
        ("flights (alike, compress well)", "flight@n={:06d}", flights(count)),
        ("metrics (mostly random digits)", "item-{:06d}", metrics(count)),
    ):
        texts = [json.dumps(item, separators=(",", ":")).encode() for item in items]
        refs = [ref.format(number) for number in range(count)]
        payload = sum(map(len, texts))
        what = f"{count:,} {kind} of {payload // count} B"
        folders = [f"{number // 2500:02d}/{number // 50 % 50:02d}/{number:06d}" for number in range(count)]
        # Git looks the names of a folder up one by one: a hundred thousand in one folder, as our refs are, take it
        # minutes, so once must do. Spread over folders, the same content is what it is best at.
        for peer, paths, rounds in (
            ("git fast-import, in folders of 50", folders, settings.rounds),
            ("git fast-import, the same names", refs, 1),
        ):
            stream = fast_import_stream(texts, paths)
            pairs = in_turn(
                lambda stream=stream: import_into_git(theirs, stream),
                lambda items=items, refs=refs: put_into_cas(ours, list(zip(items, refs, strict=True))),
                rounds,
            )
            yield compare(f"{what}, one batch", peer, pairs, 1 / 3)
        yield portion("objects/ of these", bytes_below(ours / ".cas/objects"), payload, 2, "payload")
        yield from read_back(settings, ours, theirs, refs)


def flights(count: int) -> list[dict[str, object]]:
    """The first flights of 2013, each a record of thirteen fields: what tables look like as JSON."""
    table = load_flights()[[*FLIGHT, "distance", "time_hour"]].head(count)
    return table.astype(object).where(table.notna(), None).to_dict("records")


def metrics(count: int) -> list[dict[str, object]]:
    """Metrics of runs: ids and floats, which neither compress nor resemble each other."""
    draw = random.Random(1)
    return [
        {
            "id": index,
            "run": f"{draw.getrandbits(64):016x}",
            "score": draw.random(),
            "loss": draw.gauss(0, 1),
            "label": draw.choice(["cat", "dog", "bird", "fish"]),
            "tags": ["train", f"fold-{draw.randrange(10)}"],
            "parent": f"{draw.getrandbits(256):064x}",
        }
        for index in range(count)
    ]


def put_into_cas(path: Path, items: list[tuple[object, str]]) -> float:
    repo = cas.init(fresh(path))
    taken = timed(lambda: repo.put_many(items))
    repo.close()
    return taken


def import_into_git(path: Path, stream: bytes) -> float:
    subprocess.run(["git", "init", "-q", "--bare", fresh(path)], check=True)
    return command("git", "fast-import", "--quiet", cwd=path, stdin=stream)


def fast_import_stream(texts: list[bytes], paths: list[str]) -> bytes:
    """One commit on ``main`` that holds every text as a file at its path."""
    blobs = [b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(text), text) for mark, text in enumerate(texts, 1)]
    head = b"commit refs/heads/main\ncommitter B <b@example.org> 0 +0000\ndata 1\nm\n"
    files = [b"M 100644 :%d %s\n" % (mark, path.encode()) for mark, path in enumerate(paths, 1)]
    return b"".join([*blobs, head, *files, b"\n"])


def read_back(settings: Settings, ours: Path, theirs: Path, refs: list[str]) -> Iterator[Figure]:
    """Random reads: by object id on both sides, then by ref (a whole ``get``) on ours."""
    chosen = random.Random(2).sample(range(len(refs)), settings.scaled(20_000, 1_000))
    listing = subprocess.run(["git", "ls-tree", "-r", "main"], cwd=theirs, capture_output=True, check=True)
    # Every path ends in the item's number, six digits.
    git_ids = {int(line[-6:]): line.split()[2] for line in listing.stdout.splitlines()}
    request = b"\n".join(git_ids[index] for index in chosen) + b"\n"
    refs = [refs[index] for index in chosen]

    def from_git() -> float:
        return command("git", "cat-file", "--batch", cwd=theirs, stdin=request)

    with closing(cas.open(ours)) as repo:
        ids = [bytes.fromhex(repo.resolve(ref).content_id) for ref in refs]
        yield compare(
            f"{len(chosen):,} random reads by object id",
            "git cat-file --batch",
            in_turn(from_git, lambda: timed(lambda: read_objects(ours, ids)), settings.rounds),
            1 / 10,
        )
        yield compare(
            f"{len(chosen):,} random reads by ref, decoded",
            "git cat-file --batch",
            in_turn(from_git, lambda: timed(lambda: [repo.get(ref) for ref in refs]), settings.rounds),
            None,
        )


def read_objects(path: Path, ids: list[bytes]) -> None:
    """Open the packs and read the objects, each verified: what `git cat-file` does by object id."""
    store = ObjectStore(path / ".cas/objects")
    assert len(store.read_many(ids)) == len(ids)
    store.close()
