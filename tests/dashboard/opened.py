"""A page as Streamlit runs it, without a browser, and what it says."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page(where: str = "front", **address: str | list[str]) -> AppTest:
    """The page of that name with that address."""
    app = AppTest.from_function(_script, args=(where,), default_timeout=30)
    for name, value in address.items():
        app.query_params[name] = value
    return checked(app.run())


def _script(where: str) -> None:
    from dashboard.pages.app import main

    main(where)


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].value
    return app


def unfolded(app: AppTest) -> AppTest:
    """The page Front with what it shows only when asked."""
    app.session_state["about"] = app.session_state["export"] = True
    return checked(app.run())


def said(app: AppTest) -> str:
    """All words of a page, whatever shows them."""
    kinds = (app.title, app.header, app.text, app.markdown, app.caption, app.error, app.warning, app.info, app.code)
    return "\n".join(
        [
            *(str(element.value) for kind in kinds for element in kind),
            *(e.value for e in app.html if "<style>" not in e.value),
        ]
    )


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}
