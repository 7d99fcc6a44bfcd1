"""Large batches of plain values under new names end as small ones do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import cas
from cas.errors import PartitionError, RefNameCollision
from cas.repository import bulk


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ENOUGH", 5)


VALUES = [{"row": 1}, [1.5, None], 7, {"row": 1}, True, {"deep": [{"a": "b"}]}]


def refs(form: str) -> list[str]:
    return [form.format(number) for number in range(len(VALUES))]


@pytest.mark.parametrize("form", ["item-{:03d}", "item@n={}", "item@time=2024-05-1{},k=x", "a.b.item_{}"])
def test_a_batch_is_what_single_puts_are(tmp_path: Path, form: str) -> None:
    with cas.init(tmp_path / "one") as one, cas.init(tmp_path / "many") as many:
        each = [one.put(value, ref) for value, ref in zip(VALUES, refs(form), strict=True)]
        made = many.put_many(zip(VALUES, refs(form), strict=True))
        assert [(a.ref, a.id, a.literal_id, a.is_new) for a in made] == [
            (a.ref, a.id, a.literal_id, a.is_new) for a in each
        ]
        assert [many.get(ref) for ref in refs(form)] == VALUES
        assert [a.created for a in made] == sorted(many.resolve(ref).created for ref in refs(form))
        assert many.fsck().ok
    with cas.open(tmp_path / "many") as again:
        (tmp_path / "many/.cas/catalog.sqlite").unlink(missing_ok=True)
        assert [again.get(ref) for ref in refs(form)] == VALUES


def test_a_batch_publishes_one_segment_and_what_is_there_already_nothing(tmp_path: Path) -> None:
    with cas.init(tmp_path) as repo:
        pairs = list(zip(VALUES, refs("item-{}"), strict=True))
        assert all(version.is_new for version in repo.put_many(pairs))
        assert len(list(tmp_path.glob(".cas/refs/*/*/*.toml"))) == 1
        assert not any(version.is_new for version in repo.put_many(pairs))
        changed = [(value if number else "other", ref) for number, (value, ref) in enumerate(pairs)]
        assert [version.is_new for version in repo.put_many(changed)] == [True] + [False] * 5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.nan, (1, 2), {1: 2}, 1 << 70, b"x", "text", 1e308])
def test_any_value_comes_back_as_it_was(tmp_path: Path, value: object) -> None:
    with cas.init(tmp_path) as repo:
        repo.put_many([([value], f"item-{number}") for number in range(8)])
        found = repo.get("item-3")
        assert repr(found) == repr([value]).replace("-nan", "nan") and type(found[0]) is type(value)


def test_refs_that_repeat_or_name_versions_take_the_longer_way(tmp_path: Path) -> None:
    with cas.init(tmp_path) as repo:
        repo.put_many([(number, "same") for number in range(8)])
        assert [version.get() for version in repo.log("same")] == list(range(7, -1, -1))
        repo.put_many([(number, f"v-{number}#v1") for number in range(8)])
        assert repo.get("v-3#v1") == 3


def test_a_batch_that_does_not_agree_with_itself_stores_no_ref(tmp_path: Path) -> None:
    with cas.init(tmp_path) as repo:
        with pytest.raises(PartitionError):
            repo.put_many(
                [(1, f"x@time={time}") for time in ("2024-04", "2024-01", "2024-02", "2024-01-01", "2024-03")]
            )
        with pytest.raises(RefNameCollision):
            repo.put_many([(1, name) for name in ("Twin", "twin", "c_item", "d_item", "e_item")])
        assert repo.find() == []


def test_another_writer_between_the_look_and_the_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it took one of the names, or others: the batch goes on after it."""
    with cas.init(tmp_path) as repo, cas.open(tmp_path) as other:
        make_durable = repo.session.make_durable
        todo = ["item-2", "elsewhere"]

        def first_the_other() -> None:
            if todo:
                other.put("theirs", todo.pop())
            make_durable()

        monkeypatch.setattr(repo.session, "make_durable", first_the_other)
        repo.put_many(zip(VALUES, refs("new-{}"), strict=True))  # meets elsewhere
        repo.put_many(zip(VALUES, refs("item-{}"), strict=True))  # meets item-2
        assert [repo.get(ref) for ref in refs("item-{}")] == VALUES == [repo.get(ref) for ref in refs("new-{}")]
        assert [version.get() for version in repo.log("item-2")] == [7, "theirs"]
        assert repo.get("elsewhere") == "theirs"
