/** The last seconds of a conversation as a picture: one mark for each message as it arrived, the old owner's grey, the next one's in the
 *  accent colour. Owns: the canvas. */
import type { Arrival } from './gap.ts';

const SPAN_MS = 5_000;
const HEIGHT = 44;

/** Draws the time up to `now`. @param newest  epoch whose messages are marked */
export function drawStrip(canvas: HTMLCanvasElement, arrivals: readonly Arrival[], now: number, newest: number): void {
  const pen = canvas.getContext('2d');
  if (pen === null) return;
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(HEIGHT * scale)) canvas.height = Math.round(HEIGHT * scale);
  const style = getComputedStyle(document.documentElement);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, HEIGHT);
  for (const { at, epoch } of arrivals) {
    const x = width - ((now - at) / SPAN_MS) * width;
    if (x < 0) continue;
    pen.fillStyle = style.getPropertyValue(epoch === newest ? '--accent' : '--line-strong');
    pen.fillRect(Math.round(x), 8, 2, HEIGHT - 16);
  }
}
