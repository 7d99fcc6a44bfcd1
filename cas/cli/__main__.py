"""``python -m cas.cli``, the same as ``cas``."""

from __future__ import annotations

from cas.cli import main

main()
