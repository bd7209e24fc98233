// The player: controls and drawing for one audio element. Every drag has an equivalent button, key or typed time.
import { Heard } from './heard.js';
import { keys } from './keys.js';
import { Lanes } from './lanes.js';
import { pauses, readPeaks } from './peaks.js';
import { follow } from './pointer.js';
import { prefer } from './preferences.js';
import { drawRuler } from './ruler.js';
import { clock, seconds, words } from './time.js';
import { draw } from './waveform.js';

const find = (id) => document.getElementById(id);
const deck = find('deck');
const audio = find('sound');
const slider = find('position');
const zoomed = find('zoomed');
const laneItems = [...zoomed.querySelectorAll('.lane')];
const address = new URLSearchParams(location.search);
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const heard = new Heard(audio, deck.dataset.heard);

let peaks = null;
let quiet = [];
let skipping = false;
let dragging = false;
let loop = { from: null, to: null, on: false };
let view = { start: 0, span: 0 };

const duration = () => (Number.isFinite(audio.duration) && audio.duration) || Number(deck.dataset.duration) || 0;
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));
const say = (text) => (find('deck-message').textContent = text);
const press = (button, on) => button?.setAttribute('aria-pressed', String(on));

// Lanes

const swapButton = find('swap');
let swapped = Boolean(swapButton) && address.get('swap') === '1';
const channelOf = (item) => (swapped ? 1 - Number(item.dataset.channel) : Number(item.dataset.channel));
const lanes = new Lanes(audio, () => Object.fromEntries(laneItems.map((item) => [item.dataset.lane, channelOf(item)])));

function showLanes() {
  for (const item of laneItems) {
    const name = item.dataset.lane;
    press(item.querySelector('[data-mute]'), lanes.muted.has(name));
    press(item.querySelector('[data-solo]'), lanes.solo.has(name));
    item.toggleAttribute('data-silent', !lanes.heard(name));
  }
  press(swapButton, swapped);
  paint();
}

function hearOnly(name) {
  lanes.only(name);
  showLanes();
  say(name ? `Playing the ${name} only` : 'Playing both');
}

for (const item of laneItems) {
  item.querySelector('[data-mute]')?.addEventListener('click', () => {
    lanes.toggle(lanes.muted, item.dataset.lane);
    showLanes();
  });
  item.querySelector('[data-solo]')?.addEventListener('click', () => {
    lanes.toggle(lanes.solo, item.dataset.lane);
    showLanes();
  });
}

swapButton?.addEventListener('click', () => {
  swapped = !swapped;
  lanes.apply();
  showLanes();
  remember();
  say(swapped ? 'Lanes swapped: the agent is now on the other channel' : 'Lanes as recorded');
});

// Drawing

function paint() {
  const { color } = getComputedStyle(deck);
  const accent = getComputedStyle(find('play')).backgroundColor;
  const colors = laneItems.map((item) => getComputedStyle(item).color);
  const lane = (item, index, height) => ({
    channel: channelOf(item), color: colors[index], faded: !lanes.heard(item.dataset.lane),
    top: index * height, height,
  });
  const bands = skipping ? quiet.map(([from, to]) => ({ from, to, color })) : [];
  if (loop.from !== null || loop.to !== null) {
    bands.push({ from: loop.from ?? 0, to: loop.to ?? duration(), color: accent, edges: true });
  }
  const ruler = getComputedStyle(find('ruler'));
  const axis = { color: ruler.color, font: `${ruler.fontSize} ${ruler.fontFamily}` };
  drawRuler(find('overview-ruler'), { start: 0, span: duration() || 1, ...axis });
  drawRuler(find('ruler'), { start: view.start, span: view.span || duration() || 1, ...axis });
  const overview = find('overview');
  const small = overview.clientHeight / laneItems.length;
  draw(overview, peaks, {
    start: 0, span: duration() || 1, bands, lanes: laneItems.map((item, index) => lane(item, index, small)),
  });
  draw(find('lanes'), peaks, {
    start: view.start, span: view.span || duration() || 1, bands,
    lanes: laneItems.map((item, index) => {
      // The strip at the top holds the lane's name and buttons.
      const { offsetTop, offsetHeight } = item;
      return { ...lane(item, index, 0), top: offsetTop + 24, height: offsetHeight - 28 };
    }),
  });
  paintPosition();
}

