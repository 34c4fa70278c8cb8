// A clock with seconds: if it stands still, everybody sees.

const lang = document.documentElement.lang;

function tick() {
  document.querySelector("[data-clock]").textContent = new Date().toLocaleTimeString(lang, { hour12: false, timeZone: document.documentElement.dataset.zone });
}

setInterval(tick, 1000);
tick();
