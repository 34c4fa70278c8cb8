// The room's part follows its own stream; when that is silent, the page says that it is blind.

const SILENT_MS = 30000;
const LEAST_MS = 400;
const room = document.getElementById("room");
const blind = document.querySelector("[data-blind]");
let heardAt = Date.now();
let waiting = null;

async function refresh() {
  waiting = null;
  try {
    const answer = await fetch(room.dataset.part);
    if (answer.status === 404) location.reload();
    if (!answer.ok) return;
    const focused = document.activeElement?.id;
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text();
    room.replaceChildren(fresh.content);
    if (focused) document.getElementById(focused)?.focus();
  } catch {
    // The stream's silence says it.
  }
}

function heard(changed) {
  heardAt = Date.now();
  blind.hidden = true;
  if (changed && waiting === null) waiting = setTimeout(refresh, LEAST_MS);
}

function open() {
  const stream = new EventSource("/room/events");
  stream.addEventListener("room", () => heard(true));
  stream.addEventListener("alive", () => heard(false));
  stream.onopen = () => heard(true);
  stream.onerror = () => {  // a refusal, such as a proxy's while the server begins anew, ends it for good
    if (stream.readyState === EventSource.CLOSED) setTimeout(open, 2000);
  };
}
open();
setInterval(() => { blind.hidden = Date.now() - heardAt <= SILENT_MS; }, 1000);
document.addEventListener("submit", (event) => {
  if (navigator.onLine) return;
  event.preventDefault();
  blind.hidden = false;
});
