// The player: controls and drawing for one audio element. Every drag has an equivalent button, key or typed time.
import { hearOnly, showLanes } from './channels.js';
import { address, audio, clamp, deck, duration, find, laneItems, play, say, state } from './deck.js';
import { paint } from './drawing.js';
import { keys } from './keys.js';
import { copyLink } from './link.js';
import { loadPeaks } from './loading.js';
import { loopIn, loopOnOff, loopOut, setLoop } from './loop.js';
import { playOrPause, useSource } from './playback.js';
import { move, seek, showTime } from './position.js';
import { changeSpeed, mute, setSpeed, setVolume, speed, toggleSkip } from './sound.js';
import { clock, seconds } from './time.js';
import { chooseView, nextZoom } from './zoom.js';

const typedTime = find('go-time');
find('go').addEventListener('submit', (event) => {
  event.preventDefault();
  const time = seconds(typedTime.value);
  const wrong = time === null || time > duration();
  typedTime.setAttribute('aria-invalid', String(wrong));
  if (wrong) return say(`Enter a time from 0:00 to ${clock(duration())}, in minutes and seconds`);
  const wasLooping = state.loop.on;
  seek(time);
  say(`Position ${clock(time)}${wasLooping && !state.loop.on ? ', loop off' : ''}`);
});

for (const button of document.querySelectorAll('[data-seek]')) {
  button.addEventListener('click', () => {
    seek(Number(button.dataset.seek));
    say(`Position ${clock(Number(button.dataset.seek))}`);
  });
}

/** Opens the call of a link; without one the key is left to the browser. */
function open(id) {
  const link = find(id);
  if (!link) return false;
  link.click();
}

keys({
  Space: playOrPause,
  'Ctrl+Space': playOrPause,
  ArrowLeft: () => move(-5),
  ArrowRight: () => move(5),
  'Shift+ArrowLeft': () => move(-1),
  'Shift+ArrowRight': () => move(1),
  'Ctrl+ArrowLeft': () => move(-30),
  'Ctrl+ArrowRight': () => move(30),
  ',': () => (move(-5), play()),
  '<': () => changeSpeed(-1),
  '>': () => changeSpeed(1),
  m: mute,
  s: toggleSkip,
  '[': () => open('newer-call'),
  ']': () => open('older-call'),
  z: nextZoom,
  i: loopIn,
  u: loopOut,
  l: loopOnOff,
  t: () => (typedTime.focus(), typedTime.select()),
  y: () => void copyLink(),
});
if (laneItems.length > 1) {
  keys({ a: () => hearOnly('agent'), c: () => hearOnly('customer'), b: () => hearOnly(null) });
}

audio.addEventListener('loadedmetadata', () => {
  paint();
  showTime();
});

const startAt = seconds(address.get('t'));
const savedLoop = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(address.get('loop') ?? '');
if (deck.dataset.original) useSource(deck.dataset.original);
if (startAt !== null) audio.currentTime = clamp(startAt, 0, Math.max(0, duration() - 0.05));
if (savedLoop) setLoop({ from: Number(savedLoop[1]), to: Number(savedLoop[2]), on: true });
audio.controls = false;
setVolume(Number(deck.dataset.volume));
const preferred = [...speed.options].find((option) => Number(option.value) === Number(deck.dataset.speed));
if (preferred) speed.value = preferred.value;
setSpeed(speed.value);
deck.dataset.ready = '';
chooseView();
showLanes();
showTime();
loadPeaks();