function paintPosition() {
  const total = duration() || 1;
  const at = audio.currentTime;
  const whole = slider.clientWidth;
  find('overview-playhead').style.transform = `translateX(${(at / total) * whole}px)`;
  const inView = (at - view.start) / (view.span || total);
  const playhead = find('playhead');
  playhead.hidden = inView < 0 || inView > 1;
  playhead.style.transform = `translateX(${inView * zoomed.clientWidth}px)`;
  const frame = find('window');
  frame.hidden = !view.span || view.span >= total;
  frame.style.width = `${((view.span || total) / total) * whole}px`;
  frame.style.transform = `translateX(${(view.start / total) * whole}px)`;
}

// Position

function look(start) {
  const kept = clamp(start, 0, duration() - view.span);
  if (kept !== view.start) {
    view.start = kept;
    paint();
  }
}

function keepInView() {
  const at = audio.currentTime;
  if (!view.span || (at >= view.start && at <= view.start + view.span)) return;
  look(at - view.span * 0.1);
}

function seek(time) {
  heard.follow();
  // A position outside of the loop is wanted more than the loop.
  if (loop.on && (time < loopStart() - 0.05 || time > loopEnd() + 0.05)) {
    setLoop({ on: false });
    say('Loop off');
  }
  audio.currentTime = clamp(time, 0, Math.max(0, duration() - 0.05));
  keepInView();
  showTime();
}

/** Moves by some seconds, within the loop while one is played. */
function move(by) {
  const at = audio.currentTime + by;
  seek(loop.on ? clamp(at, loopStart(), loopEnd()) : at);
}

function showTime() {
  const at = audio.currentTime;
  const total = duration();
  const rate = audio.playbackRate;
  const set = (id, text) => find(id).textContent !== text && (find(id).textContent = text);
  set('clock', clock(at));
  set('total', clock(total));
  set('left', `${clock((total - at) / rate)} left${rate === 1 ? '' : ` at ${rate}×`}`);
  const whole = String(Math.floor(at));
  if (slider.getAttribute('aria-valuenow') !== whole) {
    slider.setAttribute('aria-valuenow', whole);
    slider.setAttribute('aria-valuetext', `${words(at)} of ${words(total)}`);
  }
  slider.setAttribute('aria-valuemax', String(Math.floor(total)));
  paintPosition();
}

/** Applies loops and skipped pauses and follows the position during playback. */
function advance() {
  const at = audio.currentTime;
  heard.follow();
  if (loop.on && loopEnd() > loopStart() && (at >= loopEnd() - 0.02 || audio.ended)) {
    audio.currentTime = loopStart();
    if (audio.ended) audio.play();
  } else if (skipping && !audio.paused) {
    const pause = quiet.find(([from, to]) => at >= from && at < to - 0.1);
    if (pause) audio.currentTime = Math.min(pause[1], duration() - 0.05);
  }
  if (!audio.paused) keepInView();
  showTime();
}

let frame = 0;
function everyFrame() {
  if (!dragging) advance();
  frame = requestAnimationFrame(everyFrame);
}

const play = () => audio.play().catch((error) => error.name !== 'AbortError' && say('The audio could not be played.'));
const playOrPause = () => (audio.paused ? play() : audio.pause());

// Animation frames stop in a hidden tab, where loops and skipped pauses must still work.
audio.addEventListener('timeupdate', () => !dragging && advance());
audio.addEventListener('ended', advance);
audio.addEventListener('seeked', showTime);
audio.addEventListener('loadedmetadata', () => {
  chooseView();
  paint();
  showTime();
});
for (const event of ['play', 'pause']) {
  audio.addEventListener(event, () => {
    find('play').textContent = audio.paused ? 'Play' : 'Pause';
    cancelAnimationFrame(frame);
    if (!audio.paused && !calm.matches) everyFrame();
    tellSystem();
  });
}

find('play').addEventListener('click', playOrPause);
find('back').addEventListener('click', () => move(-5));
find('forward').addEventListener('click', () => move(5));

const onDrag = {
  begin: () => {
    dragging = true;
    const wasPlaying = !audio.paused;
    audio.pause();
    return () => {
      dragging = false;
      if (wasPlaying) play();
    };
  },
  seek,
};
const share = (x, element) => clamp((x - element.getBoundingClientRect().left) / element.clientWidth, 0, 1);
const timeIn = {
  overview: (x) => share(x, slider) * duration(),
  zoomed: (x) => view.start + share(x, zoomed) * (view.span || duration()),
};
for (const [element, timeAt] of [[slider, timeIn.overview], [zoomed, timeIn.zoomed]]) {
  follow(element, { label: find('pointer'), stage: find('stage'), timeAt, ...onDrag });
}

