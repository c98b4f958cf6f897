"""Starts the dashboard: Streamlit on this machine's own address only, without torch."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import traceback
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from space import InputError

if TYPE_CHECKING:
    from streamlit.starlette import App

HOST = "127.0.0.1"
HOSTS = ["localhost", HOST]  # names under which a page may ask
RUNS = "NAS_RUNS"  # environment variable with the folder of studies


def serve(runs: Path, port: int = 8501, open_browser: bool = True) -> int:
    """Serves the dashboard of `runs` until Ctrl-C or SIGTERM, then returns 0. Prints its URL on stdout.

    Raises InputError before anything starts where the port is taken or Streamlit is missing.
    """
    if find_spec("streamlit") is None:
        raise InputError("streamlit must be installed, got none; run `make install`")
    _check_free(port)
    os.environ[RUNS] = str(runs)
    signal.signal(signal.SIGTERM, _interrupt)
    with suppress(KeyboardInterrupt):
        build(f"http://{HOST}:{port}", open_browser, runs).run(config=settings(port))
    return 0


def build(url: str, open_browser: bool, runs: Path) -> App:
    """The Streamlit app with one route more: plotly's own script, which a browser fetches once and keeps."""
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import FileResponse
    from starlette.routing import Route
    from streamlit.starlette import App

    from dashboard.early import Early
    from dashboard.plot import PLOTLY_URL

    loaded = threading.Event()
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "identity"}

    async def script(_: Request) -> FileResponse:
        return FileResponse(plotly_script(), media_type="text/javascript", headers=headers)

    @asynccontextmanager
    async def started(_: App) -> AsyncIterator[None]:
        print(f"Dashboard: {url} (Ctrl-C ends it)", flush=True)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        threading.Thread(target=_warm, args=(runs, loaded), daemon=True).start()
        yield

    page = Path(__file__).with_name("app.py")
    before = [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS),
        Middleware(Early, runs=runs, url=PLOTLY_URL, loaded=loaded),
    ]
    return App(page, lifespan=started, routes=[Route(PLOTLY_URL, script)], middleware=before, on_script_error=_tell)


def settings(port: int) -> dict[str, Any]:
    """Streamlit's options. Nothing is requested from outside, and no other machine or site can reach the page."""
    return {
        "server.address": HOST,
        "server.port": port,
        "server.headless": True,
        "server.allowedHosts": HOSTS,
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.fileWatcherType": "none",
        "runner.magicEnabled": False,
        "runner.postScriptGC": False,  # it walks all trials of all studies after each quiet look of each session
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        "logger.hideWelcomeMessage": True,
        "theme.light.primaryColor": "#0072B2",
        "theme.dark.primaryColor": "#56B4E9",
    }


def plotly_script() -> Path:
    """plotly.js as the installed plotly package brings it."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise InputError("plotly must be installed, got none; run `make install`")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


def _warm(runs: Path, loaded: threading.Event) -> None:
    """Loads the pages, then reads the latest study, while the browser opens: Python takes seconds to import what pages
    need, and so does a journal of ten thousand trials.

    What it keeps is taken out of the garbage collector's sight: to look at the rest is cheap, and done often.
    """
    try:
        import dashboard.app  # noqa: F401
    finally:
        loaded.set()
    from dashboard.beside import SHELF, baseline
    from dashboard.first import first_look
    from dashboard.live import study_names

    for name in study_names(runs)[:1]:
        baseline(SHELF, SHELF.read(runs / name))
        first_look(runs, "/", {"study": name})
    gc.collect()
    gc.freeze()


def _check_free(port: int) -> None:
    if not 1 <= port <= 65535:
        raise InputError(f"port must be from 1 to 65535, got {port}; use e.g. 8501")
    with socket.socket() as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port must be free, got {port}; choose another with --port, or end what uses it"
            ) from error


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(error: Exception) -> bool:
    """An error of our own: the whole of it in the terminal, a sentence in the page."""
    import streamlit as st

    traceback.print_exception(error)
    st.error("This page met an error of its own. The terminal that runs `nas dashboard` shows it; please report it.")
    return True
