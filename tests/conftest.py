"""Hypothesis profiles, and the fixtures that every room shares."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Times on a shared machine say nothing, so no deadlines. `HYPOTHESIS_PROFILE=thorough pytest` looks much harder.
settings.register_profile("default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

# A shell lets what it starts in the background ignore interrupts, and children inherit that; ours are to answer them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings, author and colours out of every test."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CAS_AUTHOR", "Ann <ann@example.org>")
    for name in ("XDG_CONFIG_HOME", "CAS_PAGER", "PAGER", "CAS_TRACEBACK", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root() -> Path:
    """The top directory of the checkout."""
    return ROOT


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[object]:
    """A new, empty repository in ``tmp_path``."""
    import cas

    opened = cas.init(tmp_path)
    yield opened
    opened.close()


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def shell(tmp_path: Path) -> Run:
    """``shell("put", "a.csv", "a")``: runs ``cas`` as a process in ``tmp_path``, with both outputs as bytes."""

    def run(
        *arguments: str, cwd: Path = tmp_path, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "cas.cli", *arguments],
            cwd=cwd,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
            env={**os.environ, **(env or {})},
        )

    return run
