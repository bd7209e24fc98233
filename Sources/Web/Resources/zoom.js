// How much of the call the large waveform shows.
import { audio, clamp, duration, find, say, state, zoomed } from './deck.js';
import { paint } from './drawing.js';
import { look } from './position.js';

const zoom = find('zoom');

export function chooseView() {
  if (!zoom) return;
  const total = duration();
  const wanted = zoom.options.length ? Number(zoom.value) : total > 180 ? 120 : 0;
  const choices = [[0, 'Whole call'], [600, '10 minutes'], [120, '2 minutes'], [30, '30 seconds'], [10, '10 seconds']];
  zoom.replaceChildren(...choices.filter(([span]) => span < total).map(([span, text]) => new Option(text, span)));
  zoom.value = String(wanted < total ? wanted : 0);
  setZoom();
}

function setZoom() {
  const span = Number(zoom?.value ?? 0);
  state.view = { start: span ? clamp(audio.currentTime - span * 0.1, 0, duration() - span) : 0, span };
  paint();
}

export function nextZoom() {
  if (!zoom?.options.length) return false;
  zoom.selectedIndex = (zoom.selectedIndex + 1) % zoom.options.length;
  setZoom();
  say(`Zoom: ${zoom.selectedOptions[0].text.toLowerCase()}`);
}

zoom?.addEventListener('change', setZoom);
zoomed.addEventListener('wheel', (event) => {
  const by = event.shiftKey ? event.deltaY : event.deltaX;
  const { start, span } = state.view;
  if (!span || !by) return;
  event.preventDefault();
  look(start + (by / zoomed.clientWidth) * span);
}, { passive: false });
audio.addEventListener('loadedmetadata', chooseView);
