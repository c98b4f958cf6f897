"""What stands before Streamlit in the server."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from dashboard import first
from dashboard.early import ROOT, Early

PAGE = f"<body>{ROOT}</body>".encode()
HEADERS = [(b"content-type", b"text/html"), (b"content-length", b"1"), (b"etag", b"x"), (b"cache-control", b"no-cache")]


async def _nothing(message: Any = None) -> Any:
    return None


def test_a_websocket_waits_until_the_pages_are_loaded_and_nothing_else_does() -> None:
    seen: list[str] = []
    loaded = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def opened() -> None:
        early = Early(app, Path("runs"), "/plotly.js", loaded)
        waiting = asyncio.create_task(early({"type": "websocket", "path": "/_stcore/stream"}, _nothing, _nothing))
        await asyncio.sleep(0.2)
        await early({"type": "http", "path": "/static/js/index.js", "method": "GET"}, _nothing, _nothing)
        assert seen == ["http"]
        loaded.set()
        await waiting
        await early({"type": "websocket", "path": "/_stcore/stream"}, _nothing, _nothing)
        assert seen == ["http", "websocket", "websocket"]

    asyncio.run(opened())


def answered(
    status: int = 200, path: str = "/front", page: bytes = PAGE, loaded: bool = False
) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body that a browser gets, of a server that is still starting or has loaded its pages."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert not {name for name, _ in scope["headers"]} & {b"accept-encoding", b"if-none-match"}
        await send({"type": "http.response.start", "status": status, "headers": HEADERS})
        await send({"type": "http.response.body", "body": page[:9], "more_body": True})
        await send({"type": "http.response.body", "body": page[9:]})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-encoding", b"gzip"), (b"if-none-match", b"x"), (b"host", b"localhost")]
    scope = {"type": "http", "path": path, "method": "GET", "headers": headers, "query_string": b"study=a"}
    pages = threading.Event()
    if loaded:
        pages.set()
    asyncio.run(Early(app, Path("runs"), "/plotly.js", pages)(scope, _nothing, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == status
    return dict(sent[0]["headers"]), sent[1]["body"]


def test_a_page_comes_with_a_first_look_and_the_length_of_both() -> None:
    headers, body = answered()
    assert ROOT.encode() + b'\n<div id="nas-first"' in body
    assert b"Starting." in body
    assert headers[b"content-length"] == str(len(body)).encode()
    assert b"etag" not in headers, "it would be Streamlit's file's, not ours"
    assert headers[b"cache-control"] == b"no-cache"
    assert b"</plotly.js>; rel=preload" in headers[b"link"]


def test_a_look_that_fails_is_told_in_the_terminal_and_the_page_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> str:
        raise ValueError("a fault of our own")

    monkeypatch.setattr(first, "first_look", broken)
    assert b"<p>Opening.</p>" in answered(loaded=True)[1]
    assert "ValueError: a fault of our own" in capsys.readouterr().err


def test_another_page_than_the_one_we_know_stays_as_it_is() -> None:
    assert answered(page=b"<body>something else</body>")[1] == b"<body>something else</body>"
    assert answered(status=404)[1] == PAGE
