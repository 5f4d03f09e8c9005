"""Servers of the explorer for tests, on bundled networks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import trainlet as tl
from trainlet.explorer.explored import Source
from trainlet.explorer.serve import Server
from trainlet.explorer.work import Service


def source(bundled: str) -> Source:
    return Source(None, None, tl.Target.preset("cortex-m7"), bundled)


@contextmanager
def served(given: str | Source, worker: bool = False) -> Iterator[Server]:
    service = Service(source(given) if isinstance(given, str) else given, worker)
    try:
        with Server(service) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
    finally:
        service.close()
