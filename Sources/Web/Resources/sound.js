// Speed, volume and skipped silence, which are kept as preferences of the account.
import { audio, clamp, find, press, say, state } from './deck.js';
import { paint } from './drawing.js';
import { showTime } from './position.js';
import { prefer } from './preferences.js';
import { words } from './time.js';

export const speed = find('speed');
speed.addEventListener('change', () => {
  setSpeed(speed.value);
  prefer({ speed: Number(speed.value) });
});

export function setSpeed(value) {
  // A change of the source resets the rate to the default rate.
  audio.defaultPlaybackRate = audio.playbackRate = Number(value);
  showTime();
}

export function changeSpeed(by) {
  const index = clamp(speed.selectedIndex + by, 0, speed.options.length - 1);
  speed.selectedIndex = index;
  speed.dispatchEvent(new Event('change'));
  say(`Speed ${speed.value}×`);
}

const volume = find('volume');

export function setVolume(value) {
  audio.volume = clamp(value, 0, 1);
  audio.muted = false;
  volume.value = String(Math.round(audio.volume * 100));
}

volume.addEventListener('input', () => {
  setVolume(Number(volume.value) / 100);
  prefer({ volume: audio.volume });
});

export function mute() {
  audio.muted = !audio.muted;
  say(audio.muted ? 'Muted' : `Volume ${volume.value}%`);
}

export const skip = find('skip');
export function toggleSkip() {
  if (!state.peaks) return;
  state.skipping = !state.skipping;
  prefer({ skipSilence: state.skipping });
  press(skip, state.skipping);
  paint();
  const spared = state.quiet.reduce((sum, [from, to]) => sum + to - from, 0);
  say(state.skipping ? `Skipping silence: ${words(spared)} in total` : 'Not skipping silence');
}
skip?.addEventListener('click', toggleSkip);
