"""All benchmarks, one table: ``python tests/benchmarks/run.py [--quick] [--only NAME] [--rounds N] [--on DIR]``.

Peers run beside us in the same call, in turn. Quote only runs of a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from measure import Figure, Settings

BENCHMARKS = [
    "small_literals",
    "large_file",
    "tree_of_files",
    "resolve_cold",
    "resolve_open",
    "spans_and_models",
    "exchange",
    "flows",
]
LIBRARIES = ["blake3", "pyfastcdc", "zstandard", "msgspec", "pyarrow", "pandas"]
HEADINGS = Figure("figure", "limit", "peer", "peer's", "ours", "ours ÷ peer's", None)


def main() -> int:
    options = parse()
    print(machine(options.on), flush=True)
    missed = 0
    for name in options.only or BENCHMARKS:
        room = Path(tempfile.mkdtemp(prefix=f"cas-benchmark-{name}-", dir=options.on))
        try:
            print(f"\n### {name}\n", flush=True)
            print(row(HEADINGS, "verdict"), "|---|---|---|---|---|---|---|", sep="\n", flush=True)
            for figure in importlib.import_module(name).run(Settings(room, options.quick, options.rounds)):
                missed += figure.verdict is False
                print(row(figure, {True: "met", False: "**missed**", None: ""}[figure.verdict]), flush=True)
        finally:
            shutil.rmtree(room, ignore_errors=True)
    print(f"\n{missed} of the limits missed" if missed else "\nall limits met")
    return int(missed > 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small inputs: to see that it works, not to quote")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=3, help="pairs of each comparison (3)")
    parser.add_argument("--on", type=Path, default=Path(tempfile.gettempdir()), help="where to work (/dev/shm: tmpfs)")
    return parser.parse_args()


def row(figure: Figure, verdict: str) -> str:
    cells = [figure.what, figure.limit, figure.peer, figure.theirs, figure.ours, figure.ratio, verdict]
    return "| " + " | ".join(cells) + " |"


def machine(where: Path) -> str:
    """The machine, the file system and the versions, in a paragraph."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = models[0].split(":", 1)[1].strip() if models else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kind = subprocess.run(["stat", "-f", "-c", "%T", where], capture_output=True, text=True, check=False).stdout.strip()
    peers = [tool_version("git"), tool_version("b3sum"), tool_version("cp")]
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()} {platform.release()}; "
        f"{kind or 'unknown file system'}; Python {platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        + "; "
        + ", ".join(peer for peer in peers if peer)
        + f"; cas-store {version('cas-store')}"
    )


def tool_version(tool: str) -> str:
    if not shutil.which(tool):
        return ""
    return subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
