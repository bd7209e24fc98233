// The position: what changes it, and what happens when it is reached.
import {
  audio, clamp, duration, find, heard, loopEnd, loopStart, play, say, slider, state, zoomed,
} from './deck.js';
import { paint, paintPosition } from './drawing.js';
import { setLoop } from './loop.js';
import { described } from './passages.js';
import { follow } from './pointer.js';
import { clock, words } from './time.js';

export function look(start) {
  const { view } = state;
  const kept = clamp(start, 0, duration() - view.span);
  if (kept !== view.start) {
    view.start = kept;
    paint();
  }
}

function keepInView() {
  const at = audio.currentTime;
  const { start, span } = state.view;
  if (span && (at < start || at > start + span)) look(at - span * 0.1);
}

export function seek(time) {
  heard.follow();
  // A position outside of the loop takes precedence over the loop.
  if (state.loop.on && (time < loopStart() - 0.05 || time > loopEnd() + 0.05)) {
    setLoop({ on: false });
    say('Loop off');
  }
  audio.currentTime = clamp(time, 0, Math.max(0, duration() - 0.05));
  keepInView();
  showTime();
}

/** Moves by some seconds, within the loop while one is played. */
export function move(by) {
  const at = audio.currentTime + by;
  seek(state.loop.on ? clamp(at, loopStart(), loopEnd()) : at);
}

export function showTime() {
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
    slider.setAttribute('aria-valuetext', `${words(at)} of ${words(total)}${described(at)}`);
  }
  slider.setAttribute('aria-valuemax', String(Math.floor(total)));
  paintPosition();
}

/** Applies loops and skipped pauses and follows the position during playback. */
function advance() {
  const at = audio.currentTime;
  heard.follow();
  if (state.loop.on && loopEnd() > loopStart() && (at >= loopEnd() - 0.02 || audio.ended)) {
    audio.currentTime = loopStart();
    if (audio.ended) audio.play();
  } else if (state.skipping && !audio.paused) {
    const pause = state.quiet.find(([from, to]) => at >= from && at < to - 0.1);
    if (pause) audio.currentTime = Math.min(pause[1], duration() - 0.05);
  }
  if (!audio.paused) keepInView();
  showTime();
}

let frame = 0;
function everyFrame() {
  if (!state.dragging) advance();
  frame = requestAnimationFrame(everyFrame);
}

const calm = matchMedia('(prefers-reduced-motion: reduce)');
for (const event of ['play', 'pause']) {
  audio.addEventListener(event, () => {
    cancelAnimationFrame(frame);
    if (!audio.paused && !calm.matches) everyFrame();
  });
}

// Animation frames stop in a hidden tab, where loops and skipped pauses must still work.
audio.addEventListener('timeupdate', () => !state.dragging && advance());
audio.addEventListener('ended', advance);
audio.addEventListener('seeked', showTime);

const onDrag = {
  begin: () => {
    state.dragging = true;
    const wasPlaying = !audio.paused;
    audio.pause();
    return () => {
      state.dragging = false;
      if (wasPlaying) play();
    };
  },
  seek,
};
const share = (x, element) => clamp((x - element.getBoundingClientRect().left) / element.clientWidth, 0, 1);
const timeIn = {
  overview: (x) => share(x, slider) * duration(),
  zoomed: (x) => state.view.start + share(x, zoomed) * (state.view.span || duration()),
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
