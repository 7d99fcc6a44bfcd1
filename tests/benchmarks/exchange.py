"""Pushing, fetching and cloning: to a directory beside cp, to moto's S3 beside its client libraries alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from large_file import write_random
from measure import (
    Figure,
    Settings,
    against,
    cas_command,
    command,
    compare,
    copy_synced,
    fresh,
    in_turn,
    noted,
    portion,
    seconds,
    size,
    timed,
)

import cas
from cas.repository.exchange import clone

MIB = 1 << 20
JOBS = 8


def run(settings: Settings) -> Iterator[Figure]:
    yield from to_a_directory(settings)
    yield from many_refs(settings)
    with moto() as port:
        yield from to_s3(settings, port)
        yield from a_changed_table(settings, port)
        yield from small_artifacts(settings, port)


def to_a_directory(settings: Settings) -> Iterator[Figure]:
    room, tool = settings.room, cas_command()
    source, copy, hub, home = room / "big.bin", room / "copy.bin", room / "hub", room / "work"
    total = settings.scaled(2048, 128) * MIB
    write_random(source, total)
    with closing(cas.init(fresh(home))) as repo:
        repo.put(source, "big")
        repo.remotes.add("hub", str(hub))

    def push() -> float:
        shutil.rmtree(hub, ignore_errors=True)
        shutil.rmtree(home / ".cas/remotes", ignore_errors=True)
        shutil.rmtree(home / ".cas/refs/remotes", ignore_errors=True)
        os.sync()
        return command(tool, "-C", home, "push", "hub")

    def copied() -> float:
        os.sync()
        return timed(lambda: copy_synced(source, copy))

    yield compare(
        f"push {size(total)} to an empty directory", "cp + fsync", in_turn(copied, push, settings.rounds), 1.5
    )
    yield noted("push it again", seconds(command(tool, "-C", home, "push", "hub")))

    def pull() -> float:
        shutil.rmtree(room / "second", ignore_errors=True)
        os.sync()
        return command(tool, "clone", hub, room / "second")

    yield compare("clone it, every byte verified", "cp + fsync", in_turn(copied, pull, settings.rounds), None)
    for path in (source, copy):
        path.unlink()
    for path in (hub, home, room / "second"):
        shutil.rmtree(path)


def many_refs(settings: Settings) -> Iterator[Figure]:
    room, count = settings.room, settings.scaled(100_000, 5_000)
    with closing(cas.init(fresh(room / "wide"))) as repo:
        repo.put_many([(number, f"item@n={number:06d}") for number in range(count)])
        repo.remotes.add("hub", str(room / "hub"))
        taken = timed(lambda: repo.push("hub"))
        yield noted(f"push {count:,} refs", seconds(taken))
    target = room / "narrow"

    def cloned() -> float:
        shutil.rmtree(target, ignore_errors=True)
        os.sync()
        return command(cas_command(), "clone", "--no-objects", room / "hub", target)

    best = sorted(cloned() for _ in range(settings.rounds))[settings.rounds // 2]
    yield against(f"clone --no-objects of {count:,} refs", best, 5, seconds)
    yield noted("a fetch that finds nothing, command and all", seconds(command(cas_command(), "-C", target, "fetch")))
    for path in ("wide", "hub", "narrow"):
        shutil.rmtree(room / path)


def to_s3(settings: Settings, port: int) -> Iterator[Figure]:
    room = settings.room
    source, total = room / "big.bin", settings.scaled(512, 64) * MIB
    write_random(source, total)
    options = options_of(port)
    turns = iter(range(1000))
    with closing(cas.init(fresh(room / "work"))) as repo:
        repo.put(source, "big")

        def push() -> float:
            name = f"r{next(turns)}"
            repo.remotes.add(name, f"s3://bucket/{name}", options)
            return timed(lambda: repo.push(name, jobs=JOBS))

        peers = {"obstore": raw_obstore(port), "s3fs": raw_s3fs(port)}
        alone = {name: timed(lambda put=put: put_pieces(put, source, next(turns))) for name, put in peers.items()}
        fastest = min(alone, key=lambda name: alone[name])
        pairs = in_turn(lambda: timed(lambda: put_pieces(peers[fastest], source, next(turns))), push, settings.rounds)
        yield compare(f"push {size(total)} to moto's S3", f"{fastest}, 64 MiB pieces, {JOBS} at once", pairs, 1.3)
    source.unlink()


def a_changed_table(settings: Settings, port: int) -> Iterator[Figure]:
    import pyarrow as pa

    rows = settings.scaled(5_000_000, 200_000)
    columns = {name: os.urandom(8 * rows) for name in "abcde"}

    def table() -> object:
        arrays = {
            name: pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(one)]) for name, one in columns.items()
        }
        return pa.table(arrays)

    with closing(cas.init(fresh(settings.room / "tables"))) as repo:
        repo.put(table(), "table")
        repo.remotes.add("s3", "s3://bucket/tables", options_of(port))
        repo.push()
        before = stored(repo)
        half = 4 * rows
        columns["c"] = columns["c"][:half] + os.urandom(rows // 100 * 8) + columns["c"][half + rows // 100 * 8 :]
        repo.put(table(), "table")
        new = stored(repo) - before
        with counted(repo) as seen:
            sent = repo.push().bytes
        yield portion(
            f"sent for 1 % of a column of a {size(40 * rows)} table changed", sent, new, 1.1, "its new chunks"
        )
        data = seen["put_new_file"]
        yield against("requests beyond the data's own", seen.total() - data, 5, lambda value: f"{value:.0f}")
        with counted(repo) as seen:
            repo.fetch()
        with counted(repo) as seen:
            repo.fetch()
        yield against("requests of a fetch that finds nothing", seen.total(), 3, lambda value: f"{value:.0f}")


def small_artifacts(settings: Settings, port: int) -> Iterator[Figure]:
    count = settings.scaled(10_000, 1_000)
    with closing(cas.init(fresh(settings.room / "small"))) as repo:
        repo.put_many([({"row": number, "text": "x" * 200}, f"row@n={number}") for number in range(count)])
        repo.remotes.add("s3", "s3://bucket/small", options_of(port))
        with counted(repo) as seen:
            taken = timed(repo.push)
        puts = seen["put_new"] + seen["put_new_file"]
        yield against(f"PUTs for {count:,} small artifacts", puts, 100, lambda value: f"{value:.0f}")
        yield noted("… in", seconds(taken))
        began = time.perf_counter()
        clone("s3://bucket/small", settings.room / "again", options=options_of(port))[0].close()
        yield noted("clone them", seconds(time.perf_counter() - began))


def stored(repo: cas.Repository) -> int:
    repo.session.close()
    return sum(path.stat().st_size for path in (repo.root / "objects").glob("*"))


@contextmanager
def counted(repo: cas.Repository) -> Iterator[Counter[str]]:
    """The requests made within, by the client's verb; a listing counts once (there are few files here)."""
    store: Any = repo.remotes.open().store
    client, seen = store._client, Counter[str]()

    class Counting:
        def __getattr__(self, name: str) -> object:
            found = getattr(client, name)
            if name in ("get", "info", "walk", "folders", "walk_after", "put_new", "put_new_file", "remove"):
                seen[name] += 1
            return found

    store._client = Counting()
    try:
        yield seen
    finally:
        store._client = client


