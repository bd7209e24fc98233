// The pointer over a waveform: a tap or a horizontal drag moves the position, and the time under the pointer is shown.
import { clock } from './time.js';

/** How far a finger moves sideways before it drags, in CSS pixels. */
const slack = 8;

/**
 * Follows the pointer over `element`. `timeAt` turns a horizontal position into seconds; `begin` is called at the start
 * of a drag and returns what ends it; `seek` gets each position. `label` shows the time, inside of `stage`.
 *
 * A finger that moves up or down scrolls the page: the browser then cancels the pointer, and the position stays.
 */
export function follow(element, { label, stage, timeAt, begin, seek }) {
  let pressed = null;
  let end = null;

  function show({ clientX, clientY }) {
    const box = stage.getBoundingClientRect();
    label.hidden = false;
    label.textContent = clock(timeAt(clientX));
    const left = Math.min(Math.max(clientX - box.left - label.offsetWidth / 2, 0), box.width - label.offsetWidth);
    const top = Math.max(clientY - box.top - label.offsetHeight - 12, -label.offsetHeight);
    label.style.transform = `translate(${left}px, ${top}px)`;
  }

  function drag(event) {
    end ??= begin();
    if (!element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
    seek(timeAt(event.clientX));
    show(event);
  }

  function release() {
    pressed = null;
    end?.();
    end = null;
  }

  element.addEventListener('pointerdown', (event) => {
    if (event.button || !event.isPrimary || event.target.closest('button')) return;
    pressed = { x: event.clientX, id: event.pointerId };
    // A finger may be about to scroll.
    if (event.pointerType !== 'touch') drag(event);
  });
  element.addEventListener('pointermove', (event) => {
    const isDragged = pressed?.id === event.pointerId && (end || Math.abs(event.clientX - pressed.x) > slack);
    if (isDragged) drag(event);
    else if (event.pointerType !== 'touch' && !event.target.closest('button')) show(event);
    else label.hidden = true;
  });
  element.addEventListener('pointerup', (event) => {
    if (pressed?.id !== event.pointerId) return;
    if (!end) seek(timeAt(event.clientX));
    release();
    if (event.pointerType === 'touch') label.hidden = true;
  });
  element.addEventListener('pointercancel', () => {
    release();
    label.hidden = true;
  });
  element.addEventListener('pointerleave', () => !end && (label.hidden = true));
  // A finger is captured by the part of the waveform under it until the drag begins. Losing that capture does not end the
  // drag.
  element.addEventListener('lostpointercapture', (event) => event.target === element && release());
}
