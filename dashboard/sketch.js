// The first picture of a chart of points: plotly is 4.8 MB and takes seconds for thousands of points. Until it is ready a
// canvas shows what it will show, in the same place: axes, band, lines, points; no labels under the mouse, no legend.

const dark = (back) => parseInt(back.slice(1, 3), 16) < 128;

// "@text", "@grid" and "@back" become the theme's colours; on a dark ground, blue and vermillion their lighter kin.
const themed = (text, box) => {
  const style = getComputedStyle(box);
  const colour = (name, other) => style.getPropertyValue(name).trim() || other;
  const back = colour("--st-background-color", "#ffffff");
  const named = { "@text": colour("--st-text-color", "#333333"), "@grid": colour("--st-border-color", "#dddddd"),
                  "@back": back, "inherit": colour("--st-font", "sans-serif") };
  if (dark(back)) Object.assign(named, { "#0072B2": "#56B4E9", "#D55E00": "#E69F00" });
  const figure = JSON.parse(text, (_, value) => named[value] ?? value);
  figure.text = named["@text"];
  return figure;
};

const FONT = "13px";
const CORNERS = { square: [4, 45], diamond: [4, 0], "triangle-up": [3, -90], "triangle-down": [3, 90], pentagon: [5, -90] };

const outline = (pen, symbol, x, y, size) => {
  const r = size / 2;
  if (symbol === "cross") {
    const t = r * .4;
    pen.rect(x - t, y - r, 2 * t, 2 * r);
    pen.rect(x - r, y - t, 2 * r, 2 * t);
    return;
  }
  const [corners, turn] = CORNERS[symbol] ?? [0, 0];
  if (!corners) {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  const far = r * (corners === 5 ? 1 : Math.SQRT2);
  for (let i = 0; i < corners; i++) {
    const angle = (turn + 360 * i / corners) * Math.PI / 180;
    pen[i ? "lineTo" : "moveTo"](x + far * Math.cos(angle), y + far * Math.sin(angle));
  }
  pen.closePath();
};

// The largest of 1, 2, 5 times a power of ten that gives about `count` ticks.
const steps = (low, high, count) => {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) ticks.push(+at.toPrecision(12));
  return ticks;
};

// As plotly sets them for `log_ticks` of style.py.
const ticksOf = (axis) => {
  const [low, high] = axis.range;
  if (axis.type !== "log") return steps(low, high, axis.nticks ?? 8);
  if (high - low < 1) return steps(10 ** low, 10 ** high, axis.nticks ?? 8);
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++)
    for (const times of axis.dtick === "D2" ? [1, 2, 5] : [1]) ticks.push(times * 10 ** power);
  return ticks.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
};

const PREFIXES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
const short = (value) => {
  const [unit, name] = PREFIXES.find(([size]) => value >= size) ?? [1, ""];
  return +(value / unit).toPrecision(3) + name;
};

const sketchable = ({ data, layout }) =>
  [layout.xaxis, layout.yaxis].every((axis) => axis?.range) && data.every((trace) => /^scatter(gl)?$/.test(trace.type));

// When what was drawn last is on the screen; after a while in a tab that nobody sees.
const painted = async () => {
  await Promise.race([new Promise(requestAnimationFrame), new Promise((done) => setTimeout(done, 200))]);
  await new Promise((done) => setTimeout(done));
};

// Whether it was drawn: not where the figure is of another kind.
const sketch = (canvas, figure, height) => {
  if (!sketchable(figure)) return false;
  const { data, layout } = figure, pen = canvas.getContext("2d"), sharp = devicePixelRatio || 1;
  const width = canvas.parentElement.clientWidth, font = `${FONT} ${layout.font.family}`;
  Object.assign(canvas, { width: width * sharp, height: height * sharp });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  pen.scale(sharp, sharp);
  pen.font = font;

  const xs = ticksOf(layout.xaxis), ys = ticksOf(layout.yaxis);
  const wide = Math.max(...ys.map((value) => pen.measureText(value).width));
  const left = layout.margin.l + 25 + wide, right = width - layout.margin.r, top = layout.margin.t;
  const bottom = height - layout.margin.b - 46;
  const along = (axis, from, to) => {
    const [low, high] = axis.range, of = axis.type === "log" ? Math.log10 : Number;
    return (value) => from + (of(value) - low) / (high - low) * (to - from);
  };
  const x = along(layout.xaxis, left, right), y = along(layout.yaxis, bottom, top);

  const grid = (...ends) => {
    pen.beginPath();
    pen.moveTo(...ends.slice(0, 2));
    pen.lineTo(...ends.slice(2));
    pen.stroke();
  };
  pen.strokeStyle = layout.xaxis.gridcolor;
  pen.fillStyle = figure.text;
  pen.textAlign = "center";
  for (const value of xs) {
    grid(x(value), top, x(value), bottom);
    pen.fillText(short(value), x(value), bottom + 16);
  }
  pen.fillText(layout.xaxis.title.text, (left + right) / 2, bottom + 38);
  pen.textAlign = "right";
  for (const value of ys) {
    grid(left, y(value), right, y(value));
    pen.fillText(value, left - 4, y(value) + 4);
  }
  pen.save();
  pen.translate(layout.margin.l + 12, (top + bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(layout.yaxis.title.text, 0, 0);
  pen.restore();

  pen.beginPath();
  pen.rect(left, top, right - left, bottom - top);
  pen.clip();
  for (const shape of layout.shapes ?? []) {
    if (shape.type !== "rect") continue;
    pen.fillStyle = shape.fillcolor;
    pen.fillRect(x(shape.x0), top, x(shape.x1) - x(shape.x0), bottom - top);
  }
  let points = 0;
  for (const trace of data) {
    if (trace.mode === "lines") line(pen, trace, x, y);
    else points += cloud(pen, trace, x, y, figure.text, sharp);
  }
  Object.assign(canvas.dataset, { points, place: [left, top, right, bottom].join(" ") });
  canvas.hidden = false;
  return true;
};

const line = (pen, { x: across, y: up, line }, x, y) => {
  pen.globalAlpha = 1;
  pen.beginPath();
  across.forEach((value, i) => {
    if (i && line.shape === "hv") pen.lineTo(x(value), y(up[i - 1]));
    pen[i ? "lineTo" : "moveTo"](x(value), y(up[i]));
  });
  pen.setLineDash(line.dash === "dash" ? [6, 4] : []);
  pen.lineWidth = line.width;
  pen.strokeStyle = line.color;
  pen.stroke();
  pen.setLineDash([]);
};

// One symbol, drawn once and copied to every point.
const stamp = (marker, text, sharp) => {
  const image = document.createElement("canvas"), pen = image.getContext("2d"), edge = marker.line?.width ?? 0;
  const side = marker.size * 1.5 + 2 * edge;
  image.width = image.height = Math.ceil(side * sharp);
  pen.scale(sharp, sharp);
  pen.beginPath();
  outline(pen, marker.symbol, side / 2, side / 2, marker.size);
  pen.fillStyle = typeof marker.color === "string" ? marker.color : text;
  pen.fill();
  if (edge) Object.assign(pen, { lineWidth: edge, strokeStyle: marker.line.color }).stroke();
  return [image, side];
};

const cloud = (pen, { x: across, y: up, marker }, x, y, text, sharp) => {
  const [image, side] = stamp(marker, text, sharp);
  pen.globalAlpha = marker.opacity ?? 1;
  across.forEach((value, i) => pen.drawImage(image, x(value) - side / 2, y(up[i]) - side / 2, side, side));
  return across.length;
};

