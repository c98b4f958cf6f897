// The first look goes as soon as the page itself shows as much, or has something else to say.
const look = document.getElementById("nas-first");
let chosen = null, figure = null, waits = false;
try { chosen = localStorage.getItem(`stActiveTheme-${location.pathname}-v2`); } catch { /* this browser keeps nothing */ }
const dim = chosen === '"Dark"' || (chosen !== '"Light"' && matchMedia("(prefers-color-scheme: dark)").matches);
look.dataset.theme = dim ? "dark" : "light";

const show = () => {
  figure = look.querySelector("[type='application/json']");
  if (figure) sketch(look.querySelector("canvas"), themed(figure.textContent, look), +figure.dataset.height);
};

// While a study is being read: its picture, as soon as the server has it.
const ask = async () => {
  if (!look.isConnected || !look.querySelector("[data-wait]")) return;
  try {
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    look.querySelector("div").replaceWith(page.querySelector("#nas-first > div"));
    show();
  } catch { /* the server has ended: Streamlit says so */ }
  setTimeout(ask, 700);
};

const title = "[data-testid=stMain] h1", chart = ".nas-sketch[data-points], .nas-plot .main-svg";
const speaks = "[role=dialog], [data-testid=stAlert], [data-testid=stException]";
const end = () => {
  watch.disconnect();
  look.remove();
};
const watch = new MutationObserver(() => {
  if (document.querySelector(speaks)) return end();
  if (document.querySelector(figure ? chart : title)) return requestAnimationFrame(end);
  if (waits || !document.querySelector(title)) return;
  waits = true;
  setTimeout(end, 3000);  // a page without the chart that was expected
});
show();
watch.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-points"] });
setTimeout(ask, 700);
