from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_commands_page_is_current(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(root / "docs" / "generate_cli.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
