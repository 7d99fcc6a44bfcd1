"""All that must hold before a change goes in: lint, format, types, floors, tests. Ends with pytest's own last line.

python tests/run.py            everything
python tests/run.py ARGS…      everything, with further arguments for pytest
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sysconfig.get_path("scripts"))


def steps(arguments: list[str]) -> list[list[str]]:
    """The commands, in order; pytest last."""
    return [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
        [sys.executable, "docs/generate_cli.py", "--check"],
        [sys.executable, "-m", "pytest", "-n", "2", "-q", "-m", "not slow", *arguments],
    ]


def run(step: list[str], environment: dict[str, str]) -> bool:
    """Run one command in the repository's top directory; whether it succeeded."""
    print(f"\n$ {' '.join('python' if word == sys.executable else word for word in step)}", flush=True)
    tool = TOOLS / step[0]
    command = [str(tool), *step[1:]] if tool.exists() else step
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0


def main() -> int:
    """Run all steps, also after one failed; 1 if any did."""
    environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}"}
    all_steps = steps(sys.argv[1:])
    failed = [" ".join(step).replace(sys.executable, "python") for step in all_steps[:-1] if not run(step, environment)]
    if failed:
        print(f"\nfailed: {', '.join(failed)}", flush=True)
    passed = run(all_steps[-1], environment)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
