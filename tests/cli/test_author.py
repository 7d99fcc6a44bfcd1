from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import cas
from cas.cli.author import find_author
from cas.errors import UsageError


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("CAS_AUTHOR")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_environment_wins(nobody: Path) -> None:
    assert find_author("Bo", {"CAS_AUTHOR": " Ann "}) == "Ann"
    assert find_author("Bo", {}) == "Bo"


def test_own_settings_come_before_git(nobody: Path) -> None:
    subprocess.run(["git", "config", "--global", "user.name", "Gitta"], check=True)
    subprocess.run(["git", "config", "--global", "user.email", "gitta@example.org"], check=True)
    assert find_author() == "Gitta <gitta@example.org>"
    (nobody / ".config" / "cas").mkdir(parents=True)
    (nobody / ".config" / "cas" / "config.toml").write_text('[user]\nauthor = "Bo <bo@example.org>"\n')
    assert find_author() == "Bo <bo@example.org>"


def test_nothing_set_still_names_somebody(nobody: Path) -> None:
    assert "@" in find_author()


def test_broken_settings_are_named(nobody: Path) -> None:
    (nobody / "cas").mkdir()
    (nobody / "cas" / "config.toml").write_text("author = \n")
    with pytest.raises(UsageError, match=r"config\.toml"):
        find_author("", {"XDG_CONFIG_HOME": str(nobody)})


def test_the_author_is_found_when_something_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    with cas.init(tmp_path) as repo:
        repo.author = lambda: asked.append("once") or "Ann <ann@example.org>"
        repo.put(1, "n")
        repo.put(1, "n")
        repo.put(2, "n")
        assert asked == ["once"]
        assert repo.author == repo.sign() == "Ann <ann@example.org>"
        segments = sorted((repo.root / "refs").rglob("*.toml"))
    assert sum('author = "Ann <ann@example.org>"' in one.read_text() for one in segments) == 2
    with cas.open(tmp_path) as repo:
        repo.author = lambda: asked.append("again") or "Bo"
        repo.put(2, "n")
        assert asked == ["once"]
