"""Where the command begins: a signal ends it in order, also while torch is being imported."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from typing import Any

from trainlet.interrupt import end_in_order, exit_code


def main() -> None:
    """Run the command line; never returns."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name may be no text, a terminal no UTF-8
            stream.reconfigure(errors="backslashreplace")
    listening = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listening:
        signal.signal(signal.SIGINT, _leave)
    from trainlet.cli.main import app

    end_in_order()
    try:
        if listening:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name="trainlet")
    except KeyboardInterrupt as stop:
        sys.exit(exit_code(stop))


def _leave(*_: Any) -> None:
    """At once: nothing has begun, and an import that is cut short may end in any error."""
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(128 + signal.SIGINT)
