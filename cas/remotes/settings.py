"""The remotes that a repository knows: ``[remote.NAME]`` in its own config.toml, written atomically.

A remote's section holds its ``url``, the options of its store (``options.py``) and, after a partial clone, what it
leaves out: ``filter``, ``since``, ``depth``, and ``objects = "on-demand"``.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cas.errors import NotFound, UsageError
from cas.refs.names import check_remote, shown
from cas.remotes.options import check_options
from cas.remotes.urls import parse
from cas.storage.durable import replace_file, storage_errors

__all__ = [
    "ON_DEMAND",
    "RemoteSettings",
    "add",
    "check_free",
    "checked",
    "find",
    "known",
    "moved",
    "remove",
    "section_text",
    "set_url",
]

ON_DEMAND = "on-demand"
_PARTIAL = ("filter", "since", "depth", "objects")


class RemoteSettings(NamedTuple):
    """One remote. ``filter``, ``since`` (an ISO time or its prefix) and ``depth`` limit what a pull takes."""

    name: str
    url: str
    options: Mapping[str, str]
    filter: str | None = None
    since: str | None = None
    depth: int | None = None
    objects: str | None = None

    @property
    def on_demand(self) -> bool:
        """Whether objects come when they are first used, not with a pull."""
        return self.objects == ON_DEMAND

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        given = {key: getattr(self, key) for key in _PARTIAL if getattr(self, key) is not None}
        return {"name": self.name, "url": self.url, "options": dict(self.options), **given}


def known(settings: Mapping[str, Any]) -> dict[str, RemoteSettings]:
    """The remotes that a config names, by name. Raises UsageError, UnsupportedRemote, InvalidRefName."""
    sections = settings.get("remote", {})
    if not isinstance(sections, dict):
        raise UsageError("'remote' in config.toml is not a table", hint="write [remote.NAME]")
    return {name: _read(name, section) for name, section in sections.items()}


def find(settings: Mapping[str, Any], name: str | None) -> RemoteSettings:
    """The remote of a name; without one, ``origin`` or the only one there is. Raises NotFound."""
    remotes = known(settings)
    if name is None:
        if "origin" in remotes or len(remotes) == 1:
            return remotes.get("origin") or next(iter(remotes.values()))
        few = ", ".join(remotes) or "none"
        raise NotFound(f"which remote? There are: {few}", hint="add one: cas remote add origin URL")
    if name not in remotes:
        before = f"; a name comes after its remote: {next(iter(remotes))} {name}" if remotes else ""
        raise NotFound(
            f"no remote {shown(name)}; there are: {', '.join(remotes) or 'none'}",
            hint=f"add it: cas remote add {name} URL{before}",
        )
    return remotes[name]


def check_free(settings: Mapping[str, Any], remote: RemoteSettings) -> None:
    """Raises UsageError where the name is taken."""
    taken = settings.get("remote", {}).get(remote.name)
    if taken is not None:
        raise UsageError(
            f"there is a remote {remote.name} already: {taken.get('url')}",
            hint=f"change it: cas remote set-url {remote.name} URL",
        )


def add(config: Path, remote: RemoteSettings) -> None:
    """Add a remote to a config. Raises UsageError where the name is taken."""
    added = checked(remote)
    with _editing(config) as form:
        check_free(form, added)
        form.setdefault("remote", {})[added.name] = _section(added)


def remove(config: Path, name: str) -> None:
    """Take a remote out of a config. Raises NotFound."""
    with _editing(config) as form:
        find(form, name)
        del form["remote"][name]
        if not form["remote"]:
            del form["remote"]


def set_url(config: Path, name: str, url: str, options: Mapping[str, str] | None = None) -> None:
    """Give a remote another URL (:func:`moved`)."""
    with _editing(config) as form:
        form["remote"][name] = _section(moved(find(form, name), url, options))


def moved(before: RemoteSettings, url: str, options: Mapping[str, str] | None = None) -> RemoteSettings:
    """The remote at another URL; its options stay where none are given and the protocol is the same."""
    same = parse(url).scheme == parse(before.url).scheme
    kept = options if options is not None else before.options if same else {}
    return checked(before._replace(url=url, options=kept))


def checked(remote: RemoteSettings) -> RemoteSettings:
    """The remote as its config says it. Raises UsageError, UnsupportedRemote, InvalidRefName."""
    check_remote(remote.name)
    location = parse(remote.url)
    url = _absolute(location.path) if location.scheme == "file" else location.url
    return remote._replace(url=url, options=check_options(location.scheme, remote.options))


def _absolute(path: str) -> str:
    """A directory is meant from where its path was written, and used from anywhere; ``..`` goes where no link stands
    before it."""
    short = os.path.abspath(path)  # noqa: PTH100 - pathlib keeps ".."
    return short if os.path.realpath(short) == os.path.realpath(path) else str(Path(path).absolute())


def section_text(remote: RemoteSettings) -> str:
    """A remote's section, to stand at the end of a config that has no remotes yet."""
    import tomli_w

    return "\n" + tomli_w.dumps({"remote": {remote.name: _section(checked(remote))}})


def _section(remote: RemoteSettings) -> dict[str, Any]:
    given = {key: getattr(remote, key) for key in _PARTIAL if getattr(remote, key) is not None}
    return {"url": remote.url, **remote.options, **given}


def _read(name: str, section: Any) -> RemoteSettings:
    if not isinstance(section, dict) or not isinstance(section.get("url"), str):
        raise UsageError(f"[remote.{name}] in config.toml has no url", hint=f"cas remote set-url {name} URL")
    rest = {key: value for key, value in section.items() if key != "url"}
    partial = {key: rest.pop(key) for key in _PARTIAL if key in rest}
    depth = partial.pop("depth", None)
    texts = {key: str(value) for key, value in partial.items()}
    options = {key: _text(value) for key, value in rest.items()}
    return checked(RemoteSettings(name, section["url"], options, depth=None if depth is None else int(depth), **texts))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def _editing(config: Path) -> Iterator[dict[str, Any]]:
    """The config's form, to be changed within; written back whole. Other processes wait."""
    import tomli
    import tomli_w

    temporary = config.parent / "tmp"
    with storage_errors(f"write {config}"):
        temporary.mkdir(exist_ok=True)
        lock = os.open(temporary / "config.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = config.read_text(encoding="utf-8")
        form = tomli.loads(text)
        yield form
        head = "".join(line for line in text.splitlines(keepends=True)[:1] if line.startswith("#"))
        replace_file(config, (head + tomli_w.dumps(form)).encode(), temporary)
    finally:
        os.close(lock)
