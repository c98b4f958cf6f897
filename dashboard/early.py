"""What the server does before Streamlit: it lets a browser begin while Python still loads and Streamlit still starts.

Streamlit's scripts, its session and a page's first run take a browser two seconds, in which it would show nothing. The
first look (`first.py`, early.html) comes with the page: sketch.js draws its picture, and it goes as soon as the page
itself stands (early.js).
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


ROOT = '<div id="root"></div>'  # of Streamlit's page
_STARTING = "<p>Starting. A study of many thousand trials takes some seconds to read, once.</p>"
_LOOK = Template("\n" + _file("early.html"))
_SCRIPT = "\n".join(map(_file, ("sketch.js", "early.js")))


class Early:
    """Has a page begin with a first look, and fetch plotly (`url`) while Streamlit starts: it is run when a first
    picture of the chart has been painted, as plotly takes a second to run.

    Has a page's websocket, on which it hears what to show, wait until the pages are `loaded`: a browser fetches
    Streamlit's own scripts meanwhile."""

    def __init__(self, app: ASGIApp, runs: Path, url: str, loaded: threading.Event) -> None:
        self._app, self._runs, self._loaded = app, runs, loaded
        self._link = (b"link", f"<{url}>; rel=preload; as=script; fetchpriority=low".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not self._loaded.is_set():
            await asyncio.to_thread(self._loaded.wait)
        path = scope.get("path", "")
        is_page = scope["type"] == "http" and path.count("/") == 1 and not path.startswith("/_") and "." not in path
        if not is_page or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message = {}
        page = b""

        async def with_look(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                start = message
                return
            page += message.get("body", b"")
            if message.get("more_body"):
                return
            query = scope.get("query_string", b"").decode("latin-1")
            body = await asyncio.to_thread(self._with_look, page, path, query) if start["status"] == 200 else page
            headers = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_A_FILE]
            headers += [self._link, (b"content-length", str(len(body)).encode())]
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        plain = [(name, value) for name, value in scope["headers"] if name.lower() not in _CONDITIONS]
        await self._app({**scope, "headers": plain, "extensions": {}}, receive, with_look)

    def _with_look(self, page: bytes, path: str, query: str) -> bytes:
        """Streamlit's page with the look in it; as it is where it is another page than the one we know."""
        text, body = page.decode(), _STARTING
        if self._loaded.is_set():
            from dashboard.first import first_look

            try:
                body = first_look(self._runs, path, dict(parse_qsl(query)))
            except Exception:  # the page comes all the same, and says what is wrong
                traceback.print_exc()
                body = "<p>Opening.</p>"
        return text.replace(ROOT, ROOT + _LOOK.substitute(body=body, script=_SCRIPT), 1).encode()


_OF_A_FILE = (b"content-length", b"etag", b"last-modified")  # what is said of Streamlit's file is not true of ours
_CONDITIONS = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
