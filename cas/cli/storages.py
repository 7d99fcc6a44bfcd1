"""Where the names of storages lead, by the user's own config and the repository's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cas.cli.author import configuration_path, read_configuration

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["place"]


def place(repository: Repository, name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The directory or URL of a storage's name: the repository's config goes before the user's. Raises UsageError."""
    from cas.repository.places import configured

    found = configured(repository.config.settings, name, repository.root.parent)
    if found is not None:
        return found
    where = configuration_path(os.environ if environment is None else environment)
    return configured({"storage": read_configuration(where).get("storage", {})}, name, Path(where).parent)
