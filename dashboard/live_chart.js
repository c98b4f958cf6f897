const shared = (globalThis.nasCharts ??= { boxes: {}, marks: {} });  // by chart key; the marking component uses it too

const load = (url) => shared.plotly ??= new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => globalThis.Plotly ? done(globalThis.Plotly) : script.onerror();
  script.onerror = () => failed(new Error("no plotly at " + url));
  document.head.append(script);
});

const theme = (box) => {
  const style = getComputedStyle(box), read = (name) => style.getPropertyValue(name).trim();
  return { text: read("--st-text-color"), grid: read("--st-border-color"), back: read("--st-background-color"),
           font: read("--st-font") };
};

// A ring around the point whose customdata is the chosen number, a dotted one around the pinned one, a line at the
// limit: shapes, which are quicker to move than traces.
// (A circle as a path: on a log axis plotly refuses the negative x0 of a circle sized in pixels.)
const CIRCLE = "M13,0 C13,7.2 7.2,13 0,13 C-7.2,13 -13,7.2 -13,0 C-13,-7.2 -7.2,-13 0,-13 C7.2,-13 13,-7.2 13,0 Z";
const spot = ({ traces }, number) => {
  for (const { customdata, x, y } of number == null ? [] : traces) {
    const i = customdata?.indexOf(number) ?? -1;
    if (i >= 0) return [x[i], y[i]];
  }
  return null;
};
const ring = ([x, y], name, line, radius = 13) => ({ type: "path", name, xsizemode: "pixel", ysizemode: "pixel",
  path: CIRCLE.replace(/[0-9.]+/g, (number) => number * radius / 13), xanchor: x, yanchor: y, line });
const marked = (chart) => {
  const { number, pinned, limit } = shared.marks[chart.key] ?? {}, { layout } = chart, { text } = theme(chart.box);
  const shapes = [...layout.shapes ?? []], written = [...layout.annotations ?? []];
  const annotations = limit?.axis === "x" ? written.filter(({ name }) => name !== "budget") : written;  // in its place
  const across = (x) => layout.xaxis.type === "log" ? Math.log10(x) : x;  // plotly's annotations are in its logarithm
  const say = (place) => annotations.push({ showarrow: false, font: { size: 12, color: text }, ...place });
  const at = spot(chart, number), held = spot(chart, pinned);
  if (at) shapes.push(ring(at, `trial ${number}`, { width: 2.5, color: text }));
  if (held) {
    shapes.push(ring(held, `pinned trial ${pinned}`, { width: 2, color: text, dash: "2px,2px" }, 17));
    say({ x: across(held[0]), y: held[1], yshift: -26, text: "pinned", bgcolor: theme(chart.box).back });
  }
  if (limit) {
    const { at, words } = limit, line = { width: 2, color: text, dash: "dash" };
    const common = { type: "line", name: "limit", line };
    if (limit.axis === "x") {
      const end = layout.xaxis.range, left = across(at) > (end[0] + end[1]) / 2;
      shapes.push({ ...common, xref: "x", yref: "paper", x0: at, x1: at, y0: 0, y1: 1 });
      say({ x: across(at), y: 1, yref: "paper", xanchor: left ? "right" : "left", yanchor: "bottom", text: words });
    } else {  // its words at the right end, where the front lies high above it; below it near the chart's top
      const [low, high] = layout.yaxis.range, yanchor = at > low + 0.8 * (high - low) ? "top" : "bottom";
      shapes.push({ ...common, xref: "paper", yref: "y", x0: 0, x1: 1, y0: at, y1: at });
      say({ x: 0.99, xref: "paper", y: at, xanchor: "right", yanchor, text: words });
    }
  }
  return { shapes, annotations };
};

shared.mark = (key, { number, pinned, limit }) => {
  const [before, now] = [shared.marks[key], { number, pinned, limit }].map((marks) => JSON.stringify(marks));
  if (before === now) return;
  shared.marks[key] = JSON.parse(now);
  const box = shared.boxes[key];
  if (box?.chart.layout) globalThis.Plotly.relayout(box, marked(box.chart));
};

// Made once a chart: with another config object plotly draws anew and forgets the zoom.
const configured = (Plotly, box) => {
  const filename = document.title.split(" ")[0] + "-" + box.chart.key;
  const svg = { name: "Download as SVG", icon: Plotly.Icons.disk,
                click: () => Plotly.downloadImage(box, { format: "svg", filename }) };
  const whole = { name: "Show all", icon: Plotly.Icons.home, click: () => unzoom(Plotly, box) };
  const axes = box.chart.layout.xaxis ? ["zoom2d", "pan2d", whole] : [];
  return { displaylogo: false, responsive: true, doubleClick: false, modeBarButtons: [["toImage", svg, ...axes]],
           toImageButtonOptions: { filename, scale: 2 } };
};

