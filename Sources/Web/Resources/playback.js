// Playing and pausing, the file that is played, and the system's media controls.
//
// The original is played where the browser seeks in it exactly, otherwise the MP3.
import { audio, deck, duration, find, play, say } from './deck.js';
import { move, seek } from './position.js';

export const playOrPause = () => (audio.paused ? play() : audio.pause());

// When a file fails, Chromium sets `audio.paused` without a `pause` event.
let isWanted = false;
for (const event of ['play', 'pause']) {
  audio.addEventListener(event, () => {
    isWanted = event === 'play';
    find('play').textContent = audio.paused ? 'Play' : 'Pause';
    tellSystem();
  });
}

find('play').addEventListener('click', playOrPause);
find('back').addEventListener('click', () => move(-5));
find('forward').addEventListener('click', () => move(5));

const source = find('source');

export function useSource(url) {
  if (audio.src === new URL(url, location.href).href) return;
  const { currentTime } = audio;
  audio.src = url;
  audio.currentTime = currentTime;
  if (isWanted) play();
}

source?.addEventListener('change', () => {
  useSource(source.value === 'mp3' ? deck.dataset.mp3 : deck.dataset.original);
  say(
    source.value === 'mp3'
      ? 'Playing the MP3: a smaller file; positions may be off by up to 1.2 seconds' : 'Playing the original');
});

// The server closes a stream that is not read for a minute. A browser usually continues by itself; if it does not, the
// file is loaded again at the same position, once per position.
let reloadedAt = null;
function reload() {
  const { currentTime } = audio;
  reloadedAt = currentTime;
  audio.load();
  audio.currentTime = currentTime;
  if (isWanted) play();
}

audio.addEventListener('error', () => {
  if (audio.error?.code === MediaError.MEDIA_ERR_NETWORK && audio.currentTime !== reloadedAt) return reload();
  if (source?.value === 'original') {
    source.value = 'mp3';
    useSource(deck.dataset.mp3);
    say('The original could not be played. Playing the MP3 instead.');
  } else {
    // Otherwise the button would offer to pause what does not play.
    audio.pause();
    say('The audio could not be loaded. Reload the page to try again.');
  }
});

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
