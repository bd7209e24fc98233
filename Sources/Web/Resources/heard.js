// Collects the passages of a recording that were actually played, and reports them for the access log.

const reportInterval = 5 * 60 * 1000;
const maximumPassages = 200;

/** An ID of a report, by which the server recognizes a report that is sent again. */
const newID = () => Date.now().toString(36) + Math.random().toString(36).slice(2, 8);

export class Heard {
  constructor(audio, url) {
    this.audio = audio;
    this.url = url;
    this.passages = [];
    // The reports that the server has not confirmed.
    this.reports = [];
    // The passage that is being played.
    this.open = null;
    for (const event of ['playing', 'seeked']) audio.addEventListener(event, () => this.begin());
    audio.addEventListener('timeupdate', () => this.follow());
    for (const event of ['pause', 'ended', 'waiting']) audio.addEventListener(event, () => (this.follow(), this.end()));
    for (const event of ['seeking', 'emptied', 'error']) audio.addEventListener(event, () => this.end());
    audio.addEventListener('volumechange', () => (this.follow(), this.begin()));
    setInterval(() => this.report(), reportInterval);
    addEventListener('pagehide', () => this.report());
    // A phone may end a hidden page without further events. While the page is visible, playback may continue after a pause.
    const reportHidden = () => document.hidden && audio.paused && this.report();
    document.addEventListener('visibilitychange', reportHidden);
    audio.addEventListener('pause', reportHidden);
  }

  begin() {
    this.end();
    const { audio } = this;
    if (audio.paused || audio.seeking || audio.muted || audio.volume === 0) return;
    this.open = { from: audio.currentTime, to: audio.currentTime };
  }

  /** Extends the current passage to the position; called whenever the position is shown again. */
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
    while (this.passages.length) {
      this.reports.push({ report: newID(), passages: this.passages.splice(0, maximumPassages), isDone: false });
    }
    await Promise.all(this.reports.filter(({ isDone }) => !isDone).map((report) => this.send(report)));
  }

  /** Sends a report; one that may not have arrived is sent again with the next one. */
  async send(report) {
    report.isDone = true;
    const { report: id, passages } = report;
    try {
      const answer = await fetch(this.url, {
        method: 'POST', keepalive: true, headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ report: id, passages }),
      });
      // A report that is refused as invalid would be refused again.
      report.isDone = answer.status < 500 && answer.status !== 401;
    } catch {
      report.isDone = false;
    }
    if (report.isDone) this.reports.splice(this.reports.indexOf(report), 1);
  }
}
