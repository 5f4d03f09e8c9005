// A pad to draw on, and small pictures of drawings.
import { h } from "./dom";

const SIZE = 224;
const PEN = 0.035; // radius; the pad's side is the unit

type Point = [number, number];

/** Strokes of a pointer or of the keyboard; `ink` is the drawing as the network's demo makes them. */
export class Pad {
  readonly canvas: HTMLCanvasElement;
  #strokes: Point[][] = [];
  #down = false;
  #pen: Point = [0.5, 0.5];
  #inking = true;

  constructor(readonly side: number, readonly changed: () => void) {
    this.canvas = h("canvas", {
      width: SIZE, height: SIZE, class: "pad", tabindex: "0", role: "application",
      "aria-label": "Drawing pad. Arrow keys draw, space lifts and lowers the pen, Escape clears.",
    });
    const at = (e: PointerEvent): Point => {
      const box = this.canvas.getBoundingClientRect();
      return [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height];
    };
    this.canvas.addEventListener("pointerdown", (e) => {
      this.canvas.setPointerCapture(e.pointerId);
      this.#down = true;
      this.#strokes.push([at(e)]);
      this.#draw();
    });
    this.canvas.addEventListener("pointermove", (e) => {
      if (!this.#down) return;
      this.#strokes[this.#strokes.length - 1].push(at(e));
      this.#draw();
    });
    const up = () => {
      if (this.#down) this.changed();
      this.#down = false;
    };
    this.canvas.addEventListener("pointerup", up);
    this.canvas.addEventListener("pointercancel", up);
    this.canvas.addEventListener("keydown", (e) => this.#key(e));
  }

  #key(e: KeyboardEvent): void {
    const move = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, Point>)[e.key];
    if (e.key === "Escape") this.clear();
    else if (e.key === " ") this.#inking = !this.#inking;
    else if (!move) return;
    e.preventDefault();
    if (!move) return;
    const before = this.#pen;
    this.#pen = [0, 1].map((k) => Math.min(0.95, Math.max(0.05, before[k] + 0.05 * move[k]))) as Point;
    if (this.#inking) {
      const last = this.#strokes[this.#strokes.length - 1];
      if (last && last[last.length - 1] === before) last.push(this.#pen);
      else this.#strokes.push([before, this.#pen]);
    }
    this.#draw();
    this.changed();
  }

  clear(): void {
    this.#strokes = [];
    this.#pen = [0.5, 0.5];
    this.#inking = true;
    this.#draw();
    this.changed();
  }

  /** uint8 [side, side], ink 255, centred and scaled like the network's own drawings; null if empty. */
  ink(): Uint8Array | null {
    const points = this.#strokes.flat();
    if (!points.length) return null;
    const low = [0, 1].map((d) => Math.min(...points.map((p) => p[d])));
    const high = [0, 1].map((d) => Math.max(...points.map((p) => p[d])));
    const scale = 0.72 / Math.max(high[0] - low[0], high[1] - low[1], 0.2);
    const fit = ([x, y]: Point): Point => [
      0.5 + (x - (low[0] + high[0]) / 2) * scale, 0.5 + (y - (low[1] + high[1]) / 2) * scale];
    const strokes = this.#strokes.map((stroke) => stroke.map(fit));
    const found = new Uint8Array(this.side * this.side);
    for (let k = 0; k < found.length; k++) {
      const at: Point = [((k % this.side) + 0.5) / this.side, (Math.floor(k / this.side) + 0.5) / this.side];
      let nearest = Infinity;
      for (const stroke of strokes)
        for (let j = 0; j < stroke.length; j++) nearest = Math.min(nearest, distance(at, stroke[Math.max(0, j - 1)], stroke[j]));
      found[k] = Math.round(255 * Math.min(1, Math.max(0, (PEN - nearest) * this.side + 0.5)));
    }
    return found;
  }

  #draw(): void {
    const pen = this.canvas.getContext("2d")!;
    const style = getComputedStyle(this.canvas);
    pen.clearRect(0, 0, SIZE, SIZE);
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = 2 * PEN * SIZE;
    pen.strokeStyle = style.color;
    for (const stroke of this.#strokes) {
      pen.beginPath();
      for (const [x, y] of stroke) pen.lineTo(x * SIZE, y * SIZE);
      if (stroke.length === 1) pen.lineTo(stroke[0][0] * SIZE + 0.1, stroke[0][1] * SIZE);
      pen.stroke();
    }
  }
}

/** Of a point from the line between two others. */
function distance(p: Point, a: Point, b: Point): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length)) : 0;
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
}

export function thumbnail(ink: Uint8Array, side: number, label: string): HTMLCanvasElement {
  const canvas = h("canvas", { width: side, height: side, class: "thumb", role: "img", "aria-label": label });
  const pen = canvas.getContext("2d")!;
  const image = pen.createImageData(side, side);
  ink.forEach((v, k) => image.data.set([16, 24, 32, v], 4 * k));
  pen.putImageData(image, 0, 0);
  return canvas;
}
