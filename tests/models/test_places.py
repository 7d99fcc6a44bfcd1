"""Where the name of a storage leads: the repository's config, a remote, the user's config on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cas
from cas.cli.entry import run
from cas.errors import StorageUnknown, UsageError
from cas.repository import places


@dataclass
class Placed(cas.ArtifactModel, version=1, name="places.placed"):
    value: Any = cas.artifact_field(storage="shelf", serializer=cas.json_serializer)


@pytest.fixture
def repo(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "_ASKED", [])
    repository = cas.init(tmp_path / "here")
    yield repository
    repository.close()


def configure(repo: cas.Repository, text: str) -> cas.Repository:
    path = repo.root / "config.toml"
    path.write_text(path.read_text() + "\n" + text)
    repo.close()
    return cas.open(repo.root.parent)


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir() if path.is_file()]


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ('[storage.shelf]\nurl = "near/shelf"', "here/near/shelf"),
        ('[storage.shelf]\nurl = "file://{tmp}/far"', "far"),
        ('[remote.shelf]\nurl = "file://{tmp}/other"', "other/stored"),
        ('[remote.shelf]\nurl = "file://{tmp}/other"\n[storage.shelf]\nurl = "{tmp}/first"', "first"),
    ],
)
def test_by_the_repositorys_config(repo, tmp_path, text, folder):
    with configure(repo, text.replace("{tmp}", str(tmp_path))) as again:
        artifact = Placed({"a": 1}).create("placed")
        assert files(tmp_path / folder) == [b'{"a":1}']
        assert Placed.read(artifact) == Placed({"a": 1})
    again.close()


def test_nobody_says(repo):
    with repo, pytest.raises(StorageUnknown, match="'shelf'") as caught:
        Placed(1).create("placed")
    assert "[storage.shelf]" in caught.value.hint


def test_a_section_without_a_place(repo):
    with (
        configure(repo, "[storage.shelf]\nnothing = 1") as again,
        pytest.raises(UsageError, match="does not say where"),
    ):
        Placed(1).create("placed")
    again.close()


def test_by_the_users_config_on_the_command_line(repo, tmp_path, monkeypatch, capsys):
    home = tmp_path / "settings" / "cas"
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f'[storage.shelf]\nurl = "{tmp_path}/mine"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path / "here")
    assert run(["status"]) == 0  # whoever opened a repository last says where names lead
    with repo:
        Placed({"a": 2}).create("placed")
    assert files(tmp_path / "mine") == [b'{"a":2}']
    capsys.readouterr()
    assert run(["cat", "placed"]) == 0
    assert capsys.readouterr().out == '{"value":{"a":2}}\n'
