// The first look goes as soon as the page itself shows as much, or has something else to say.
const look = document.getElementById("nas-first");
const figure = look.querySelector("[type='application/json']");
let chosen = null, waits = false;
try { chosen = localStorage.getItem(`stActiveTheme-${location.pathname}-v2`); } catch { /* this browser keeps nothing */ }
const dim = chosen === '"Dark"' || (chosen !== '"Light"' && matchMedia("(prefers-color-scheme: dark)").matches);
look.dataset.theme = dim ? "dark" : "light";
if (figure) sketch(look.querySelector("canvas"), themed(figure.textContent, look), +figure.dataset.height);

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
watch.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-points"] });
