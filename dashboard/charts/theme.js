// "@text", "@grid" and "@back" in a figure become the page's colours; on a dark ground the colours of style.py, which
// are for a light one, become lighter ones.
const DARK = {
  "#0072B2": "#56B4E9", "#D55E00": "#F4793B", "#B8578F": "#E59AC8", "#A87400": "#F2BE3C", "#2E93C7": "#A9DBF7",
  "#757575": "#A3A3A3", "#008A64": "#1FC79A", "#7A7A16": "#D6D65A", "#882255": "#E8748F", "#4B3FA0": "#A79BFF",
  "#1B7B7B": "#66D9D9",
  "#0D0887": "#BE3985", "#5302A3": "#E06561", "#8F10A1": "#F6973F", "#BE3985": "#FCCF25", "#DA5A6A": "#F0F921",
};
const themed = (json, { text, grid, back, font }) => {
  const named = { "@text": text, "@grid": grid, "@back": back, "inherit": font };
  const dark = parseInt(back.slice(1, 3), 16) < 128;
  if (dark) Object.assign(named, DARK);
  return JSON.parse(json, (_, value) => named[value] ?? value);
};

// On a chart as narrow as a phone the names of stars would lie on points and on each other: they are for the pointer.
const NARROW = 480;
const withNames = (figure, width) => {
  for (const trace of figure.data) if (trace.meta?.names) trace.mode = width < NARROW ? "markers" : "markers+text";
  return figure;
};

// Squares to the scale of kernels are no wider than the bars that they are on, on a narrow screen either: all shrink.
const fit = (Plotly, box) => {
  const at = box.data?.findIndex((trace) => trace.meta?.sizes) ?? -1, area = box.querySelector(".nsewdrag");
  if (at < 0 || !area) return;
  const { sizes, room } = box.data[at].meta, [low, high] = box.layout.xaxis.range;
  const wide = room * area.getBoundingClientRect().width / (high - low);  // px of a bar
  const fitting = sizes.map((size) => size * Math.min(1, wide / Math.max(...sizes)));
  if (fitting[0] !== box.data[at].marker.size[0]) return Plotly.restyle(box, { "marker.size": [fitting] }, [at]);
};
