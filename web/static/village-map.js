// Paints a map of villages from what a list on the page says. The page works without it.
//   <div data-village-map hidden data-url="…geojson" data-states="horn-states" …></div>
//   <ul id="horn-states" hidden><li data-code data-tone data-sign>words</li></ul>
// Villages that the list does not name are not drawn. A click leads to the element "v<code>".

const PAINT = {
  bad: { color: "#a11620", fillColor: "#f3a6aa" },
  warn: { color: "#7a4a00", fillColor: "#ffd88a" },
  info: { color: "#0b4f6c", fillColor: "#b9d9ea" },
  good: { color: "#14623a", fillColor: "#a9dcbd" },
  none: { color: "#5b6b78", fillColor: "#dfe4e8" },
};
const NAME_PX = 110; // less room for a village: the signs alone, names on pointing

function states(place) {
  const rows = [...(document.getElementById(place.dataset.states)?.children || [])];
  return new Map(rows.map((row) => [row.dataset.code, { ...row.dataset, words: row.textContent.trim() }]));
}

function paint(place, shapes) {
  const named = place.clientWidth / Math.sqrt(shapes.size) >= NAME_PX;
  for (const [code, { tone, sign, words }] of states(place)) {
    const shape = shapes.get(code);
    if (!shape) continue;
    const style = PAINT[tone] || PAINT.none;
    shape.setStyle({ weight: tone === "bad" ? 3 : 1.5, fillOpacity: 0.85, ...style });
    const { name } = shape.feature.properties;
    const label = document.createElement("span");
    label.textContent = named ? `${sign} ${name}` : sign;
    label.title = `${name}: ${words}`;
    if (shape.getTooltip()) shape.setTooltipContent(label);
    else shape.bindTooltip(label, { permanent: true, interactive: true, direction: "center", className: "horn-label" });
  }
}

function lead(code) {
  const row = document.getElementById(`v${code}`);
  if (!row) return;
  row.scrollIntoView({ block: "center" });
  (row.querySelector("a") || row).focus();
}

function hide(place) {
  place.hidden = true;
  const instead = document.getElementById(place.dataset.instead);
  if (instead) instead.hidden = false;
}

async function draw(place) {
  const answer = await fetch(place.dataset.url);
  const found = answer.ok ? await answer.json() : { features: [] };
  const named = states(place);
  const features = found.features.filter((each) => named.has(each.properties.code));
  if (!features.length) {
    hide(place);
    return;
  }
  place.hidden = false;
  place.parentElement.querySelector("[data-map-words]")?.removeAttribute("hidden");
  const shapes = new Map();
  const map = L.map(place, { keyboard: false, attributionControl: false, zoomControl: false, scrollWheelZoom: false, zoomSnap: 0.25 });
  L.control.zoom({ zoomInTitle: place.dataset.zoomIn, zoomOutTitle: place.dataset.zoomOut }).addTo(map);
  const layer = L.geoJSON({ ...found, features }, {
    pointToLayer: (_feature, at) => L.circleMarker(at, { radius: 12 }),
    onEachFeature: (feature, shape) => {
      shapes.set(feature.properties.code, shape);
      shape.on("click", () => lead(feature.properties.code));
    },
  }).addTo(map);
  const fit = () => map.fitBounds(layer.getBounds(), { padding: [12, 12], maxZoom: 15 });
  fit();
  new ResizeObserver(() => { map.invalidateSize(); fit(); paint(place, shapes); }).observe(place);
  document.addEventListener("xiangyin:fresh", () => paint(place, shapes));
}

for (const place of document.querySelectorAll("[data-village-map]")) {
  if (window.L) draw(place).catch(() => hide(place));
  else hide(place);
}
