// "@text", "@grid" and "@back" in a figure become the page's colours; on a dark ground blue and vermillion become lighter.
const themed = (json, { text, grid, back, font }) => {
  const named = { "@text": text, "@grid": grid, "@back": back, "inherit": font };
  const dark = parseInt(back.slice(1, 3), 16) < 128;
  if (dark) Object.assign(named, { "#0072B2": "#56B4E9", "#D55E00": "#E69F00" });
  return JSON.parse(json, (_, value) => named[value] ?? value);
};
