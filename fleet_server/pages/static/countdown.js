// Counts down to the moment that `data-countdown` names.

import { serverNow } from "./clock.js";

function tick() {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const left = Math.max(0, Math.round((Date.parse(place.dataset.countdown) - serverNow()) / 1000));
    const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60].map((part) => String(part).padStart(2, "0"));
    const text = parts.join(":");
    if (place.textContent !== text) place.textContent = text;
  }
}

setInterval(tick, 1000);
tick();
