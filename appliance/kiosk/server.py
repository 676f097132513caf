"""The page's server: waitress, on loopback and nowhere else.

The rules this module keeps:

* It answers as soon as it exists, and ends within a moment: streams are told first.
* An event leaves at once; nothing waits for a full buffer.

    with KioskServer(hub, port=0) as kiosk:
        kiosk.url                    # http://127.0.0.1:41733/
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import waitress
from waitress import wasyncore

from appliance.errors import ApplianceError
from appliance.kiosk import MAX_STREAMS, create_app
from appliance.kiosk.hub import Hub


class KioskServer:
    """A running server. ``port`` 0 takes a free one. Raises ApplianceError when the port is taken."""

    def __init__(self, hub: Hub, *, port: int) -> None:
        self._hub = hub
        self._channels: dict[int, Any] = {}
        try:
            self._server: Any = waitress.create_server(
                create_app(hub),
                map=self._channels,
                host="127.0.0.1",
                port=port,
                threads=MAX_STREAMS + 4,
                ident=None,
                clear_untrusted_proxy_headers=True,
                asyncore_use_poll=True,
                connection_limit=64,
                max_request_body_size=1024,
                max_request_header_size=16 * 1024,
            )
        except OSError as error:
            raise ApplianceError(
                f"the page cannot be served on 127.0.0.1:{port} ({error.strerror}); "
                "is another vaxgate running? Set [kiosk] port"
            ) from error
        self.url = f"http://127.0.0.1:{self._server.effective_port}/"
        self._thread = threading.Thread(target=self._server.run, name="kiosk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the streams, then the server; more than once does no harm."""
        self._hub.close()
        if self._thread.is_alive():
            self._server.task_dispatcher.shutdown(timeout=3)
            # Sockets belong to the server's own thread; it ends when none is left.
            # Awake already, it may have closed them before it is woken: then there is nobody left to wake.
            with suppress(OSError):
                self._server.trigger.pull_trigger(
                    lambda: wasyncore.close_all(self._channels, ignore_all=True)
                )
            self._thread.join(timeout=5)

    def __enter__(self) -> KioskServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
