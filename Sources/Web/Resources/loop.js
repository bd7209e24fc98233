// A passage that is played again and again.
import { audio, find, loopEnd, loopStart, press, say, state } from './deck.js';
import { paint } from './drawing.js';
import { remember } from './link.js';
import { clock } from './time.js';

export function setLoop(change) {
  const loop = { ...state.loop, ...change };
  if (loop.from !== null && loop.to !== null && loop.to <= loop.from) {
    change.to === undefined ? (loop.to = null) : (loop.from = null);
  }
  state.loop = loop;
  press(find('loop'), loop.on);
  find('loop-text').textContent =
    loop.from === null && loop.to === null ? '' : `${clock(loopStart())} to ${clock(loopEnd())}`;
  remember();
  paint();
}

export const loopIn = () => (setLoop({ from: audio.currentTime }), say(`Loop starts at ${clock(state.loop.from)}`));
export const loopOut = () => (setLoop({ to: audio.currentTime }), say(`Loop ends at ${clock(state.loop.to)}`));
export const loopOnOff = () => (setLoop({ on: !state.loop.on }), say(state.loop.on ? 'Loop on' : 'Loop off'));
find('loop-in').addEventListener('click', loopIn);
find('loop-out').addEventListener('click', loopOut);
find('loop').addEventListener('click', loopOnOff);
