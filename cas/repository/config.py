"""``config.toml`` of a repository: its id, format, required features and defaults."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from cas.errors import NoRepository, UnsupportedFormat
from cas.refs.names import check_domain, check_project

__all__ = ["FORMAT", "Config", "new", "parse", "read"]

FORMAT = 1
FEATURES: frozenset[str] = frozenset()
_LINE = re.compile(r'(\w+) = (?:"([^"\\]*)"|(\d+)|(\[\]))', re.ASCII)
_SECTION = re.compile(r"\[(\w+)\]", re.ASCII)


class Config(NamedTuple):
    """The settings of one repository; ``settings`` is all that the file holds."""

    id: str
    project: str
    domain: str
    author: str
    allow_pickle: bool
    settings: dict[str, Any]


def new(project: str = "default", domain: str = "main") -> str:
    """The text of a new repository's config."""
    return (
        "# A cas repository: see docs/format.md. Settings may be edited by hand.\n"
        f"format = {FORMAT}\n"
        f'id = "{os.urandom(16).hex()}"\n'
        "features = []\n"
        "\n[defaults]\n"
        f'project = "{check_project(project)}"\n'
        f'domain = "{check_domain(domain)}"\n'
    )


def read(root: str) -> Config:
    """The config of the repository in a directory.

    Raises NoRepository where it is missing, UnsupportedFormat where it is too new.
    """
    path = f"{root}/config.toml"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        raise NoRepository(f"no repository at {root}", hint="create one: cas init") from None
    except OSError as error:
        from cas.storage.durable import typed

        raise typed(f"read {path}", error) from error
    except UnicodeDecodeError:
        raise UnsupportedFormat(f"{path} is not UTF-8 text", hint="mend it by hand: docs/format.md") from None
    return parse(text, root)


def parse(text: str, root: str) -> Config:
    """The config that a text is; ``root`` says where it lies. Raises UnsupportedFormat."""
    form = _simple(text)
    if form is None:
        form = _parse(text, f"{root}/config.toml")
    if form.get("format") != FORMAT:
        raise UnsupportedFormat(
            f"{root} has format {form.get('format')!r}; this cas reads format {FORMAT}", hint="upgrade cas-store"
        )
    tables = [form.get(name, {}) for name in ("defaults", "user", "serializers")]
    if not all(isinstance(table, dict) for table in tables) or not isinstance(form.get("features", []), list):
        raise UnsupportedFormat(f"{root}/config.toml is malformed", hint="mend it by hand: docs/format.md")
    unknown = sorted(set(map(str, form.get("features", []))) - FEATURES)
    if unknown:
        raise UnsupportedFormat(f"{root} needs {', '.join(unknown)}, which this cas lacks", hint="upgrade cas-store")
    defaults, user, serializers = tables
    return Config(
        str(form.get("id", "")),
        check_project(str(defaults.get("project", "default"))),
        check_domain(str(defaults.get("domain", "main"))),
        str(user.get("author", "")),
        serializers.get("allow_pickle") is True,
        form,
    )


def _simple(text: str) -> dict[str, Any] | None:
    """The form of a config with only plain lines; None where TOML proper is needed.

    A TOML parser costs a cold `cas resolve` a sixth of its time, and a config as `cas init` writes it needs none.
    """
    form: dict[str, Any] = {}
    table = form
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if section := _SECTION.fullmatch(line):
            if section[1] in form:
                return None
            table = form[section[1]] = {}
        elif (found := _LINE.fullmatch(line)) and found[1] not in table:
            table[found[1]] = [] if found[4] else int(found[3]) if found[3] else found[2]
        else:
            return None
    return form


def _parse(text: str, path: str) -> dict[str, Any]:
    import tomli

    try:
        return tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise UnsupportedFormat(f"{path} is not valid TOML: {error}", hint="mend it by hand: docs/format.md") from error
