"""A child that was forked while another thread imported a module can import it too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

FORKS_WHILE_A_THREAD_IMPORTS = """
import os, signal, sys, threading
import cas
cas.init(sys.argv[1])  # from here on forks are prepared
sys.path.insert(0, sys.argv[1])
thread = threading.Thread(target=lambda: __import__("slow"))
thread.start()
while "slow" not in sys.modules:
    pass
child = os.fork()
if not child:
    signal.alarm(20)
    import slow
    os._exit(slow.VALUE)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_waits_for_the_imports_of_other_threads(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.5)\nVALUE = 7\n")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS_WHILE_A_THREAD_IMPORTS, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7, (signal.Signals(-done.returncode) if done.returncode < 0 else "", done.stderr)
