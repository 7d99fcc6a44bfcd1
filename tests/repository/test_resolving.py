"""What refs mean: containment and strictness, selectors, steps back in time and along lineage, and near misses."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

import cas
from cas import clock
from cas.errors import (
    AliasConflict,
    AmbiguousRef,
    ArtifactError,
    DeclarationError,
    ObjectNotFound,
    RefConflict,
    RefNotFound,
    RefSyntax,
    SpanNotFound,
    UsageError,
)


class Ticking:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at("2024-01-01")

    def at(self, day: str) -> None:
        self.time = clock.from_datetime(datetime.fromisoformat(day).replace(tzinfo=timezone.utc))

    def __call__(self) -> int:
        self.time += 1
        return self.time


@pytest.fixture
def rides(repository: cas.Repository) -> cas.Repository:
    repository.put("sea 1", "rides@region=SEA,time=2024-05-01")
    repository.put("sea 2", "rides@region=SEA,time=2024-05-02")
    repository.put("nyc 1", "rides@region=NYC,time=2024-05-01")
    return repository


def test_a_partial_partition_is_the_newest_that_matches(rides: cas.Repository) -> None:
    assert rides.get("rides") == "nyc 1"
    assert rides.get("rides@region=SEA") == "sea 2"
    assert rides.get("rides@time=2024-05-01") == "nyc 1"
    assert rides.get("rides@time=2024-05-01,region=SEA") == "sea 1"
    with pytest.raises(RefNotFound, match="exactly"):
        rides.resolve("rides@region=SEA", strict=True)
    assert rides.resolve("rides@region=SEA,time=2024-05-01", strict=True).get() == "sea 1"


def test_three_keys_are_matched_together(repository: cas.Repository) -> None:
    for a in "xy":
        for b in "xy":
            for c in "xy":
                repository.put(a + b + c, f"cube@a={a},b={b},c={c}")
    assert repository.get("cube@a=x,c=y") == "xyy"
    assert repository.get("cube@b=x,c=x") == "yxx"
    assert repository.get("cube@a=x,b=y,c=x") == "xyx"


@pytest.mark.parametrize(
    ("ref", "message", "suggestions"),
    [
        ("ride", "no artifact 'ride'", ("rides",)),
        ("rides@regoin=SEA", "no partition key 'regoin'; it has: region, time", ("region",)),
        ("rides@region=SAE", "no partition with region=SAE", ("region=SEA",)),
        ("rides@region=SEA#latets", "no version, alias or id 'latets'", ("latest",)),
    ],
)
def test_what_is_not_there_is_told_with_near_misses(
    rides: cas.Repository, ref: str, message: str, suggestions: tuple[str, ...]
) -> None:
    rides.alias("rides@region=SEA", "latest")
    with pytest.raises(RefNotFound, match=message) as caught:
        rides.resolve(ref)
    assert caught.value.suggestions == suggestions


def test_versions_and_aliases_belong_to_one_partition(rides: cas.Repository) -> None:
    rides.put("other", "rides@region=SEA,time=2024-05-01", version="final")
    rides.put("other", "rides@region=NYC,time=2024-05-01", version="final")
    with pytest.raises(AmbiguousRef) as caught:
        rides.resolve("rides#final")
    assert len(caught.value.candidates) == 2
    assert rides.get("rides@region=NYC#final") == "other"
    rides.alias("rides@region=SEA,time=2024-05-02", "prod")
    assert rides.get("rides#prod") == "sea 2"
    assert rides.aliases("rides@region=SEA,time=2024-05-02") == {"prod": rides.resolve("rides#prod").version}


def test_an_id_prefix_selects(rides: cas.Repository) -> None:
    version = rides.resolve("rides@region=SEA")
    assert rides.resolve(f"rides#{version.id[:10]}") == version
    assert rides.resolve(version.id[:10]) == version
    assert rides.resolve(version.literal_id[:10]) == version
    assert rides.show(version.id[:10]) == version
    with pytest.raises(RefNotFound):
        rides.resolve("abcdef0123")
    with pytest.raises(ObjectNotFound):
        rides.show("abcdef0123")
    with pytest.raises(SpanNotFound):
        rides.show("%abcdef0123")


def test_a_name_that_looks_like_an_id_is_a_name_first(repository: cas.Repository) -> None:
    repository.put("the name", "deadbeef")
    assert repository.get("deadbeef") == "the name"
    assert repository.show("deadbeef").get() == "the name"  # type: ignore[union-attr]  # a version


def test_steps_stay_within_the_partition(rides: cas.Repository) -> None:
    rides.put("sea 2b", "rides@region=SEA,time=2024-05-02")
    rides.put("nyc 1b", "rides@region=NYC,time=2024-05-01")
    assert rides.get("rides~1") == "nyc 1"
    assert rides.get("rides@region=SEA~1") == "sea 2"
    with pytest.raises(RefNotFound, match="has 2 versions"):
        rides.resolve("rides@region=SEA~2")


def test_back_in_time(tmp_path: object) -> None:
    now = Ticking()
    repository = cas.init(str(tmp_path), now=now)
    now.at("2024-05-01")
    repository.put(1, "n@k=a")
    now.at("2024-05-03")
    repository.put(2, "n@k=a")
    repository.alias("n@k=a", "prod")
    now.at("2024-05-05")
    repository.put(3, "n@k=b")
    repository.put(4, "n@k=a")
    repository.alias("n@k=a", "prod")
    assert repository.get("n@k=a@{2024-05-02}") == 1
    assert repository.get("n@{2024-05-04}") == 2
    assert repository.get("n@k=a@{1}") == 2
    assert repository.get("n@k=a@{0}") == 4
    assert repository.get("n@k=a#prod@{2024-05-04}") == 2
    assert repository.get("n@k=a#prod@{1}") == 2
    assert repository.get("n@k=a#prod") == 4
    assert repository.get("n@k=a@{2024-05-04}~1") == 1
    with pytest.raises(RefNotFound, match="pointed at nothing then"):
        repository.resolve("n@{2024-04-01}")
    repository.close()


def test_inputs_of_the_producing_span(repository: cas.Repository) -> None:
    repository.put("raw", "raw")
    repository.put("other", "other")
    with repository.span("clean"):
        repository.get("raw")
        repository.get("other")
        repository.put("clean", "clean")
    with repository.span("train"):
        repository.get("clean")
        repository.put("model", "model")
    assert repository.get("model^1") == "clean"
    assert repository.get("model^^2") == "other"
    assert repository.get("model^1^1") == "raw"
    with pytest.raises(RefNotFound, match=r"has 1 input, there is no \^2"):
        repository.resolve("model^2")
    with pytest.raises(RefNotFound, match="no span made"):
        repository.resolve("raw^1")


def test_aliases_move_by_compare_and_swap(repository: cas.Repository) -> None:
    first = repository.put(1, "n", version="v1")
    repository.put(2, "n", version="v2")
    repository.alias("n#v1", "prod", expect=None)
    assert repository.resolve("n#prod") == first
    with pytest.raises(AliasConflict, match="is at v1, not at v2"):
        repository.alias("n#v2", "prod", expect="v2")
    with pytest.raises(AliasConflict, match="not at nothing"):
        repository.alias("n#v2", "prod", expect=None)
    repository.alias("n#v2", "prod", expect="v1")
    assert repository.get("n#prod") == 2
    with pytest.raises(AliasConflict, match="is a version"):
        repository.alias("n#v2", "v1")
    before = repository.status().segments
    repository.alias("n#v2", "prod")
    assert repository.status().segments == before


def test_two_movers_of_one_alias_from_one_place_conflict(repository: cas.Repository) -> None:
    repository.put(1, "n", version="v1")
    repository.put(2, "n", version="v2")
    repository.alias("n#v1", "prod")
    other = cas.open(repository.root)
    append = other.log_of("default", "main").append
    raced = []

    def late(*arguments: object, **options: object) -> object:
        if not raced:
            raced.append(True)
            repository.alias("n#v2", "prod")
        return append(*arguments, **options)  # type: ignore[arg-type]  # passed on

    other.log_of("default", "main").append = late  # type: ignore[method-assign,assignment]  # to come second
    repository.put(3, "n", version="v3")
    with pytest.raises(RefConflict, match="meanwhile"):
        other.alias("n#v3", "prod")
    assert repository.get("n#prod") == 2
    other.close()


def test_deleting_is_a_tombstone(rides: cas.Repository) -> None:
    rides.alias("rides@region=NYC", "prod")
    plan = rides.plan_delete("rides@region=SEA")
    assert plan.what == ("rides@region=SEA,time=2024-05-02", "rides@region=SEA,time=2024-05-01")
    artifact = rides.resolve("rides@region=SEA").id
    assert rides.delete("rides@region=SEA") == plan
    with pytest.raises(RefNotFound):
        rides.resolve("rides@region=SEA")
    assert rides.get("rides") == "nyc 1"
    assert rides.get(artifact) == "sea 2"
    assert rides.delete("rides#prod").what == ("rides@region=NYC,time=2024-05-01#prod",)
    with pytest.raises(RefNotFound):
        rides.resolve("rides#prod")
    rides.put("again", "rides@region=SEA,time=2024-05-01")
    assert rides.get("rides@region=SEA") == "again"


def test_deleting_one_version(repository: cas.Repository) -> None:
    repository.put(1, "n", version="v1")
    repository.put(2, "n", version="v2")
    repository.delete("n#v2")
    assert repository.get("n") == 1
    with pytest.raises(RefNotFound):
        repository.resolve("n#v2")
    with pytest.raises(RefNotFound):
        repository.delete("n#v2")
    version = repository.resolve("n")
    with pytest.raises(UsageError, match="is an id") as refused:
        repository.delete(version.id[:12])
    assert refused.value.hint == "delete the version that holds it: cas rm 'n#v1'"
    with pytest.raises(RefNotFound):
        repository.delete("abcdef012345")
    assert repository.get("n") == 1


def test_log_tells_everything_newest_first(rides: cas.Repository) -> None:
    rides.put("sea 2b", "rides@region=SEA,time=2024-05-02")
    assert [version.get() for version in rides.log("rides@region=SEA")] == ["sea 2b", "sea 2", "sea 1"]
    assert [version.get() for version in rides.log("rides", limit=2)] == ["sea 2b", "nyc 1"]
    assert len(rides.log()) == 4
    assert [version.get() for version in rides.log("rides@region=SEA,time=2024-05-02~1")] == ["sea 2"]
    with pytest.raises(RefNotFound):
        rides.log("nothing")


def test_projects_and_domains_are_apart(repository: cas.Repository) -> None:
    repository.put(1, "n")
    repository.put(2, "team/prod/n")
    assert repository.get("n") == 1
    assert repository.get("team/prod/n") == 2
    assert repository.resolve("team/prod/n").ref.startswith("team/prod/n#")
    assert [info.name for info in repository.names("*/*/*")] == ["n", "team/prod/n"]
    assert len(list((repository.root / "refs").glob("*/*/*.toml"))) == 2


def test_what_is_not_found_says_where_it_looked(rides: cas.Repository) -> None:
    with pytest.raises(RefNotFound, match="no artifact 'lab/prod/ride'") as elsewhere:
        rides.get("lab/prod/ride")
    assert elsewhere.value.hint == "see the names: cas ls 'lab/prod/*'"
    with pytest.raises(RefNotFound, match="has no partition key") as key:
        rides.get("rides@regoin=SEA")
    assert key.value.hint == "see its partitions: cas ls rides"
    with pytest.raises(RefNotFound, match="has 1 version, none 3 before"):
        rides.get("rides~3")
    with pytest.raises(RefNotFound, match="no span made") as made:
        rides.get("rides^1")
    assert made.value.hint


def test_candidates_can_be_typed_back(repository: cas.Repository) -> None:
    repository.put("same", "rides@region=SEA")
    version = repository.put("same", "rides")
    with pytest.raises(AmbiguousRef) as caught:
        repository.get(f"rides#{version.version}")
    assert sorted(caught.value.candidates) == [f"rides#{version.version}", f"rides@region=SEA#{version.version}"]
    assert repository.resolve(version.ref, strict=True).partitions == {}
    assert repository.resolve(f"rides@region=SEA#{version.version}").partitions == {"region": "SEA"}


def test_an_alias_waits_for_the_version_it_points_at(repository: cas.Repository) -> None:
    with repository.span("train"):
        repository.put(1, "model")
        with pytest.raises(ArtifactError, match="not published"):
            repository.alias("model", "prod")
    with pytest.raises(RefNotFound):
        repository.get("model#prod")
    repository.alias("model", "prod")
    assert repository.get("model#prod") == 1
    with pytest.raises(RefSyntax, match="a remote's"):
        repository.alias("origin:model", "prod")


def test_a_granularity_that_is_none(repository: cas.Repository) -> None:
    with pytest.raises(DeclarationError, match="'week' is no granularity") as caught:
        repository.declare("rides", granularity="week")
    assert caught.value.hint == "one of: minute, hour, day, month"
    assert repository.declaration("rides") is None


def test_a_misspelt_name_that_reads_as_an_id_has_near_misses(repository: cas.Repository) -> None:
    repository.put(1, "facade")
    with pytest.raises(RefNotFound) as missing:
        repository.resolve("faceade")
    assert missing.value.suggestions == ("facade",)


def test_a_version_is_where_it_always_was(repository: cas.Repository) -> None:
    repository.put(1, "n", version="v1")
    repository.put(2, "n", version="v2")
    assert repository.get("n#v1@{0}") == 1
    with pytest.raises(RefNotFound, match="nothing then"):
        repository.get("n#v1@{1}")
