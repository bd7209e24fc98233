// The parts of the recording and what happened in them, as the page lists them: `{ kind, text, from, to, beginsPart }`.
import { deck } from './deck.js';

export const passages = JSON.parse(deck.dataset.passages ?? '[]');
const parts = passages.filter(({ beginsPart }) => beginsPart);

/** Whether a passage is a moment, which is drawn as a mark. */
const isMoment = ({ from, to }) => to - from < 0.5;

/** The color of a passage: that of its row in the list. */
const colorOf = ({ kind }) => getComputedStyle(document.querySelector(`.passage.${kind}`)).color;

export const bands = () =>
  passages.filter((passage) => !isMoment(passage))
    .map((passage) => ({ from: passage.from, to: passage.to, label: passage.text, color: colorOf(passage) }));

/** The first part begins with the recording and needs no mark. */
export const marks = () =>
  passages.filter((passage) => isMoment(passage) && (passage.from > 0 || !passage.beginsPart))
    .map((passage) => ({ at: passage.from, label: passage.text, color: colorOf(passage) }));

/** What is at a time, such as ", part 2, hold"; empty for a recording with one part without stages. */
export function described(time) {
  const number = parts.filter(({ from }) => from <= time + 0.01).length;
  const name = parts.length ? `, ${parts[Math.max(number - 1, 0)].text.split(',')[0].toLowerCase()}` : '';
  const stages = passages.filter((passage) => !isMoment(passage) && passage.from <= time && time < passage.to);
  return name + stages.map(({ text }) => `, ${text.toLowerCase()}`).join('');
}
