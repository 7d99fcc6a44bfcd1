"""Who writes: the author that ref log segments carry."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["configuration_path", "find_author", "read_configuration"]


def find_author(configured: str = "", environment: Mapping[str, str] | None = None) -> str:
    """``Ann <ann@example.org>``: CAS_AUTHOR, else what the repository has configured, else the user's own
    ``[user] author``, else git's user, else ``login@host``."""
    found = os.environ if environment is None else environment
    said = found.get("CAS_AUTHOR", "").strip() or configured
    return said or _from_configuration(found) or _from_git() or _from_system()


def configuration_path(environment: Mapping[str, str]) -> Path:
    """The user's own settings: ``$XDG_CONFIG_HOME/cas/config.toml``, by default under ``~/.config``."""
    base = environment.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else Path.home() / ".config") / "cas" / "config.toml"


def read_configuration(path: Path) -> dict[str, Any]:
    """The user's own settings, empty where there are none. Raises UsageError where they are not TOML."""
    try:
        content = path.read_bytes()
    except (OSError, RuntimeError):  # no such file, or no home directory at all
        return {}
    import tomli

    try:
        return tomli.loads(content.decode())
    except ValueError as error:
        from cas.errors import UsageError

        raise UsageError(
            f"{path} is not TOML: {error}", hint='it should say, under [user]: author = "Ann <ann@example.org>"'
        ) from None


def _from_configuration(environment: Mapping[str, str]) -> str:
    try:
        path = configuration_path(environment)
    except RuntimeError:  # no home directory at all
        return ""
    user = read_configuration(path).get("user", {})
    author = user.get("author") if isinstance(user, dict) else None
    return author.strip() if isinstance(author, str) else ""


def _from_git() -> str:
    try:
        answer = subprocess.run(
            ["git", "config", "--get-regexp", r"^user\.(name|email)$"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            stdin=subprocess.DEVNULL,
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):  # no git here
        return ""
    user = dict(line.partition(" ")[::2] for line in answer.splitlines())
    name, email = user.get("user.name", ""), user.get("user.email", "")
    return f"{name} <{email}>" if name and email else name or email


def _from_system() -> str:
    try:
        login = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in containers
        login = str(os.getuid()) if sys.platform != "win32" else "unknown"
    return f"{login}@{os.uname().nodename if sys.platform != 'win32' else 'localhost'}"
