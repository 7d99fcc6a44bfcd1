"""The roof: the only room that knows click, the terminal, the environment and the home directory.

entry.py      runs a command line and turns errors into messages and exit codes
table.py      the commands; each one's module is loaded when it is used
command.py    what all commands share: examples in the help, common options
terminal.py   where we are and what the terminal can do
<verb>.py     one command: a plain function, and the click command over it
render/       text and JSON of what commands found; pure functions
"""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """The console script ``cas``."""
    gc.set_threshold(50_000, 20, 20)  # what starts up makes many objects, none of them garbage
    try:
        from cas.cli.entry import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the modules are loaded, or as all is let go
        sys.stderr.write("interrupted\n")
        code = 130
    sys.exit(code)
