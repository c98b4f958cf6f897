"""A box of text letter by letter, such as a command or a reason, with a button that copies it.

`st.code` would fetch 1.6 MB of syntax highlighting for it before the page is complete; only programs are worth it.
"""

from __future__ import annotations

import streamlit as st

_HTML = """<div class="nas-verbatim"><pre tabindex="0"></pre><button type="button"></button></div>"""
_CSS = """
.nas-verbatim { position: relative; border-radius: var(--st-base-radius);
                background: var(--st-secondary-background-color); color: var(--st-text-color); }
.nas-verbatim pre { margin: 0; padding: .75rem 3.4rem .75rem 1rem; font: .875rem/1.6 var(--st-code-font, monospace);
                    white-space: pre-wrap; overflow-wrap: anywhere; background: none; border: 0; color: inherit; }
.nas-verbatim span { display: inline-block; max-width: 100%; }
.nas-verbatim button { position: absolute; top: .45rem; right: .5rem; font: .75rem var(--st-font); cursor: pointer;
                       padding: .15rem .5rem; color: inherit; background: var(--st-background-color);
                       border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); }
.nas-verbatim :focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
"""
_JS = """
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    return "Not allowed";  // by the browser, outside https and localhost
  }
};

// Lines end between words, not within `--out`.
const whole = (word) => {
  if (!word.trim()) return word;
  const span = document.createElement("span");
  span.textContent = word;
  return span;
};

export default function ({ data, parentElement }) {
  const [box, button] = ["pre", "button"].map((name) => parentElement.querySelector(name));
  box.replaceChildren(...data.text.split(/(\\s+)/).map(whole));
  const name = () => { button.textContent = "Copy"; };
  name();
  button.onclick = async () => {
    button.textContent = await copy(data.text);
    setTimeout(name, 1500);
  };
}
"""

_component = st.components.v2.component("nas_verbatim", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def verbatim(text: str | None, key: str) -> None:
    """Shows `text`; nothing where there is none. `key`: its own on the page."""
    if text:
        _component(key=f"verbatim-{key}", data={"text": text})
