"""A remote as it was last fetched, to be asked as the repository itself is: ``origin:name@…``, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.repository.repository import Repository

if TYPE_CHECKING:
    from cas.refs.log import RefLog
    from cas.remotes.sides import Remote
    from cas.repository.spanning import ActiveSpan

__all__ = ["RemoteView"]


class RemoteView(Repository):
    """Shares everything with a repository but the log: names mean what the remote's log says."""

    def __init__(self, repository: Repository, remote: Remote) -> None:
        # The parts are the repository's own, so nothing is opened, and nothing must be closed.
        self.__dict__.update(repository.__dict__)
        self.objects = repository.objects
        self.session = repository.session
        self.catalog = remote.catalog
        self.remote_name = remote.name
        self.log_prefix = remote.prefix
        self._remote = remote

    def log_of(self, project: str, domain: str) -> RefLog:
        """The copy of a log of the remote."""
        return self._remote.copy_of(project, domain)

    def spans_around(self) -> tuple[ActiveSpan, ...]:
        """None: what runs here holds back nothing there."""
        return ()

    def close(self) -> None:
        """The repository's parts are closed by itself."""
