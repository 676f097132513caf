"""The fixture of the trust sync's tests; what it is made of stands in ``trust_site.py``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from trust_site import START, Publisher, Server, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A repository published at START, its server, and an empty store."""
    publisher = Publisher(tmp_path / "repository")
    publisher.publish(START)
    server = Server(tmp_path / "repository")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield Site(publisher, server, tmp_path / "store")
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)
