// The buttons of the two lanes: mute, solo, and which channel is whose.
import { address, audio, find, laneItems, press, say } from './deck.js';
import { paint } from './drawing.js';
import { Lanes } from './lanes.js';
import { remember } from './link.js';

const swapButton = find('swap');
let swapped = Boolean(swapButton) && address.get('swap') === '1';
export const isSwapped = () => swapped;
export const channelOf = (item) => (swapped ? 1 - Number(item.dataset.channel) : Number(item.dataset.channel));
export const lanes = new Lanes(
  audio, () => Object.fromEntries(laneItems.map((item) => [item.dataset.lane, channelOf(item)])));

export function showLanes() {
  for (const item of laneItems) {
    const name = item.dataset.lane;
    press(item.querySelector('[data-mute]'), lanes.muted.has(name));
    press(item.querySelector('[data-solo]'), lanes.solo.has(name));
    item.toggleAttribute('data-silent', !lanes.heard(name));
  }
  press(swapButton, swapped);
  paint();
}

export function hearOnly(name) {
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
