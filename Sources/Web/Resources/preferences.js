// Preferences of the signed-in person. A change is sent after a short pause, or when the page is left.
const pause = 400;
let pending = {};
let timer = 0;

function send() {
  clearTimeout(timer);
  if (!Object.keys(pending).length) return;
  const body = JSON.stringify(pending);
  pending = {};
  // A lost preference must be chosen again; the page works without it.
  fetch('/api/v1/preferences', {
    method: 'PATCH', keepalive: true, headers: { 'Content-Type': 'application/json' }, body,
  }).catch(() => {});
}

export function prefer(change) {
  Object.assign(pending, change);
  clearTimeout(timer);
  timer = setTimeout(send, pause);
}

addEventListener('pagehide', send);
