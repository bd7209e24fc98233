// The elements and the state of the player, which its modules share.
import { Heard } from './heard.js';
import { Lanes } from './lanes.js';

export const find = (id) => document.getElementById(id);
export const deck = find('deck');
export const audio = find('sound');
export const slider = find('position');
export const zoomed = find('zoomed');
export const laneItems = [...zoomed.querySelectorAll('.lane')];
export const address = new URLSearchParams(location.search);
export const heard = new Heard(audio, deck.dataset.heard);

export const state = {
  /** Whether the channels are swapped. */
  swapped: Boolean(find('swap')) && address.get('swap') === '1',
  /** The peaks, and the pauses that they show, once they are loaded. */
  peaks: null,
  quiet: [],
  skipping: false,
  dragging: false,
  /** Seconds; null for the beginning or the end of the call. */
  loop: { from: null, to: null, on: false },
  /** The part of the call that the large waveform shows; a span of 0 is the whole call. */
  view: { start: 0, span: 0 },
};

export const duration = () =>
  (Number.isFinite(audio.duration) && audio.duration) || Number(deck.dataset.duration) || 0;
export const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));
export const say = (text) => (find('deck-message').textContent = text);
export const loopStart = () => state.loop.from ?? 0;
export const loopEnd = () => state.loop.to ?? duration();
export const play = () =>
  // A file that cannot be played has an event of its own.
  audio.play().catch(({ name }) => /^(Abort|NotSupported)Error$/.test(name) || say('The audio could not be played.'));
export const channelOf = (item) => (state.swapped ? 1 - Number(item.dataset.channel) : Number(item.dataset.channel));
export const lanes = new Lanes(
  audio, () => Object.fromEntries(laneItems.map((item) => [item.dataset.lane, channelOf(item)])));
export const press = (button, on) => button?.setAttribute('aria-pressed', String(on));
