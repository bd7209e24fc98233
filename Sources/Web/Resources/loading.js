// Loads the peaks. For a long call, a quarter of them is loaded first.
import { deck, find, press, state } from './deck.js';
import { paint } from './drawing.js';
import { pauses, readPeaks } from './peaks.js';
import { skip } from './sound.js';

const note = find('waveform-note');
function noteWaveform(text) {
  note.textContent = text;
  note.hidden = !text;
}

async function showPeaks(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status}`);
  state.peaks = readPeaks(await answer.arrayBuffer());
  state.quiet = pauses(state.peaks);
  noteWaveform('');
  paint();
}

export async function loadPeaks() {
  if (!deck.dataset.peaks) return;
  noteWaveform('Loading the waveform…');
  try {
    // On a slow connection, all points of an hour take seconds to load, and a quarter of them is enough for the first view.
    const isLong = Number(deck.dataset.duration) > 1200;
    await showPeaks(isLong ? `${deck.dataset.peaks}?points=25` : deck.dataset.peaks);
    // The preference applies once it is known where silence is.
    state.skipping = 'skip' in deck.dataset;
    press(skip, state.skipping);
    paint();
    // A failure leaves the first points in use.
    if (isLong) await showPeaks(deck.dataset.peaks).catch(() => {});
  } catch {
    if (skip) skip.disabled = true;
    noteWaveform('The waveform could not be loaded. Playback works without it.');
  }
}
