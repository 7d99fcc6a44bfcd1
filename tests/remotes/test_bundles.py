"""Bundles of segments: who lags behind reads few files, and believes none of them more than the log itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import cas
from cas.errors import RefRollback
from cas.refs.log import RefLog
from cas.remotes import bundles
from cas.storage.local import LocalStore

SCOPE = ("default", "main")


@pytest.fixture
def log(tmp_path: Path) -> RefLog:
    repo = cas.init(tmp_path / "repo")
    for number in range(2 * bundles.SPAN + 3):
        repo.put(f'cas = 1\nsegment = {number}\n"x"', "count", version=f"v{number}")
    return RefLog(LocalStore(repo.root), *SCOPE)


def test_a_bundle_is_its_segments_one_after_the_other(log: RefLog) -> None:
    made = bundles.render(log, bundles.SPAN)
    assert made is not None
    numbers = range(1, bundles.SPAN + 1)
    assert made == b"".join(log.store.read(log.path(number)) for number in numbers)
    assert bundles.split(made) == {number: log.store.read(log.path(number)) for number in numbers}
    assert bundles.split(b"") == bundles.split(b"no segment\n") == {}


def test_none_is_made_where_none_is_due(log: RefLog) -> None:
    assert bundles.render(log, 0) is None
    assert bundles.render(log, bundles.SPAN + 1) is None
    assert bundles.render(log, 3 * bundles.SPAN) is None  # the log ends before


def test_only_what_spares_requests_is_read() -> None:
    span = bundles.SPAN
    there = {span: 10, 2 * span: 10, 3 * span: bundles.LARGEST + 1, 3 * span + 1: 10}
    assert bundles.chosen(there, range(1, 4 * span)) == [span, 2 * span]
    assert bundles.chosen(there, range(span + 1, 4 * span)) == [2 * span]
    assert bundles.chosen(there, range(2 * span, 4 * span)) == []


@pytest.fixture
def lag(any_remote, fronting, moto, tmp_path: Path):
    """A remote whose log is long, one who wrote it, one who fetched its beginning, and what goes by."""
    front = fronting(moto)
    place = any_remote("s3-moto-obstore", port=front.port)
    ann, ben = cas.init(tmp_path / "ann"), cas.init(tmp_path / "ben")
    for one in (ann, ben):
        one.remotes.add("origin", place.url, place.options, probe=False)
    ann.put(0, "count")
    ann.push()
    ben.fetch()
    for number in range(1, 3 * bundles.SPAN + 2):
        ann.put(number, "count")
        ann.push()
    return ann, ben, front, place


def test_who_lags_behind_reads_few_files(lag) -> None:
    ann, ben, front, _ = lag
    front.seen.clear()
    assert ben.fetch().segments == 3 * bundles.SPAN + 1
    of_logs = Counter(method for method, path, _ in front.seen if "refs" in path)
    assert of_logs == {"GET": 1 + 3 + 2}  # a listing, bundles, the rest
    ben.put("mine", "other")
    front.seen.clear()
    ben.push()
    assert len(front.seen) <= 4  # a listing, the last segment, a pack, a segment
    ben.put("mine too", "other")
    front.seen.clear()
    ben.push()
    assert len(front.seen) == 3
    ann.pull()
    assert ann.get("other") == "mine too"
    assert ann.fsck().ok


def test_a_race_that_was_lost_costs_three_requests(lag) -> None:
    ann, ben, front, _ = lag
    ben.pull()
    ann.put("faster", "count")
    ben.put("slower", "other")
    raced = []

    def before(message):
        if message.method == "PUT" and message.path.partition("?")[0].endswith(".toml") and not raced:
            raced.append(message)
            ann.push()
            front.seen.clear()
        return message

    front.before = before
    ben.push()
    # The segment that was there already, what it is, what else is there; then the segment that succeeds.
    assert [method for method, _, _ in front.seen] == ["PUT", "GET", "GET", "PUT"]
    ann.pull()
    assert (ann.get("count"), ann.get("other")) == ("faster", "slower")


@pytest.mark.parametrize("content", [b"", b"no bundle", None, "forked"])
def test_a_bundle_that_does_not_fit_is_passed_over(lag, tmp_path: Path, content) -> None:
    ann, ben, _, place = lag
    store = place.open()
    name = bundles.name(SCOPE, 2 * bundles.SPAN)
    whole = store.read(name)
    store.delete(name)
    if content == "forked":  # a history of its own that begins well
        content = whole.replace(b'author = "', b'author = "Eve ')
        assert content != whole
    if content is not None:
        store.create(name, content)
    assert ben.fetch().segments == 3 * bundles.SPAN + 1
    ben.pull()
    assert ben.get("count") == 3 * bundles.SPAN + 1
    assert [one.id for one in ben.log("count")] == [one.id for one in ann.log("count")]
    store.close()


def test_a_bundle_does_not_hide_a_missing_segment(lag) -> None:
    _, ben, _, place = lag
    store = place.open()
    store.delete(f"refs/default/main/{bundles.SPAN + 2:020d}.toml")
    with pytest.raises(RefRollback, match="missing"):
        ben.fetch()
    store.close()
