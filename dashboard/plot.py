"""A plotly chart that keeps zoom and selection while its data grow.

`st.plotly_chart` mounts anew whenever its figure changes. This component stays, and calls `Plotly.react` with a
constant `uirevision`. Plotly is fetched once from PLOTLY_URL, which `server.py` serves, and not sent with every figure.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import streamlit as st

from dashboard.charts import Figure

PLOTLY_URL = f"/plotly-{version('plotly')}.js"
_HTML = '<div class="nas-plot" role="img"></div>'
_CSS = ".nas-plot { width: 100%; } .nas-plot p { opacity: .7; }"
_JS = """
const load = (url) => globalThis.nasPlotly ??= new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => globalThis.Plotly ? done(globalThis.Plotly) : failed(new Error("no plotly at " + url));
  script.onerror = () => failed(new Error("no plotly at " + url));
  document.head.append(script);
});

// "@text", "@grid" and "@back" become the theme's colours; on a dark ground, blue and vermillion their lighter kin.
const themed = (figure, box) => {
  const style = getComputedStyle(box);
  const colour = (name, other) => style.getPropertyValue(name).trim() || other;
  const back = colour("--st-background-color", "#ffffff");
  const named = { "@text": colour("--st-text-color", "#333333"), "@grid": colour("--st-border-color", "#dddddd"),
                  "@back": back, "inherit": colour("--st-font", "sans-serif") };
  if (parseInt(back.slice(1, 3), 16) < 128) Object.assign(named, { "#0072B2": "#56B4E9", "#D55E00": "#E69F00" });
  return JSON.parse(JSON.stringify(figure), (_, value) => named[value] ?? value);
};

const draw = (Plotly, box) => {
  const { data, layout } = themed(box.nas.figure, box);
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  const config = { displaylogo: false, responsive: true, modeBarButtons: buttons };
  return Plotly.react(box, data, layout, config);
};

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nas-plot");
  const first = !box.nas;
  box.nas = { figure: data.figure, pick: (number) => setTriggerValue("trial", number) };
  box.setAttribute("aria-label", data.alt);
  box.style.minHeight = data.figure.layout.height + "px";
  const tell = (error) => { box.textContent = `No chart (${error.message}); start this page with: nas dashboard`; };
  load(data.plotly).then(async (Plotly) => {
    await draw(Plotly, box);
    if (!first) return;
    box.on("plotly_click", (event) => {
      const number = event.points[0]?.customdata;
      if (Number.isInteger(number)) box.nas.pick(number);
    });
    const look = () => getComputedStyle(box).getPropertyValue("--st-text-color");
    let seen = look();
    box.nasWatch = setInterval(() => { if (look() !== seen) { seen = look(); draw(Plotly, box); } }, 500);
    box.nasSize = new ResizeObserver(() => Plotly.Plots.resize(box));
    box.nasSize.observe(box);
  }).catch(tell);
  return () => {
    clearInterval(box.nasWatch);
    box.nasSize?.disconnect();
    globalThis.Plotly?.purge(box);
    delete box.nas;
  };
}
"""

_component = st.components.v2.component("nas_plot", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def plot(figure: Figure, alt: str, *, key: str, on_click: Callable[[int], None] | None = None) -> None:
    """Draws `figure`; `alt` says it in words. `on_click` gets the customdata (a trial's number) of a clicked point."""

    def clicked() -> None:
        number = st.session_state[key].get("trial")
        if on_click is not None and isinstance(number, int):
            on_click(number)

    data = {"figure": figure, "alt": alt, "plotly": PLOTLY_URL}
    _component(key=key, data=data, height=figure["layout"]["height"], on_trial_change=clicked)
