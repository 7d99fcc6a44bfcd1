"""A repository opened at its URL: read through a bounded cache, published to the store with the same guarantees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cas
from cas.errors import NoRepository, RefNotFound, VersionConflict
from cas.refs import checkpoints
from cas.remotes import fetching
from cas.repository.exchange import clone

WORKER = """
import json, sys
import cas
url, options, cache, me, count = json.loads(sys.argv[1])
repo = cas.open(url, options=options, cache=cache, author=f"worker {me}")
for number in range(count):
    repo.put({"worker": me, "number": number}, f"results@worker={me},number={number}")
repo.close()
"""


@pytest.fixture
def hub(any_remote, tmp_path: Path):
    place = any_remote("s3-moto-obstore")
    ann = cas.init(tmp_path / "ann")
    ann.put({"rate": 1}, "settings")
    ann.remotes.add("origin", place.url, place.options)
    ann.push()
    return ann, place


def test_reads_and_writes_go_to_the_store(hub, tmp_path: Path) -> None:
    ann, place = hub
    there = cas.open(place.url, options=place.options, cache=tmp_path / "cache", author="Worker")
    assert there.get("settings") == {"rate": 1}
    big = os.urandom(300_000)
    with there.span("work", metadata={"host": "w1"}) as span:
        there.put(there.get("settings"), "copy")
        there.put(big, "big@part=1")
        span.log([1, 2], label="notes")
    there.alias("big", "prod")
    other = cas.open(place.url, options=place.options)  # another machine, with a cache of its own
    assert other.get("big#prod") == big
    assert other.producer("big").metadata == {"host": "w1"}
    assert [one.label for one in other.spans()] == ["work"]
    assert next(link.ref for link in other.inputs(other.producer("copy").id)).startswith("settings#")
    other.put({"rate": 2}, "settings")
    assert there.get("settings") == {"rate": 2}
    assert sorted(info.name for info in there.names()) == ["big", "copy", "settings"]
    with pytest.raises(VersionConflict):
        there.put(b"x", "big@part=1", version=there.resolve("big").version)
    there.delete("copy")
    with pytest.raises(RefNotFound):
        other.resolve("copy")
    assert ann.pull().entries == 7
    assert ann.get("big") == big
    for one in (there, other):
        one.close()
    assert not other.root.exists()
    again = cas.open(place.url, options=place.options, cache=tmp_path / "cache")
    assert again.get("big") == big
    again.close()


def test_many_workers_publish_at_once(hub, tmp_path: Path) -> None:
    ann, place = hub
    workers, count = 4, 5
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                WORKER,
                # Two share a cache.
                json.dumps([place.url, dict(place.options), str(tmp_path / f"cache{me % 2}"), me, count]),
            ],
            env={**os.environ, **place.environment},
        )
        for me in range(workers)
    ]
    assert [one.wait(100) for one in running] == [0] * workers
    ann.pull()
    values = [one.get() for one in ann.find("results")]
    assert sorted((one["worker"], one["number"]) for one in values) == [
        (me, number) for me in range(workers) for number in range(count)
    ]
    assert ann.fsck().ok


def test_the_cache_stays_within_its_bounds(hub, tmp_path: Path) -> None:
    ann, place = hub
    parts = [os.urandom(400_000) for _ in range(6)]
    for number, part in enumerate(parts):
        ann.put(part, f"part@n={number}")
        ann.push()
    limit = 1_000_000
    there = cas.open(place.url, options=place.options, cache=tmp_path / "cache", cache_bytes=limit)
    packs = there.root / "objects"
    for number in (0, 1, 2, 0, 3, 0, 4, 0, 5):
        assert there.get(f"part@n={number}") == parts[number]
        assert sum(path.stat().st_size for path in packs.glob("*.pack")) <= limit
    held = there.objects.held([bytes.fromhex(there.resolve(f"part@n={number}").id) for number in range(6)])
    assert bytes.fromhex(there.resolve("part@n=0").id) in held  # the one that was used again and again
    there.put(os.urandom(2_000_000), "mine")  # never lost for want of room
    there.close()
    assert sum(path.stat().st_size for path in packs.glob("*.pack")) <= limit
    assert len(cas.open(place.url, options=place.options).get("mine")) == 2_000_000


def test_a_url_must_hold_a_repository(any_remote, tmp_path: Path) -> None:
    place = any_remote("memory")
    with pytest.raises(NoRepository):
        cas.open(place.url)
    made = cas.use(place.url, create=True)
    made.put(1, "one")
    assert cas.open(place.url).get("one") == 1
    ben, _ = clone(place.url, tmp_path / "ben")
    assert ben.get("one") == 1


def test_the_command_line_at_a_url(hub, shell, tmp_path: Path) -> None:
    _, place = hub
    environment = {
        **place.environment,
        "AWS_ENDPOINT_URL": place.options["endpoint_url"],
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
    }
    shown = shell("-C", place.url, "cat", "settings", env=environment)
    assert shown.stderr.decode() == ""
    assert shown.stdout == b'{"rate":1}\n'
    assert shell("-C", place.url, "put", "--value", "7", "seven", env=environment).returncode == 0
    listed = shell("-C", place.url, "ls", "--json", env=environment)
    assert [one["name"] for one in json.loads(listed.stdout)] == ["settings", "seven"]
    assert (tmp_path / "xdg/cas").is_dir()


def test_messages_name_the_url_and_not_the_cache(tmp_path: Path) -> None:
    cas.use("memory://named", create=True).close()
    with cas.open("memory://named", cache=tmp_path / "cache") as there:
        assert there.status().path == "memory://named"
        with pytest.raises(RefNotFound, match="no artifact 'nothing' in memory://named"):
            there.get("nothing")
    there.close()


def test_options_of_its_store_on_the_command_line(hub, shell, tmp_path: Path) -> None:
    _, place = hub
    environment = {**place.environment, "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    there = ("-C", place.url, *(word for pair in place.options.items() for word in ("-o", "=".join(pair))))
    shown = shell(*there, "cat", "settings", env=environment)
    assert (shown.stdout, shown.stderr) == (b'{"rate":1}\n', b"")
    assert shell(*there, "put", "--value", "7", "seven", env=environment).returncode == 0
    listed = shell(*there, "ls-remote", env=environment).stdout.decode().splitlines()
    assert [line.partition("\t")[2] for line in listed] == ["settings", "seven"]
    assert shell(*there, "fsck", env=environment).returncode == 0
    refused = shell("-C", place.url, "-o", "secret_key=hush", "ls", env=environment)
    assert refused.returncode == 2
    assert b"hush" not in refused.stderr
    assert shell("-o", "region=x", "ls", env=environment).returncode == 2


def test_one_url_at_two_services_is_two_places(any_remote, tmp_path: Path) -> None:
    one, other = any_remote("s3-moto-obstore"), any_remote("s3-ministack-obstore")
    for number, place in enumerate((one, other)):
        there = cas.use("s3://bucket/same", create=True, options=place.options)
        there.put(number, "which")
        there.close()
    for number, place in enumerate((one, other)):
        there = cas.open("s3://bucket/same", options=place.options, cache=tmp_path / "cache")
        assert there.get("which") == number
        there.close()


def test_a_long_log_is_checked_from_its_checkpoint_on(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, place = hub
    monkeypatch.setattr(fetching, "_MANY", 2)
    for number in range(3):
        ann.put(number, "count")
        ann.push()
    copy = ann.remotes.open().copy_of("default", "main")
    copy.folded = False
    checkpoints.write(copy.store, copy, 4)
    name = f"refs/default/main/{4:020d}.arrow"
    assert ann.remotes.open().writable.create(name, copy.store.read(copy.directory + Path(name).name))
    there = cas.open(place.url, options=place.options, cache=tmp_path / "cache")
    assert there.get("count") == 2
    assert there.fsck().ok
    there.put(3, "count")
    report = there.fsck()
    assert (report.segments, report.problems) == (1, ())
    there.close()
