// The server's time, as it was when the page was made and as it passes since: a PC whose clock is off makes nothing younger.

const began = Date.parse(document.documentElement.dataset.now);
const beganHere = performance.now();

export function serverNow() {
  return began + performance.now() - beganHere;
}
