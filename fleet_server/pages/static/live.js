// Owns the one stream: replaces what `data-live` names when its `data-on` happens, keeps ages honest, says when it breaks.
// Other modules listen for the `diemcau` event on document and never open a stream of their own.

import { serverNow } from "./clock.js";

const SILENT_MS = 5000;
const LEAST_MS = 400;
const lang = document.documentElement.lang;
const units = { vi: [["ngày", 86400], ["giờ", 3600], ["phút", 60], ["giây", 1]], en: [["days", 86400], ["hours", 3600], ["min", 60], ["s", 1]] };
let heardAt = Date.now();
let brokenSince = null;

function spanOf(seconds) {
  for (const [name, size] of units[lang]) {
    if (seconds >= 2 * size || (size <= 60 && seconds >= size)) return `${Math.floor(seconds / size)} ${name}`;
  }
  return `0 ${units[lang][3][0]}`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const seconds = (serverNow() - Date.parse(time.dateTime)) / 1000;
    const text = time.dataset.age.replace("{span}", spanOf(Math.max(0, seconds)));
    if (time.textContent !== text) time.textContent = text;
  }
  if (document.body.dataset.stream && Date.now() - heardAt > SILENT_MS) say(true);
}

function say(broken) {
  const sign = document.querySelector("[data-live-sign]");
  if (sign) sign.hidden = broken;
  if (broken === (brokenSince !== null)) return;
  brokenSince = broken ? new Date(heardAt) : null;
  const banner = document.querySelector("[data-not-live]");
  document.documentElement.classList.toggle("not-live", broken);
  banner.hidden = !broken;
  if (broken) banner.textContent = banner.dataset.text.replace("{since}", brokenSince.toLocaleTimeString(lang, { hour12: false, timeZone: document.documentElement.dataset.zone }));
}

const waiting = new Set();
const fetching = new Set();

function refreshSoon(part) {
  if (waiting.has(part)) return;
  waiting.add(part);
  setTimeout(() => refresh(part), LEAST_MS);
}

// One at a time for each part. What happens while an answer is on its way may not be in it any more: it is asked again.
async function refresh(part) {
  if (fetching.has(part)) return;
  fetching.add(part);
  waiting.delete(part);
  try {
    const answer = await fetch(part.dataset.live + (part.dataset.query ?? ""), { headers: { "X-Part": "1" } });
    if (answer.status === 401) location.reload();
    if (!answer.ok) return;
    replace(part, await answer.text());
  } catch {
    // The stream notices a lost server by itself and says so.
  } finally {
    fetching.delete(part);
    if (waiting.has(part)) setTimeout(() => refresh(part), LEAST_MS);
  }
}

// What a person has typed or ticked in a part outlives its replacement.
function fieldsOf(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), select, textarea")];
}

function keyOf(field) {
  const form = field.form;
  const hidden = form ? [...form.querySelectorAll("input[type=hidden]")].map((one) => one.value).join(" ") : "";
  const own = field.type === "checkbox" || field.type === "radio" ? field.value : "";
  return `${form?.action ?? ""} ${hidden} ${field.name} ${own}`;
}

function replace(part, html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((found) => found.id));
  const before = new Map([...part.querySelectorAll("[data-mark]")].map((found) => [found.id, found.dataset.mark]));
  const focused = document.activeElement && part.contains(document.activeElement) ? document.activeElement.id : "";
  for (const details of fresh.content.querySelectorAll("details[id]")) details.open = open.has(details.id);
  for (const item of fresh.content.querySelectorAll("[data-mark]")) {
    if (before.size && before.get(item.id) !== item.dataset.mark) item.classList.add("changed");
  }
  const typed = fieldsOf(part).map((field) => [keyOf(field), field.value, field.checked, field === document.activeElement]);
  part.replaceChildren(fresh.content);
  const now = new Map(fieldsOf(part).map((field) => [keyOf(field), field]));
  for (const [key, value, checked, hadFocus] of typed) {
    const field = now.get(key);
    if (!field) continue;
    if (field.type === "checkbox" || field.type === "radio") field.checked = checked;
    else field.value = value;
    if (hadFocus) field.focus();
  }
  if (focused) document.getElementById(focused)?.focus();
  part.dispatchEvent(new CustomEvent("diemcau-replaced", { bubbles: true }));
}

function concerns(part, kind, site) {
  return part.dataset.on.split(" ").some((wanted) => wanted === kind || wanted === `${kind}/${site}`);
}

function happened(kind, data) {
  heardAt = Date.now();
  say(false);
  for (const part of document.querySelectorAll("[data-live]")) {
    if (kind === "reset" || concerns(part, kind, data.site)) refreshSoon(part);
  }
  document.dispatchEvent(new CustomEvent("diemcau", { detail: { kind, ...data } }));
}

function kinds() {
  const wanted = [...document.querySelectorAll("[data-on]")].flatMap((part) => part.dataset.on.split(" "));
  return new Set(["reset", "alive", "site", "session", ...wanted.map((name) => name.split("/")[0])]);
}

let everOpen = false;

// What has happened since the page was begun at the server comes first.
function open() {
  const address = new URL(document.body.dataset.stream, location.href);
  if (!everOpen) address.searchParams.set("after", document.body.dataset.heard);
  const stream = new EventSource(address);
  stream.onopen = () => {
    happened(everOpen ? "reset" : "open", {});
    everOpen = true;
  };
  for (const kind of kinds()) {
    stream.addEventListener(kind, (event) => happened(kind, JSON.parse(event.data)));
  }
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(open, 2000);
  };
}

// A second press while the first is on its way would do it twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

const keys = { m: "/", s: "/sessions" };
let prefixed = false;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return;
  if (event.key === "/") {
    document.querySelector("[data-key='/']")?.focus();
    event.preventDefault();
  } else if (prefixed && keys[event.key]) {
    location.href = keys[event.key];
  }
  prefixed = event.key === "g";
});

setInterval(tick, 1000);
tick();
if (document.body.dataset.stream) open();
