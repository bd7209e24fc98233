// Collects the passages of a recording that were actually played, and reports them for the access log.

const reportInterval = 5 * 60 * 1000;
const maximumPassages = 200;

export class Heard {
  constructor(audio, url) {
    this.audio = audio;
    this.url = url;
    this.passages = [];
    // The passage that is being played.
    this.open = null;
    for (const event of ['playing', 'seeked']) audio.addEventListener(event, () => this.begin());
    audio.addEventListener('timeupdate', () => this.follow());
    for (const event of ['pause', 'ended', 'waiting']) audio.addEventListener(event, () => (this.follow(), this.end()));
    for (const event of ['seeking', 'emptied', 'error']) audio.addEventListener(event, () => this.end());
    audio.addEventListener('volumechange', () => (this.follow(), this.begin()));
    setInterval(() => this.report(), reportInterval);
    addEventListener('pagehide', () => this.report());
    // A phone may end a hidden page without further events.
    document.addEventListener('visibilitychange', () => document.hidden && audio.paused && this.report());
  }

  begin() {
    this.end();
    const { audio } = this;
    if (audio.paused || audio.seeking || audio.muted || audio.volume === 0) return;
    this.open = { from: audio.currentTime, to: audio.currentTime };
  }

  /** Extends the current passage to the position; called as often as the position is shown. */
  follow() {
    const { audio, open } = this;
    if (open && !audio.seeking) open.to = Math.max(open.to, audio.currentTime);
  }

  end() {
    if (this.open && this.open.to - this.open.from >= 0.1) this.passages.push(this.open);
    this.open = null;
    if (this.passages.length >= maximumPassages) this.report();
  }

  async report() {
    this.follow();
    const goesOn = this.open !== null;
    this.end();
    if (goesOn) this.begin();
    const passages = this.passages.splice(0, maximumPassages);
    if (!passages.length) return;
    try {
      const answer = await fetch(this.url, {
        method: 'POST', keepalive: true, headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ passages }),
      });
      // A report that is refused as invalid would be refused again.
      if (answer.status >= 500 || answer.status === 401) this.passages.unshift(...passages);
    } catch {
      this.passages.unshift(...passages);
    }
  }
}