slider.addEventListener('keydown', (event) => {
  if (event.altKey || event.metaKey) return;
  const arrow = event.shiftKey ? 1 : event.ctrlKey ? 30 : 5;
  const steps = { ArrowLeft: -arrow, ArrowDown: -arrow, ArrowRight: arrow, ArrowUp: arrow, PageDown: -30, PageUp: 30 };
  if (event.key === 'Home') seek(0);
  else if (event.key === 'End') seek(duration());
  else if (event.key in steps) move(steps[event.key]);
  else return;
  event.preventDefault();
});

// Speed, zoom, pauses

const speed = find('speed');
speed.addEventListener('change', () => {
  setSpeed(speed.value);
  prefer({ speed: Number(speed.value) });
});

function setSpeed(value) {
  // A change of the source resets the rate to the default rate.
  audio.defaultPlaybackRate = audio.playbackRate = Number(value);
  showTime();
}

function changeSpeed(by) {
  const index = clamp(speed.selectedIndex + by, 0, speed.options.length - 1);
  speed.selectedIndex = index;
  speed.dispatchEvent(new Event('change'));
  say(`Speed ${speed.value}×`);
}

// Volume

const volume = find('volume');

function setVolume(value) {
  audio.volume = clamp(value, 0, 1);
  audio.muted = false;
  volume.value = String(Math.round(audio.volume * 100));
}

volume.addEventListener('input', () => {
  setVolume(Number(volume.value) / 100);
  prefer({ volume: audio.volume });
});

function mute() {
  audio.muted = !audio.muted;
  say(audio.muted ? 'Muted' : `Volume ${volume.value} %`);
}

const zoom = find('zoom');

function chooseView() {
  if (!zoom) return;
  const total = duration();
  const wanted = zoom.options.length ? Number(zoom.value) : total > 180 ? 120 : 0;
  const choices = [[0, 'Whole call'], [600, '10 minutes'], [120, '2 minutes'], [30, '30 seconds'], [10, '10 seconds']];
  zoom.replaceChildren(...choices.filter(([span]) => span < total).map(([span, text]) => new Option(text, span)));
  zoom.value = String(wanted < total ? wanted : 0);
  setZoom();
}

function setZoom() {
  view.span = Number(zoom?.value ?? 0);
  view.start = view.span ? clamp(audio.currentTime - view.span * 0.1, 0, duration() - view.span) : 0;
  paint();
}

zoom?.addEventListener('change', setZoom);
zoomed.addEventListener('wheel', (event) => {
  const by = event.shiftKey ? event.deltaY : event.deltaX;
  if (!view.span || !by) return;
  event.preventDefault();
  look(view.start + (by / zoomed.clientWidth) * view.span);
}, { passive: false });

const skip = find('skip');
function toggleSkip() {
  if (!peaks) return;
  skipping = !skipping;
  prefer({ skipSilence: skipping });
  press(skip, skipping);
  paint();
  const spared = quiet.reduce((sum, [from, to]) => sum + to - from, 0);
  say(skipping ? `Skipping silence: ${words(spared)} in total` : 'Not skipping silence');
}
skip?.addEventListener('click', toggleSkip);

// Loop

const loopStart = () => loop.from ?? 0;
const loopEnd = () => loop.to ?? duration();

function setLoop(change) {
  loop = { ...loop, ...change };
  if (loop.from !== null && loop.to !== null && loop.to <= loop.from) {
    change.to === undefined ? (loop.to = null) : (loop.from = null);
  }
  press(find('loop'), loop.on);
  find('loop-text').textContent =
    loop.from === null && loop.to === null ? '' : `${clock(loopStart())} to ${clock(loopEnd())}`;
  remember();
  paint();
}

const loopIn = () => (setLoop({ from: audio.currentTime }), say(`Loop starts at ${clock(loop.from)}`));
const loopOut = () => (setLoop({ to: audio.currentTime }), say(`Loop ends at ${clock(loop.to)}`));
const loopOnOff = () => (setLoop({ on: !loop.on }), say(loop.on ? 'Loop on' : 'Loop off'));
find('loop-in').addEventListener('click', loopIn);
find('loop-out').addEventListener('click', loopOut);
find('loop').addEventListener('click', loopOnOff);

// State that is kept in the address

function addressOf(time) {
  const here = new URL(location.href);
  const tenths = (value) => String(Math.round(value * 10) / 10);
  const set = (name, value) => (value === null ? here.searchParams.delete(name) : here.searchParams.set(name, value));
  if (time !== undefined) set('t', String(Math.floor(time)));
  set('loop', loop.on ? `${tenths(loopStart())}-${tenths(loopEnd())}` : null);
  set('swap', swapped ? '1' : null);
  return here.href;
}

