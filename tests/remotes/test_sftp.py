"""What is SFTP's own: keys, host keys, a lost answer, temporary files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cas.errors import AuthError, RemoteError, UnsupportedRemote
from cas.remotes.backends import open_writable


@pytest.fixture
def remote(any_remote):
    return any_remote("sftp")


def test_a_stranger_is_refused(remote, sshd):
    store = open_writable(remote.url, {**remote.options, "identity_file": str(sshd.stranger)})
    with pytest.raises(AuthError) as caught:
        store.create("x", b"1")
    assert caught.value.exit_code == 12
    store.close()


def test_an_unknown_host_is_refused(remote, tmp_path):
    (tmp_path / "nobody").write_text("")
    store = open_writable(remote.url, {**remote.options, "known_hosts": str(tmp_path / "nobody")})
    with pytest.raises(AuthError, match=r"[Hh]ost key"):
        store.read("x")
    store.close()


@pytest.mark.parametrize("option", ["identity_file", "known_hosts"])
def test_a_missing_file_of_keys_is_no_missing_repository(remote, option):
    store = open_writable(remote.url, {**remote.options, option: "/nowhere/keys"})
    with pytest.raises(AuthError, match="no file /nowhere/keys"):
        store.read("config.toml")
    store.close()


def test_a_lost_answer_is_no_conflict(any_remote, sshd, cutting):
    direct = any_remote("sftp")
    target = Path("/" + direct.url.split("/", 3)[3]) / "refs/1"
    proxy = cutting(sshd.port, lambda *_: target.exists() and proxy.cuts == 0)
    url = direct.url.replace(f":{sshd.port}/", f":{proxy.port}/")
    store = open_writable(url, direct.options)
    store.retry = store.retry._replace(first=0.01)
    assert store.create("refs/1", b"mine")
    assert proxy.cuts == 1
    assert not store.create("refs/1", b"other")
    assert target.read_bytes() == b"mine"
    store.close()


def test_nobody_listens(any_remote):
    store = any_remote("sftp", 1).open()
    store.retry = store.retry._replace(first=0.01)
    with pytest.raises(RemoteError) as caught:
        store.create("x", b"1")
    assert caught.value.kind == "remote"
    store.close()


def test_a_password_in_the_url_is_refused(remote):
    with pytest.raises(UnsupportedRemote) as caught:
        open_writable("sftp://ann:hunter2@example.org/x")
    assert "hunter2" not in str(caught.value)


def test_a_create_that_loses_leaves_no_temporary_file(remote):
    directory = Path("/" + remote.url.split("/", 3)[3])
    store = remote.open()
    assert store.create("refs/1", b"mine")
    assert not store.create("refs/1", b"other")
    assert list((directory / "tmp").iterdir()) == []
    assert [info.name for info in store.list("")] == ["refs/1"]
    store.close()


def test_the_login_directory(remote):
    host = remote.url.split("/")[2]
    store = open_writable(f"sftp://{host}/~/cas-test-nowhere", remote.options)
    assert not store.exists("nothing")
    assert list(store.list("")) == []
    store.close()
