const boxes = [...document.querySelectorAll("[data-figure]")];
// Words in lines of so many letters: plotly cuts a title that is longer than its axis.
const wrap = (text, letters) => text.replace(RegExp(`(.{1,${letters}})( |$)`, "g"), "$1<br>").replace(/<br>$/, "");

// On the screen as wide as the window and in its theme, on paper as wide as that and dark on white.
const draw = (paper) => {
  document.documentElement.classList.toggle("paper", paper);
  const look = getComputedStyle(document.documentElement);
  const read = (name) => look.getPropertyValue(name).trim();
  const theme = { text: read("--text"), grid: read("--grid"), back: read("--back"), font: "system-ui, sans-serif" };
  for (const box of boxes) {
    const text = document.getElementById(box.dataset.figure).textContent;
    const figure = withNames(themed(text, theme), paper ? 850 : box.clientWidth);
    const title = figure.layout.xaxis?.title;
    if (paper) figure.layout.width = 850;  // px: 180 mm at 80%
    if (title?.text) title.text = wrap(title.text, Math.floor((paper ? 850 : box.clientWidth) / 9));
    const drawn = Plotly.newPlot(box, figure.data, figure.layout, { displaylogo: false, responsive: true });
    drawn.then(() => fit(Plotly, box));
  }
};
draw(false);
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw(false));
