// A clock with seconds: if it stands still, everybody sees.

const lang = document.documentElement.lang;

function tick() {
  document.querySelector("[data-clock]").textContent = new Date().toLocaleTimeString(lang, { hour12: false, timeZone: document.documentElement.dataset.zone });
}

setInterval(tick, 1000);
tick();

// An alarm that nobody has seen to is heard once when it comes. A browser that has never been touched may stay silent:
// a wall is started with its sound allowed.

const lines = document.querySelector(".lines");
const alarms = () => Number(lines.querySelector("[data-alarms]")?.dataset.alarms ?? 0);
let heard = alarms();

function sound() {
  const audio = new AudioContext();
  for (const [at, pitch] of [[0, 880], [0.25, 660], [0.5, 880]]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.value = 0.2;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.2);
  }
  setTimeout(() => audio.close(), 1_500);
  document.documentElement.dataset.sounded = String(Number(document.documentElement.dataset.sounded ?? 0) + 1);
}

new MutationObserver(() => {
  const now = alarms();
  if (now > heard) sound();
  heard = now;
}).observe(lines, { childList: true, subtree: true, attributes: true });
