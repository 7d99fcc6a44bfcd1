"""``migrate_artifacts`` and ``cas migrate``: new versions under the old names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cas
from cas.errors import DeclarationError, MigrationError, NotFound
from cas.models.migration import find_model, migrate_artifacts

OLD = """
from dataclasses import dataclass
import cas

@dataclass
class Report(cas.ArtifactModel, version=1, name="migration.report"):
    a: int
"""
NEW = """
from dataclasses import dataclass
import cas

@dataclass
class Report(cas.ArtifactModel, version=2, name="migration.report"):
    b: int

    @classmethod
    def migrate(cls, version, data):
        return cls(b=data["a"] * 10)
"""
PUT = """
import cas
from reports import Report
cas.use(".", create=True)
Report(1).create("one")
cas.put(Report(2), "two@k=v", metadata={"team": "x"})
cas.put(Report(2), "three")
cas.put(5, "number")
with cas.span_context(label="span"):
    cas.create_span_artifact("current", label="labelled", data=Report(3))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with a repository of version 1, and the module of version 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports.py").write_text(OLD)
    subprocess.run([sys.executable, "-c", PUT], check=True, cwd=tmp_path)
    (tmp_path / "reports.py").write_text(NEW)
    return tmp_path


def cli(place, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "cas.cli", *arguments], cwd=place, capture_output=True, text=True, check=False
    )


def test_cas_migrate(place):
    planned = cli(place, "migrate", "reports:Report")
    assert planned.returncode == 1, planned.stderr
    assert sorted(line.split("#")[0] for line in planned.stdout.splitlines()) == [
        "would migrate  one",
        "would migrate  three",
        "would migrate  two@k=v",
    ]
    done = cli(place, "migrate", "reports:Report", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    again = cli(place, "migrate", "reports:Report", "--yes")
    assert (again.returncode, again.stdout.strip()) == (0, "")

    monkey_path = str(place)
    sys.path.insert(0, monkey_path)
    try:
        import reports
    finally:
        sys.path.remove(monkey_path)
    with cas.open(place) as repo:
        assert cas.get("one") == reports.Report(10)
        assert cas.get("two@k=v") == reports.Report(20)
        assert repo.resolve("two@k=v").metadata == {"team": "x"}
        # the old one is still there, and migrates as it is read
        assert len(repo.log("one")) == 2
        assert cas.get("one~1") == reports.Report(10)
        assert repo.find(cas.ArtifactFilter(model="migration.report", version=1))[0].label == "labelled"
    repo.close()


def test_a_migration_that_fails_writes_nothing(tmp_path):
    from dataclasses import dataclass

    from cas.models import classes

    with cas.init(tmp_path) as repo:

        @dataclass
        class First(cas.ArtifactModel, version=1, name="migration.fails"):
            a: int

        First(1).create("good")
        First(2).create("bad")
        del classes._BY_NAME["migration.fails"]

        @dataclass
        class Second(cas.ArtifactModel, version=2, name="migration.fails"):
            b: int

            @classmethod
            def migrate(cls, version, data):
                if data["a"] == 2:
                    raise ValueError("two")
                return cls(data["a"])

        with pytest.raises(MigrationError, match="two"):
            migrate_artifacts(repo, Second)
        bad = repo.resolve("bad")
        for read in (lambda: repo.get("bad"), bad.get, lambda: Second.read("bad")):
            with pytest.raises(MigrationError, match=rf"artifact {bad.id[:12]}.*version 1 to version 2"):
                read()
        assert len(repo.log("good")) == 1
    repo.close()


def test_each_ref_that_stands_there_is_migrated_once(tmp_path):
    from dataclasses import dataclass

    from cas.models import classes

    with cas.init(tmp_path) as repo:

        @dataclass
        class First(cas.ArtifactModel, version=1, name="migration.again"):
            a: int

        for name, number in (("gone", 1), ("back", 1), ("back", 2), ("back", 1), ("moved", 1), ("moved", 2)):
            First(number).create(name)
        repo.put(5, "moved")
        repo.delete("gone")
        del classes._BY_NAME["migration.again"]

        @dataclass
        class Second(cas.ArtifactModel, version=2, name="migration.again"):
            a: int

        (done,) = migrate_artifacts(repo, Second)
        assert done.ref.startswith("back#")
        assert repo.get("back") == Second(1)
        assert migrate_artifacts(repo, Second) == []
    repo.close()


def test_places_that_are_none():
    with pytest.raises(NotFound, match="no place of a class"):
        find_model("Report")
    with pytest.raises(NotFound, match="no model nothing_here:X"):
        find_model("nothing_here:X")
    with pytest.raises(DeclarationError, match="no model class"):
        find_model("pathlib:Path")
