// Draws the sites in their places and follows the stream; the list beside it says the same in words.

const place = document.querySelector("[data-module='map']");
const map = L.map(place, { zoomControl: !place.dataset.still, attributionControl: false, zoomSnap: 0.1, keyboard: !place.dataset.still, dragging: !place.dataset.still, scrollWheelZoom: !place.dataset.still, zoomAnimation: false, fadeAnimation: false });
const areas = new Map();
const marks = new Map();
const known = new Map();

async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function classOf(site, kind) {
  return `${kind} ${site.state}${site.in_session ? " in-session" : ""}`;
}

function draw(site) {
  const before = known.get(site.id);
  known.set(site.id, site);
  if (before && before.state === site.state && before.sentence === site.sentence && before.in_session === site.in_session) return;
  const area = site.kind === "commune" ? areas.get(site.code) : undefined;
  if (area) {
    area.getElement()?.setAttribute("class", `${classOf(site, "commune")} leaflet-interactive`);
    area.bindTooltip(said(site), { sticky: true });
    area.off("click").on("click", () => open(site));
  }
  const shown = site.kind === "hub" || (site.state !== "ready" && site.state !== "being_set_up") || !area;
  marks.get(site.id)?.remove();
  marks.delete(site.id);
  if (shown) marks.set(site.id, mark(site, area));
}

function mark(site, area) {
  const size = site.kind === "hub" ? 36 : 22;
  const icon = L.divIcon({
    className: "",
    iconSize: [size, size],
    html: `<svg class="mark ${site.kind === "hub" ? "hub " : ""}${site.state}" viewBox="0 0 20 20"><use href="/assets/static/shapes.svg#${site.state}"/></svg>`,
  });
  const at = area ? area.getBounds().getCenter() : [site.lat, site.lon];
  const made = L.marker(at, { icon, keyboard: true, title: site.name, alt: site.name, zIndexOffset: site.kind === "hub" ? 500 : 0 });
  return made.bindTooltip(said(site)).on("click keypress", (event) => {
    if (event.type === "click" || event.originalEvent?.key === "Enter") open(site);
  }).addTo(map);
}

function said(site) {
  const box = document.createElement("div");
  const name = document.createElement("strong");
  name.textContent = site.name;
  box.append(name, document.createElement("br"), site.sentence);
  return box;
}

function open(site) {
  if (!place.dataset.still) location.href = `/sites/${encodeURIComponent(site.id)}`;
}

async function drawAll() {
  for (const site of await json("/map/sites.json")) draw(site);
}

let due = null;
function soon() {
  due ??= setTimeout(() => {
    due = null;
    drawAll().catch(() => {});
  }, 300);
}

const boundaries = await json("/map/boundaries.json");
const layer = L.geoJSON(boundaries, {
  style: { className: "commune being_set_up", weight: 1 },
  onEachFeature: (feature, area) => areas.set(feature.properties.code, area),
});
const rows = await json("/map/sites.json");
const bounds = boundaries.features.length ? layer.getBounds() : L.latLngBounds(rows.map((site) => [site.lat, site.lon]));
map.fitBounds(bounds.isValid() ? bounds : [[8, 102], [24, 110]], { padding: [12, 12] });
layer.addTo(map);
for (const site of rows) draw(site);
document.documentElement.dataset.mapDrawn = String(rows.length);
document.addEventListener("diemcau", ({ detail }) => {
  if (["site", "session", "reset"].includes(detail.kind)) soon();
});
addEventListener("resize", () => map.fitBounds(bounds, { padding: [12, 12] }));