const remember = (time) => history.replaceState(null, '', addressOf(time));

async function copyLink() {
  remember(audio.currentTime);
  try {
    await navigator.clipboard.writeText(location.href);
    say(`Link to ${clock(audio.currentTime)} copied`);
  } catch {
    say('The browser did not allow copying. Copy the link from the address bar.');
  }
}
find('copy-link').addEventListener('click', copyLink);

const typedTime = find('go-time');
find('go').addEventListener('submit', (event) => {
  event.preventDefault();
  const time = seconds(typedTime.value);
  const wrong = time === null || time > duration();
  typedTime.setAttribute('aria-invalid', String(wrong));
  if (wrong) return say(`Enter a time up to ${clock(duration())}, for example 1:05`);
  const wasLooping = loop.on;
  seek(time);
  say(`Position ${clock(time)}${wasLooping && !loop.on ? ', loop off' : ''}`);
});

// The audio file: the original where the browser seeks it exactly, otherwise the MP3

const source = find('source');

function useSource(url) {
  if (audio.src === new URL(url, location.href).href) return;
  const { currentTime, paused } = audio;
  audio.src = url;
  audio.currentTime = currentTime;
  if (!paused) play();
}

source?.addEventListener('change', () => {
  useSource(source.value === 'mp3' ? deck.dataset.mp3 : deck.dataset.original);
  say(source.value === 'mp3' ? 'Playing the MP3: a smaller file; positions may be off by up to a second' : 'Playing the original');
});

// The server closes a stream that is not read for a minute. A browser usually continues by itself; if it does not, the
// file is loaded again at the same position, once per position.
let reloadedAt = null;
function reload() {
  const { currentTime, paused } = audio;
  reloadedAt = currentTime;
  audio.load();
  audio.currentTime = currentTime;
  if (!paused) play();
}

audio.addEventListener('error', () => {
  if (audio.error?.code === MediaError.MEDIA_ERR_NETWORK && audio.currentTime !== reloadedAt) return reload();
  if (source?.value === 'original') {
    source.value = 'mp3';
    useSource(deck.dataset.mp3);
    say('This browser cannot play the original. Playing the MP3 instead.');
  } else {
    say('The audio could not be loaded. Reload the page to try again.');
  }
});

/** Opens the call of a link; without one the key is left to the browser. */
function open(id) {
  const link = find(id);
  if (!link) return false;
  link.click();
}

// Keyboard shortcuts and the system's media controls

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
  '[': () => open('previous-call'),
  ']': () => open('next-call'),
  z: () => {
    if (!zoom?.options.length) return false;
    zoom.selectedIndex = (zoom.selectedIndex + 1) % zoom.options.length;
    setZoom();
    say(`Zoom: ${zoom.selectedOptions[0].text.toLowerCase()}`);
  },
  i: loopIn,
  u: loopOut,
  l: loopOnOff,
  t: () => (typedTime.focus(), typedTime.select()),
  y: () => void copyLink(),
});
if (laneItems.length > 1) {
  keys({ a: () => hearOnly('agent'), c: () => hearOnly('customer'), b: () => hearOnly(null) });
}

function tellSystem() {
  if (!navigator.mediaSession) return;
  navigator.mediaSession.playbackState = audio.paused ? 'paused' : 'playing';
  if (duration()) {
    navigator.mediaSession.setPositionState({
      duration: duration(), playbackRate: audio.playbackRate, position: Math.min(audio.currentTime, duration()),
    });
  }
}

if (navigator.mediaSession) {
  navigator.mediaSession.metadata = new MediaMetadata({ title: deck.dataset.title, artist: 'Tapedeck' });
  const handlers = {
    play, pause: () => audio.pause(), seekbackward: () => move(-5), seekforward: () => move(5),
    seekto: ({ seekTime }) => seek(seekTime),
  };
  for (const [name, handler] of Object.entries(handlers)) navigator.mediaSession.setActionHandler(name, handler);
}

// Start

async function loadPeaks() {
  if (!deck.dataset.peaks) return;
  try {
    const answer = await fetch(deck.dataset.peaks);
    if (!answer.ok) throw new Error(`${answer.status}`);
    peaks = readPeaks(await answer.arrayBuffer());
    quiet = pauses(peaks);
    // The preference applies once it is known where silence is.
    skipping = 'skip' in deck.dataset;
    press(skip, skipping);
    paint();
  } catch {
    if (skip) skip.disabled = true;
    say('The waveform could not be loaded. Playback works without it.');
  }
}

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

new ResizeObserver(paint).observe(zoomed);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
matchMedia('(forced-colors: active)').addEventListener('change', paint);
