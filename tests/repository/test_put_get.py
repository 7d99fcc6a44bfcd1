"""Putting and getting: identity by content, versions, batches, and refusals that change nothing."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from blake3 import blake3

import cas
from cas.errors import (
    CasError,
    CodecError,
    NoRepository,
    PartitionError,
    RefNameCollision,
    RefNotFound,
    RefSyntax,
    StorageError,
    UnknownType,
    UnsafeSerializer,
    UsageError,
    VersionConflict,
)
from cas.repository.info import ObjectInfo


def stored(repository: cas.Repository) -> tuple[int, int]:
    """(bytes of packs, segments): what a put that does nothing must not change."""
    repository.objects.refresh()
    status = repository.status()
    return status.bytes, status.segments


def test_a_value_comes_back(repository: cas.Repository) -> None:
    version = repository.put({"a": [1, 2.5, None]}, "settings")
    assert repository.get("settings") == {"a": [1, 2.5, None]}
    assert version.is_new
    assert version.version == version.literal_id[:12]
    assert version.ref == f"settings#{version.version}"
    assert repository.get(version.ref) == repository.get(version.id) == version.get()


def test_the_same_content_makes_no_new_version(repository: cas.Repository) -> None:
    first = repository.put(42, "answer")
    before = stored(repository)
    again = repository.put(42, "answer")
    assert (again, again.is_new) == (first, False)
    assert stored(repository) == before


def test_new_metadata_is_a_new_artifact_under_the_same_version(repository: cas.Repository) -> None:
    first = repository.put(42, "answer")
    second = repository.put(42, "answer", metadata={"why": "asked"})
    assert second.version == first.version
    assert second.id != first.id
    assert repository.resolve("answer").metadata == {"why": "asked"}
    assert len(repository.log("answer")) == 1


def test_an_older_value_becomes_the_tip_again(repository: cas.Repository) -> None:
    for value in (1, 2, 1):
        repository.put(value, "count")
    assert repository.get("count") == 1
    assert [version.get() for version in repository.log("count")] == [1, 2, 1]
    assert repository.get("count~1") == 2
    assert repository.get("count~2") == 1


def test_a_version_name_never_means_another_value(repository: cas.Repository) -> None:
    repository.put(1, "count", version="v1")
    repository.put(2, "count#v2")
    before = stored(repository)
    with pytest.raises(VersionConflict, match="v1 already means another"):
        repository.put(3, "count", version="v1")
    assert stored(repository)[1] == before[1]
    assert repository.get("count#v1") == 1
    repository.put(1, "count", version="v1")
    assert repository.resolve("count").version == "v1"


def test_many_at_once_are_one_segment(repository: cas.Repository) -> None:
    before = repository.status().segments
    versions = repository.put_many([(number, f"part@n={number}") for number in range(200)])
    assert repository.status().segments == before + 1
    assert [version.get() for version in versions] == list(range(200))
    again = repository.put_many([(number, f"part@n={number}") for number in range(200)])
    assert repository.status().segments == before + 1
    assert not any(version.is_new for version in again)


def test_a_batch_publishes_all_or_nothing(repository: cas.Repository) -> None:
    with repository.batch() as batch:
        pending = batch.put(1, "a", metadata={"k": "v"})
        batch.put(2, "b")
        with pytest.raises(CasError, match="not ended"):
            _ = pending.artifact
        with pytest.raises(RefNotFound):
            repository.resolve("a")
    assert pending.artifact.metadata == {"k": "v"}
    with pytest.raises(ZeroDivisionError), repository.batch() as batch:
        batch.put(3, "c")
        raise ZeroDivisionError
    with pytest.raises(UnknownType), repository.batch() as batch:
        batch.put(4, "d")
        batch.put(object(), "e")
    for name in ("c", "d", "e"):
        with pytest.raises(RefNotFound):
            repository.resolve(name)


def test_an_unknown_type_names_the_variable_and_the_way_out(repository: cas.Repository) -> None:
    class Mine:
        pass

    with pytest.raises(UnknownType, match=r"mine is a .*Mine") as caught:
        repository.put(Mine(), "mine")
    assert "register" in (caught.value.hint or "")
    assert stored(repository)[1] == 0


def test_metadata_must_be_plain(repository: cas.Repository) -> None:
    with pytest.raises(CodecError, match="metadata"):
        repository.put(1, "x", metadata={"frame": object()})
    with pytest.raises(RefNotFound):
        repository.resolve("x")


def test_pickle_needs_the_call_and_the_config(repository: cas.Repository) -> None:
    with pytest.raises(UnsafeSerializer, match="config"):
        repository.put(object(), "x", allow_pickle=True)
    config = repository.root / "config.toml"
    config.write_text(config.read_text() + "\n[serializers]\nallow_pickle = true\n")
    allowed = cas.open(repository.root)
    allowed.put(range(3), "x", allow_pickle=True)
    with pytest.raises(UnsafeSerializer):
        allowed.get("x")
    assert allowed.get("x", allow_pickle=True) == range(3)
    allowed.close()


@pytest.mark.parametrize("ref", ["a~1", "a//b", "%abcdef", "origin:a", "a@prod", "", "a b#", "a@k=1,k=2"])
def test_only_a_name_partition_and_version_can_be_put_to(repository: cas.Repository, ref: str) -> None:
    with pytest.raises(RefSyntax):
        repository.put(1, ref)
    assert stored(repository)[1] == 0


def test_partitions_must_fit_what_the_name_declares(repository: cas.Repository) -> None:
    repository.put(1, "rides@region=SEA,time=2024-05-01")
    with pytest.raises(PartitionError, match=r"has the partition keys \['region'\]") as caught:
        repository.put(1, "rides@city=SEA")
    assert "--add-key city" in (caught.value.hint or "")
    with pytest.raises(PartitionError, match="by day, not by month"):
        repository.put(1, "rides@time=2024-05")
    repository.put(1, "plain")
    with pytest.raises(PartitionError, match="not partitioned by time"):
        repository.put(1, "plain@time=2024-05")
    with pytest.raises(PartitionError, match="several granularities"):
        repository.put_many([(1, "new@time=2024-05"), (1, "new@time=2024-05-01")])
    repository.declare("rides", keys=["city"])
    repository.put(1, "rides@city=SEA")
    assert repository.declaration("rides").keys == ("region", "city")  # type: ignore[union-attr]  # it is there


def test_twins_of_a_name_are_refused(repository: cas.Repository) -> None:
    repository.put(1, "Rides")
    with pytest.raises(RefNameCollision, match="differs from the name 'Rides'"):
        repository.put(1, "rides")
    with pytest.raises(RefNameCollision):
        repository.put_many([(1, "straße"), (2, "STRASSE")])


def test_files_and_directories(repository: cas.Repository, tmp_path: Path) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/a.txt").write_text("hello")
    (tmp_path / "d/sub/b.bin").write_bytes(b"\0" * 200_000)
    repository.put(tmp_path / "d", "tree")
    repository.put(tmp_path / "d/a.txt", "file")
    assert repository.get("tree//a.txt").read_text() == "hello"
    assert repository.get("tree//sub/b.bin").read_bytes() == b"\0" * 200_000
    with repository.open("file") as stream:
        assert stream.read() == b"hello"
    with repository.open("tree//sub/b.bin") as stream:
        stream.seek(199_999)
        assert stream.read() == b"\0"
    with pytest.raises(CodecError, match="many objects"):
        repository.open("tree")
    for ref, near in (("tree//a.tx", "tree//a.txt"), ("tree//sub/b.bim", "tree//sub/b.bin")):
        for ask in (repository.get, repository.resolve, repository.show, repository.open, repository.lineage):
            with pytest.raises(RefNotFound, match="tree holds no") as missing:
                ask(ref)
            assert near in missing.value.suggestions
    assert repository.resolve("tree//sub/b.bin") == repository.resolve("tree")
    assert repository.lineage("tree//sub/b.bin").id == repository.resolve("tree").id
    shown = repository.show("tree//a.txt")
    assert isinstance(shown, ObjectInfo)
    assert (shown.kind, shown.id, shown.size) == ("blob", blake3(b"hello").hexdigest(), 5)
    for refused in (lambda: repository.log("tree//a.txt"), lambda: repository.alias("tree//a.txt", "prod")):
        with pytest.raises(RefSyntax, match="within a version") as error:
            refused()
        assert error.value.position == len("tree")
    (tmp_path / "d/dangling").symlink_to("gone")
    repository.put(tmp_path / "d", "tree")
    with pytest.raises(RefNotFound, match="is a link to gone, where nothing is"):
        repository.get("tree//dangling")
    target = repository.resolve("tree").get(tmp_path / "out")
    assert (target / "sub/b.bin").stat().st_size == 200_000


def test_open_reads_a_seekable_file(repository: cas.Repository) -> None:
    content = bytes(range(256)) * 4096
    repository.put(content, "big")
    with repository.open("big") as stream:
        stream.seek(1_000_000)
        assert stream.read(10) == content[1_000_000:1_000_010]
        stream.seek(-3, io.SEEK_END)
        assert stream.read() == content[-3:]


def test_a_member_of_a_composite_value(repository: cas.Repository) -> None:
    repository.put({"model": {"weights": [1, 2, 3]}}, "bundle")
    assert repository.get("bundle//model/weights") == [1, 2, 3]
    with pytest.raises(RefNotFound, match="no member 'bias'"):
        repository.get("bundle//model/bias")


def test_a_blob_is_read_by_its_id(repository: cas.Repository) -> None:
    version = repository.put(b"some bytes of mine", "blob")
    assert repository.get(version.content_id[:16]) == b"some bytes of mine"
    assert repository.get(version.literal_id) == b"some bytes of mine"


def test_find_by_type_metadata_and_partition(repository: cas.Repository) -> None:
    repository.put(1, "a", metadata={"owner": "ann"})
    repository.put("text", "b", metadata={"owner": "bob"})
    repository.put_many([(number, f"c@k={number}") for number in range(3)])
    assert [one.name for one in repository.find(metadata={"owner": "ann"})] == ["a"]
    assert [one.name for one in repository.find(type="str")] == ["b"]
    assert [one.partitions for one in repository.find("c", partitions={"k": "1"})] == [{"k": "1"}]
    assert len(repository.find("c", limit=2)) == 2
    assert [info.name for info in repository.names("[ab]")] == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda repository: repository.get(3),
        lambda repository: repository.open(None),
        lambda repository: repository.resolve(b"a"),
        lambda repository: repository.put(1, "a", metadata=["why"]),
        lambda repository: repository.batch().put(1, "a", metadata="why"),
        lambda repository: repository.put_many([1]),
        lambda repository: repository.put_many([(1,)]),
        lambda repository: repository.put_many(1),
        lambda repository: repository.find(limit=-1),
        lambda repository: repository.log(limit=-1),
        lambda repository: repository.log("a", limit=-1),
    ],
)
def test_arguments_of_the_wrong_form(repository: cas.Repository, wrong) -> None:
    repository.put(1, "a")
    with pytest.raises(UsageError) as caught:
        wrong(repository)
    assert caught.value.hint
    assert len(repository.log()) == 1


def test_a_version_is_not_named_as_an_alias(repository: cas.Repository) -> None:
    first = repository.put(1, "model", version="1.0")
    repository.alias("model", "prod")
    with pytest.raises(VersionConflict, match="model#prod is an alias") as caught:
        repository.put(2, "model", version="prod")
    assert "cas rm 'model#prod'" in caught.value.hint
    with pytest.raises(VersionConflict):
        repository.put_many([(3, "other"), (2, "model#prod")])
    assert repository.resolve("model#prod").id == first.id
    repository.delete("model#prod")
    assert repository.put(2, "model#prod").get() == 2


def test_a_version_is_refused_inside_a_span_at_once(repository: cas.Repository) -> None:
    repository.put(1, "model", version="1")
    with repository.span("train"):
        repository.put("kept", "report")
        with pytest.raises(VersionConflict, match="model#1 already means"):
            repository.put(2, "model", version="1")
        repository.put(3, "other", version="a")
        with pytest.raises(VersionConflict, match="other#a already means"):
            repository.put(4, "other", version="a")
        assert repository.put(3, "other", version="a").version == "a"
        assert repository.put(1, "model", version="1").version == "1"
    assert (repository.get("report"), repository.get("other#a"), repository.get("model#1")) == ("kept", 3, 1)


def test_a_repository_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".cas").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoRepository):
        cas.open()
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may
    for path in (None, tmp_path):
        with pytest.raises(StorageError, match="permission denied") as refused:
            cas.open(path)
        assert refused.value.hint == f"see who may: ls -ld {tmp_path}/.cas"


def test_many_names_are_listed_counted_and_found(repository: cas.Repository) -> None:
    """With one question for all of them, from as many on as that pays for."""
    repository.put_many([(number, f"n{number:02d}@k=a") for number in range(60)])
    repository.put_many([(number, f"n{number:02d}@k=b") for number in range(0, 60, 2)])
    repository.put("again", "n07@k=a")
    repository.delete("n08@k=a")
    repository.delete("n09@k=a")
    infos = {info.name: (info.partitions, info.versions) for info in repository.names()}
    assert len(infos) == 59 + 1  # n09 is declared still
    assert (infos["n06"], infos["n07"], infos["n08"], infos["n09"]) == ((2, 2), (1, 2), (1, 1), (0, 0))
    assert [info.name for info in repository.names("n0[67]")] == ["n06", "n07"]
    status = repository.status()
    assert (status.names, status.partitions, status.versions) == (60, 88, 89)
    found = repository.find()
    assert len(found) == 88
    assert found == sorted(found, key=lambda one: one.stamp or 0, reverse=True)
    assert {one.ref for one in found} == {one.ref for name in infos for one in repository.find(name)}
