// The state that is kept in the address of the page, which can be copied as a link.
import { audio, find, loopEnd, loopStart, say, state } from './deck.js';
import { clock } from './time.js';

function addressOf(time) {
  const here = new URL(location.href);
  const tenths = (value) => String(Math.round(value * 10) / 10);
  const set = (name, value) => (value === null ? here.searchParams.delete(name) : here.searchParams.set(name, value));
  if (time !== undefined) set('t', String(Math.floor(time)));
  set('loop', state.loop.on ? `${tenths(loopStart())}-${tenths(loopEnd())}` : null);
  set('swap', state.swapped ? '1' : null);
  return here.href;
}

export const remember = (time) => history.replaceState(null, '', addressOf(time));

export async function copyLink() {
  remember(audio.currentTime);
  try {
    await navigator.clipboard.writeText(location.href);
    say(`Link to ${clock(audio.currentTime)} copied`);
  } catch {
    say('The browser did not allow copying. Copy the link from the address bar.');
  }
}
find('copy-link').addEventListener('click', copyLink);
