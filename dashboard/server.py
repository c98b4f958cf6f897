"""Starts the dashboard: Streamlit on this machine's own address only, without torch."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
import traceback
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dashboard import EXPORTS_VARIABLE, RUNS_VARIABLE
from space import InputError

if TYPE_CHECKING:
    from starlette.routing import Route
    from streamlit.starlette import App

HOST = "127.0.0.1"
HOSTS = ["localhost", HOST]  # names under which a page may ask
# Has V8 compile all of a script while it is fetched, in another thread; else the page's own thread stands still for it.
_COMPILED_AT_ONCE = "//# allFunctionsCalledOnLoad\n"


def serve(
    runs: Path, port: int = 8501, exports: Sequence[Path] = (), open_browser: bool = True, study: str | None = None
) -> int:
    """Serves the dashboard of `runs`, and of `exports` elsewhere, until Ctrl-C or SIGTERM, then returns 0. Prints its
    URL on stdout, with a `study` that of its page Front.

    Raises InputError before anything starts where the port is taken.
    """
    _check_free(port)
    os.environ |= {RUNS_VARIABLE: str(runs), EXPORTS_VARIABLE: os.pathsep.join(map(str, exports))}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        build(f"http://{HOST}:{port}" + (f"/?study={quote(study, safe='')}" if study else ""), open_browser, runs).run(
            config=settings(port)
        )
    return 0


def build(url: str, open_browser: bool, runs: Path) -> App:
    """The Streamlit app with one route more: plotly's own script, which a browser fetches once and keeps."""
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from streamlit.starlette import App

    @asynccontextmanager
    async def started(_: App) -> AsyncIterator[None]:
        print(f"Dashboard: {url} (Ctrl-C ends it)", flush=True)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        ending = threading.Event()
        reading = threading.Thread(target=_read_ahead, args=(runs, ending), daemon=True)
        reading.start()
        yield
        ending.set()
        reading.join()  # an import that it is at would end in a traceback

    return App(
        Path(__file__).parent / "pages" / "app.py", lifespan=started, routes=[_plotly_route()],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)], on_script_error=_tell,
    )  # fmt: skip


def _plotly_route() -> Route:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from dashboard.live_chart import PLOTLY_URL

    # identity: to compress 4.8 MB takes longer than to send them within one machine
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Content-Encoding": "identity"}

    def script(_: Request) -> Response:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

        return Response(_COMPILED_AT_ONCE + get_plotlyjs(), media_type="text/javascript", headers=headers)

    return Route(PLOTLY_URL, script)


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
        "runner.postScriptGC": False,  # it walks all trials of all studies after each run of each session
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        "logger.hideWelcomeMessage": True,
        "global.disableWidgetStateDuplicationWarning": True,  # the box of studies follows the address
        "theme.light.primaryColor": "#00619A",
        "theme.dark.primaryColor": "#56B4E9",
    }


def _read_ahead(runs: Path, ending: threading.Event) -> None:
    """Imports the pages and reads the studies, the latest first, while the browser opens: both take seconds. Ends with
    the study that it is at once `ending` is set."""
    import dashboard.pages.app  # noqa: F401
    from dashboard.derived import baseline
    from dashboard.study_cache import SHARED, study_names

    for name in study_names(runs):
        if ending.is_set():
            return
        baseline(SHARED, SHARED.read(runs / name))
        time.sleep(0.01)  # a session that waits for a study of its own comes first
    gc.freeze()  # a pass of the collector over ten thousand trials stops every page for half a second


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port must be free, got {port}; choose another with --port, or end what uses it"
            ) from error


def _tell(error: Exception) -> bool:
    """An error of our own: the whole of it in the terminal, a sentence in the page."""
    import streamlit as st

    traceback.print_exception(error)
    st.error("This page met an error of its own. The terminal that runs `nas dashboard` shows it; please report it.")
    return True
