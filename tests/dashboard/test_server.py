"""What stands before Streamlit in the server."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from dashboard.server import _Early


def test_a_websocket_waits_until_the_pages_are_loaded_and_nothing_else_does() -> None:
    seen: list[str] = []
    loaded = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(message: Any = None) -> Any:
        return None

    async def opened() -> None:
        early = _Early(app, "/plotly.js", loaded)
        waiting = asyncio.create_task(early({"type": "websocket", "path": "/_stcore/stream"}, nothing, nothing))
        await asyncio.sleep(0.2)
        await early({"type": "http", "path": "/static/js/index.js", "method": "GET"}, nothing, nothing)
        assert seen == ["http"]
        loaded.set()
        await waiting
        await early({"type": "websocket", "path": "/_stcore/stream"}, nothing, nothing)
        assert seen == ["http", "websocket", "websocket"]

    asyncio.run(opened())
