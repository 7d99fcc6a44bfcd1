"""Every code block of README.md and docs/ runs, in order, in a directory of its own, or says why not.

A block is left out by ``<!-- not run: reason -->`` on a line right before it; ``<!-- test line -->`` marks the line
that .ci/run runs. ``python`` blocks of a page share one namespace; ``console`` blocks hold ``$ `` lines, and where
output is shown it must come out, with ``…`` for whatever varies; ``sh`` and ``bash`` blocks are scripts; other
languages are for the eyes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = {"python", "console", "sh", "bash", "shell"}
FENCE = re.compile(r"^( *)(`{3,})([\w+-]*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"<!-- (not run: \S.*|test line) -->")


class Block(NamedTuple):
    """A fenced block: its language, text, line number, and whether it runs."""

    language: str
    text: str
    line: int
    runs: bool


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for fence in FENCE.finditer(page):
        before = page[: fence.start()].rstrip("\n").rpartition("\n")[2]
        indent = len(fence[1])
        text = "".join(line[indent:] if line.strip() else "\n" for line in fence[4].splitlines(keepends=True))
        language = fence[3].lower()
        runs = language in RUN and not REASON.fullmatch(before.strip())
        found.append(Block(language, text, page.count("\n", 0, fence.start()) + 2, runs))
    return found


def expectation(shown: str) -> re.Pattern[str]:
    """What a block's shown output asks for: any run of spaces is one, … stands for anything."""
    lines = [" ".join(line.split()) for line in shown.strip("\n").splitlines()]
    pattern = "\n".join(".*" if line in ("…", "...") else re.escape(line).replace("…", ".*") for line in lines)
    return re.compile(pattern, re.DOTALL)


def squeezed(output: str) -> str:
    return "\n".join(" ".join(line.split()) for line in output.strip("\n").splitlines())


def commands(text: str) -> list[tuple[str, str]]:
    """The ``$ `` lines of a console block, ``> `` lines joined to them, each with the output shown below it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and line.startswith("> ") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", "")
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        else:
            raise AssertionError(f"a console block begins with `$ `, not {line!r}")
    return found


class Page:
    """Runs the blocks of one page in one directory."""

    def __init__(self, name: str, directory: Path, path: str) -> None:
        self.name = name
        self.namespace: dict[str, object] = {"__name__": "__main__"}
        self.directory = directory
        self.environment = {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
        self.shell_directory = directory

    def run(self, block: Block) -> None:
        if block.language == "python":
            padded = "\n" * (block.line - 1) + block.text  # so that a traceback names the page's line
            exec(compile(padded, self.name, "exec"), self.namespace)
        elif block.language == "console":
            for command, shown in commands(block.text):
                output = self._shell(command, block)
                if shown.strip():
                    assert expectation(shown).fullmatch(squeezed(output)), f"{command!r} printed:\n{output}"
        else:
            self._shell(block.text, block)

    def _shell(self, script: str, block: Block) -> str:
        marker = "--cas-docs-directory--"
        done = subprocess.run(
            ["bash", "-c", f"set -eo pipefail\n{script}\necho; echo '{marker}'; pwd"],
            cwd=self.shell_directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        output, _, directory = done.stdout.rpartition(f"\n{marker}\n")
        assert done.returncode == 0, f"{self.name}, block at line {block.line}: {script!r} failed:\n{done.stdout}"
        self.shell_directory = Path(directory.strip())
        return output


@pytest.fixture
def search_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PATH with the ``cas`` and ``python`` of this interpreter first."""
    tools = tmp_path_factory.mktemp("bin")
    for name, arguments in (("cas", " -m cas.cli"), ("python", ""), ("python3", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        (tools / name).chmod(0o755)
    return os.pathsep.join([str(tools), sysconfig.get_path("scripts"), os.environ.get("PATH", "")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_path: str) -> None:
    monkeypatch.chdir(tmp_path)
    session = Page(str(page.relative_to(ROOT)), tmp_path, search_path)
    for block in blocks(page.read_text()):
        if block.runs:
            session.run(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if not re.match(r"[a-z]+:", target)]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_marks_are_read() -> None:
    page = "<!-- not run: needs a network -->\n```python\n1/0\n```\n\n```python\nx = 1\n```\n```text\n```\n"
    assert [(block.language, block.runs) for block in blocks(page)] == [
        ("python", False),
        ("python", True),
        ("text", False),
    ]


def test_shown_output_is_compared_loosely() -> None:
    assert expectation("a  b …\n…\nend").fullmatch(squeezed("a b 3fa9\nx\ny\nend\n"))
    assert not expectation("a b").fullmatch(squeezed("a c"))