def put_pieces(put: Callable[[str, bytes], object], source: Path, turn: int) -> None:
    """The file in pieces of 64 MiB, several at once."""
    content = memoryview(source.read_bytes())
    pieces = [content[start : start + 64 * MIB] for start in range(0, len(content), 64 * MIB)]
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(lambda pair: put(f"raw{turn}/{pair[0]}", bytes(pair[1])), enumerate(pieces)))


def raw_obstore(port: int) -> Callable[[str, bytes], object]:
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "bucket",
        endpoint=f"http://127.0.0.1:{port}",
        region="us-east-1",
        access_key_id="testing",
        secret_access_key="testing",
        client_options={"allow_http": True, "timeout": "300s"},
    )
    return lambda name, content: obstore.put(store, name, content, use_multipart=False)


def raw_s3fs(port: int) -> Callable[[str, bytes], object]:
    import s3fs

    files = s3fs.S3FileSystem(
        key="testing", secret="testing", endpoint_url=f"http://127.0.0.1:{port}", skip_instance_cache=True
    )
    return lambda name, content: files.pipe_file(f"bucket/{name}", content)


def options_of(port: int) -> dict[str, str]:
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_EC2_METADATA_DISABLED="true")
    return {"endpoint_url": f"http://127.0.0.1:{port}", "region": "us-east-1"}


@contextmanager
def moto() -> Iterator[int]:
    """moto's server, with a bucket."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT", data=b"")
                signature = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request"
                request.add_header("Authorization", signature)
                try:
                    urllib.request.urlopen(request, timeout=10).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield port
        finally:
            server.terminate()
