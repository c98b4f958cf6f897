const charts = (globalThis.nasCharts ??= {});  // by key; so that a mark finds its chart
const marks = (globalThis.nasMarks ??= {});

// Run once, and not before the first pictures of all charts are on the screen: it takes a second.
const load = (url) => globalThis.nasPlotly ??= painted().then(() => new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => globalThis.Plotly ? done(globalThis.Plotly) : failed(new Error("no plotly at " + url));
  script.onerror = () => failed(new Error("no plotly at " + url));
  document.head.append(script);
}));

// A ring around the point whose customdata is the chosen number: a shape, which is quicker to move than a trace.
// (A circle as a path: on a log axis plotly refuses the negative x0 of a circle sized in pixels.)
const CIRCLE = "M13,0 C13,7.2 7.2,13 0,13 C-7.2,13 -13,7.2 -13,0 C-13,-7.2 -7.2,-13 0,-13 C7.2,-13 13,-7.2 13,0 Z";
const ring = (box, number) => {
  for (const trace of box.nas.shown.data) {
    const i = number == null ? -1 : trace.customdata?.indexOf(number) ?? -1;
    if (i >= 0) return [{ type: "path", name: `trial ${number}`, path: CIRCLE, xsizemode: "pixel", ysizemode: "pixel",
      xanchor: trace.x[i], yanchor: trace.y[i], line: { width: 2.5, color: box.nas.shown.text } }];
  }
  return [];
};

// Made once a chart: another object is another config to plotly, which then draws anew and forgets the zoom.
const configured = (Plotly, box, data) => {
  const name = document.title.split(" ")[0] + "-" + box.nas.key;
  const svg = { name: "Download as SVG", icon: Plotly.Icons.disk,
                click: () => Plotly.downloadImage(box, { format: "svg", filename: name }) };
  const axes = data.some((trace) => trace.type !== "parcoords") ? ["zoom2d", "pan2d", "resetScale2d"] : [];
  return { displaylogo: false, responsive: true, modeBarButtons: [["toImage", svg, ...axes]],
           toImageButtonOptions: { filename: name, scale: 2 } };
};

// plotly keeps a zoom only while the figure's own range stays as it was: so that stays while somebody has zoomed.
const keep = (box, layout) => {
  const held = box._fullLayout?.uirevision === layout.uirevision ? box._fullLayout._preGUI ?? {} : {};
  for (const axis of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
    const ends = [0, 1].map((i) => held[`${axis}.range[${i}]`]);
    if (layout[axis].range && ends.every((end) => end != null)) layout[axis].range = ends;
  }
};

// On a narrow screen a long title of an axis takes two lines.
const wrapped = ({ title }, width) =>
  title && title.text.length * 5.6 > width ? { title: { ...title, text: title.text.replace(" (", "<br>(") } } : {};

const draw = async (Plotly, box, shown = themed(box.nas.figure, box)) => {
  const { data, layout } = (box.nas.shown = shown);
  box.nas.shapes = layout.shapes ?? [];
  layout.uirevision = box.nas.view;
  keep(box, layout);
  if (layout.xaxis) Object.assign(layout.xaxis, wrapped(layout.xaxis, box.clientWidth - 60));
  box.nas.config ??= configured(Plotly, box, data);
  const shapes = [...box.nas.shapes, ...ring(box, marks[box.nas.key])];
  return Plotly.react(box, data, { ...layout, shapes }, box.nas.config);
};

const mark = (key, number) => {
  marks[key] = number;
  const box = charts[key];
  if (box?.nas?.ready) Plotly.relayout(box, { shapes: [...box.nas.shapes, ...ring(box, number)] });
};
globalThis.nasMark = mark;

const step = (order, now, key) => {
  if (key === "Home") return order[0];
  if (key === "End") return order.at(-1);
  const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[key];
  if (!by) return null;
  const at = order.indexOf(now);
  return at < 0 ? order.at(by > 0 ? 0 : -1) : order[Math.min(order.length - 1, Math.max(0, at + by))];
};

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".nas-plot");
  const first = !box.nas, changed = box.nas?.figure !== data.figure || box.nas.view !== data.view;
  box.nas = { ...box.nas, key: data.key, figure: data.figure, order: data.order, view: data.view, pick: (number) => {
    mark(data.key, number);  // at once; the server will say the same
    setTriggerValue("trial", number);
  } };
  charts[data.key] = box;
  box.setAttribute("role", data.order.length ? "application" : "figure");
  box.setAttribute("aria-label", data.alt + (data.order.length ? " Arrow keys move along the front." : ""));
  if (data.order.length) box.tabIndex = 0;
  box.style.minHeight = data.height + "px";
  box.style.minWidth = data.least + "px";
  const canvas = parentElement.querySelector(".nas-sketch");
  const tell = (error) => {
    canvas.hidden = true;
    box.textContent = `No chart (${error.message}); start this page with: nas dashboard`;
  };
  const begin = async () => {
    const shown = themed(data.figure, box);
    if (first && sketch(canvas, shown, data.height)) await painted();
    const Plotly = await load(data.plotly);
    if (!box.nas) return;  // the page was left meanwhile
    await draw(Plotly, box, box.nas.figure === data.figure ? shown : undefined);
    canvas.hidden = box.nas.ready = true;
    if (!first) return;
    box.on("plotly_click", (event) => {
      const number = event.points[0]?.customdata;
      if (Number.isInteger(number)) box.nas.pick(number);
    });
    box.addEventListener("keydown", (event) => {
      const number = event.target === box ? step(box.nas.order, marks[box.nas.key], event.key) : null;
      if (number == null) return;
      event.preventDefault();
      box.nas.pick(number);
    });
    const look = () => getComputedStyle(box).getPropertyValue("--st-text-color");
    let seen = look();
    box.nasWatch = setInterval(() => { if (look() !== seen) { seen = look(); draw(Plotly, box); } }, 500);
    box.nasSize = new ResizeObserver(() => Plotly.Plots.resize(box));
    box.nasSize.observe(box);
  };
  if (first || changed) begin().catch(tell);
  return () => {
    clearInterval(box.nasWatch);
    box.nasSize?.disconnect();
    globalThis.Plotly?.purge(box);
    if (charts[box.nas?.key] === box) delete charts[box.nas.key];
    delete box.nas;
  };
}