const AXES = ["xaxis", "yaxis"];
const remember = ({ chart, layout }, change) => {
  for (const axis of AXES) if (`${axis}.range[0]` in change) chart.zoom[axis] = [...layout[axis].range];
};
const unzoom = (Plotly, box) => {
  box.chart.zoom = {};
  box.chart.zooms += 1;
  draw(Plotly, box);
};

// On a narrow screen a long title of an axis takes two lines.
const wrapped = (title, width) =>
  title && title.text.length * 5.6 > width ? { ...title, text: title.text.replace(" (", "<br>(") } : title;

// plotly keeps a zoom only while the figure's own range stays as it was; so the zoom is put into the new figure.
const draw = (Plotly, box) => {
  const { chart } = box, figure = withNames(themed(chart.figure, theme(box)), box.clientWidth), { layout } = figure;
  Object.assign(chart, { traces: figure.data, layout });
  layout.uirevision = chart.view;
  for (const axis of AXES.filter((name) => layout[name])) {
    layout[axis].uirevision = chart.view + chart.zooms;
    if (chart.zoom[axis]) layout[axis].range = chart.zoom[axis];
  }
  if (layout.xaxis) layout.xaxis.title = wrapped(layout.xaxis.title, box.clientWidth - 60);
  chart.config ??= configured(Plotly, box);
  const before = plotted(box);
  return Plotly.react(box, figure.data, { ...layout, ...marked(chart) }, chart.config)
    .then(() => before && plotted(box) !== before && replaced(Plotly, box)).then(() => fitted(Plotly, box));
};

// plotly.js 4.1 puts a legend where the plotted area's height before a change would have it, over the words at the
// budget's ends; drawing these again puts it right.
const plotted = (box) => box.querySelector(".nsewdrag")?.getBoundingClientRect().height;
const replaced = (Plotly, box) => Plotly.relayout(box, { annotations: box.layout.annotations });

const fitted = (Plotly, box) => {
  const scroll = box.parentElement;
  scroll.querySelector(".nas-more").hidden = scroll.scrollWidth <= scroll.clientWidth + 1;
  return fit(Plotly, box);
};

const step = (order, now, key) => {
  if (key === "Home") return order[0];
  if (key === "End") return order.at(-1);
  const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[key];
  if (!by) return null;
  const at = order.indexOf(now);
  return at < 0 ? order.at(by > 0 ? 0 : -1) : order[Math.min(order.length - 1, Math.max(0, at + by))];
};

const listen = (Plotly, box) => {
  const { chart } = box;
  box.on("plotly_relayout", (change) => remember(box, change));
  box.on("plotly_doubleclick", () => unzoom(Plotly, box));
  box.on("plotly_click", (event) => {
    const number = event.points[0]?.customdata;
    if (Number.isInteger(number)) chart.choose(number);
  });
  box.addEventListener("keydown", (event) => {
    const number = event.target === box ? step(chart.order, shared.marks[chart.key]?.number, event.key) : null;
    if (number == null) return;
    event.preventDefault();
    chart.choose(number);
  });
  let seen = theme(box).text;
  chart.themes = setInterval(() => {
    if (theme(box).text === seen) return;
    seen = theme(box).text;
    draw(Plotly, box);
  }, 500);
  let width = box.clientWidth;  // an observer also tells the first one, with which plotly has just drawn
  chart.sizes = new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    const turned = (width < NARROW) !== (box.clientWidth < NARROW);
    width = box.clientWidth;
    const drawn = turned ? draw(Plotly, box) : Promise.resolve();  // with the names of stars, or without
    drawn.then(() => Plotly.Plots.resize(box)).then(() => fitted(Plotly, box));
  });
  chart.sizes.observe(box);
};

const show = async (box, first) => {
  try {
    const Plotly = await load(box.chart.plotly);
    if (!box.chart) return;  // the page was left meanwhile
    await draw(Plotly, box);
    if (first) listen(Plotly, box);
  } catch (error) {
    box.textContent = `No chart (${error.message}); start this page with: nas dashboard`;
  }
};

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nas-plot"), first = !box.chart;
  const chart = (box.chart ??= { box, zoom: {}, zooms: 0 });
  const changed = chart.figure !== data.figure || chart.view !== data.view;
  if (chart.view !== data.view) chart.zoom = {};
  Object.assign(chart, data, { choose: (number) => {
    shared.mark(data.key, { ...shared.marks[data.key], number });  // at once; the server will say the same
    setTriggerValue("trial", number);
  } });
  shared.boxes[data.key] = box;
  box.setAttribute("role", data.order.length ? "application" : "figure");
  box.setAttribute("aria-label", data.alt + (data.order.length ? " Arrow keys move along the front." : ""));
  if (data.order.length) box.tabIndex = 0;
  Object.assign(box.style, { minHeight: `${data.height}px`, minWidth: `${data.least}px` });
  if (changed) show(box, first);
  return () => {
    clearInterval(chart.themes);
    chart.sizes?.disconnect();
    globalThis.Plotly?.purge(box);
    if (shared.boxes[chart.key] === box) delete shared.boxes[chart.key];
    delete box.chart;
  };
}
