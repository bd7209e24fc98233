/**
 * Selects which of two channels is audible. The audio graph is built on first use, because the audio element cannot be
 * detached from it again: until a lane is muted or heard alone, the plain audio element plays directly.
 */
export class Lanes {
  muted = new Set();
  solo = new Set();
  #audio;
  #channelOf;
  #context;
  #gains;
  #merger;

  /** `channelOf` returns the channel of each lane; it is called on every change. */
  constructor(audio, channelOf) {
    this.#audio = audio;
    this.#channelOf = channelOf;
  }

  heard(lane) {
    return this.solo.size ? this.solo.has(lane) : !this.muted.has(lane);
  }

  toggle(set, lane) {
    set.has(lane) ? set.delete(lane) : set.add(lane);
    this.apply();
  }

  /** Plays one lane only, or all lanes for null. */
  only(lane) {
    this.muted.clear();
    this.solo.clear();
    if (lane) this.solo.add(lane);
    this.apply();
  }

  apply() {
    const lanes = Object.entries(this.#channelOf());
    if (!this.#context && lanes.every(([lane]) => this.heard(lane))) return;
    this.#build();
    const audible = lanes.filter(([lane]) => this.heard(lane)).map(([, channel]) => channel);
    this.#gains.forEach((gain, channel) => {
      gain.gain.setTargetAtTime(audible.includes(channel) ? 1 : 0, this.#context.currentTime, 0.01);
      gain.disconnect();
      gain.connect(this.#merger, 0, channel);
      // A single audible channel is played on both sides.
      if (audible.length === 1 && audible[0] === channel) gain.connect(this.#merger, 0, 1 - channel);
    });
    this.#context.resume();
  }

  #build() {
    if (this.#context) return;
    this.#context = new AudioContext();
    const splitter = new ChannelSplitterNode(this.#context, { numberOfOutputs: 2 });
    this.#merger = new ChannelMergerNode(this.#context, { numberOfInputs: 2 });
    this.#gains = [0, 1].map((channel) => {
      const gain = new GainNode(this.#context);
      splitter.connect(gain, channel);
      return gain;
    });
    this.#context.createMediaElementSource(this.#audio).connect(splitter);
    this.#merger.connect(this.#context.destination);
    this.#audio.addEventListener('play', () => this.#context.resume());
  }
}
