"""The version of the code that runs: the git commit of the working directory."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["code_version"]


@lru_cache(maxsize=64)
def code_version(directory: str) -> dict[str, Any]:
    """``{"commit": hex, "dirty": bool, "root": name}`` of the git checkout around a directory; empty where there is
    none.

    Asked once per directory and process: a run belongs to the code as it was when the process first opened a span.
    """
    if not any((parent / ".git").exists() for parent in (Path(directory), *Path(directory).parents)):
        return {}
    command = ["git", "--no-optional-locks", "-C", directory, "status", "--porcelain=v2", "--branch", "-uno"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode != 0:
        return {}
    lines = done.stdout.splitlines()
    commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "")
    if not commit or commit == "(initial)":
        return {}
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}
