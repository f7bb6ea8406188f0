// Two plots from the figures of the page's tables: wrong characters by week, and by certainty.

const INK = { line: "#0b4f6c", band: "rgba(11, 79, 108, 0.18)", bars: "#8aa3b0", floor: "#a11620" };
const HEIGHT = 240;
const plots = [];

function add(place, options, data) {
  if (!place || !window.uPlot) return;
  const made = new window.uPlot({ width: place.clientWidth, height: HEIGHT, cursor: { drag: { x: false } }, ...options }, data, place);
  plots.push([made, place]);
}

const axis = { font: "14px system-ui", size: 44, stroke: "#475663" };
const upward = { range: (_plot, _low, high) => [0, Math.max(10, Math.ceil((high || 0) / 10) * 10)] };

function weeks() {
  const place = document.getElementById("week-plot");
  if (!place) return;
  const rows = JSON.parse(place.dataset.rows);
  const column = (index) => rows.map((row) => row[index]);
  add(
    place,
    {
      scales: { x: { time: false, range: [-0.5, rows.length - 0.5] }, y: upward },
      axes: [
        { ...axis, splits: () => ticks(rows.length, place.clientWidth), values: (_plot, at) => at.map((index) => (rows[index]?.[0] || "").slice(5)) },
        axis,
      ],
      bands: [{ series: [3, 2], fill: INK.band }],
      series: [
        { label: place.dataset.textWeek, value: (_plot, index) => rows[index]?.[0] ?? "–" },
        { label: place.dataset.textRate, stroke: INK.line, width: 2, points: { size: 9, fill: INK.line } },
        { label: place.dataset.textRange + " ↓", stroke: INK.bars, points: { show: true, size: 5 } },
        { label: place.dataset.textRange + " ↑", stroke: INK.bars, points: { show: true, size: 5 } },
      ],
    },
    [rows.map((_row, index) => index), column(1), column(2), column(3)],
  );
}

// Every week while they fit, else every n-th.
function ticks(count, width) {
  const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(width / 64))));
  return Array.from({ length: Math.ceil(count / step) }, (_none, index) => index * step);
}

function certainty() {
  const place = document.getElementById("calibration-plot");
  if (!place) return;
  const rates = JSON.parse(place.dataset.rates);
  const centres = rates.map((_rate, index) => ((index + 0.5) * 100) / rates.length);
  const floor = Number(place.dataset.floor) * 100;
  add(
    place,
    {
      scales: { x: { time: false, range: [0, 100] }, y: upward },
      axes: [{ ...axis, label: place.dataset.textX, labelSize: 22, labelFont: "14px system-ui", size: 36 }, axis],
      series: [
        { label: place.dataset.textX, value: (_plot, at) => (at == null ? "–" : at - 5 + "–" + (at + 5)) },
        { label: place.dataset.textRate, stroke: INK.line, fill: INK.bars, width: 1, paths: window.uPlot?.paths.bars({ size: [0.8, 60] }), points: { show: false } },
      ],
      hooks: { draw: [(plot) => drawFloor(plot, floor, place.dataset.textFloor)] },
    },
    [centres, rates],
  );
}

function drawFloor(plot, floor, label) {
  const { ctx: pen, bbox: box } = plot;
  const x = plot.valToPos(floor, "x", true);
  pen.save();
  pen.strokeStyle = INK.floor;
  pen.fillStyle = INK.floor;
  pen.lineWidth = 2 * window.devicePixelRatio;
  pen.setLineDash([6, 4]);
  pen.beginPath();
  pen.moveTo(x, box.top);
  pen.lineTo(x, box.top + box.height);
  pen.stroke();
  pen.font = 14 * window.devicePixelRatio + "px system-ui";
  pen.textAlign = x > box.left + box.width * 0.8 ? "right" : "left";
  pen.fillText(" " + label + " " + Math.round(floor) + " % ", x, box.top + 16 * window.devicePixelRatio);
  pen.restore();
}

weeks();
certainty();
addEventListener("resize", () => {
  for (const [plot, place] of plots) plot.setSize({ width: place.clientWidth, height: HEIGHT });
});
