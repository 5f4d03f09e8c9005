// Teach it now: the compiled trainer, as WebAssembly, learns symbols in this page.
import { Trainer } from "../../src/trainlet/backends/wasm/runtime.js";
import { decoded, encoded, type Source, type Teaching } from "./data";
import { announce, bytes, frame, h, percent, segmented } from "./dom";
import { losses } from "./curve";
import { Pad, thumbnail } from "./pad";

const NAMES = "ABCDEFGHIJ";
const KEPT = "trainlet-explorer-symbols";

interface Learner {
  step(x: Float32Array, y: number[], rate: number): number;
  predict(x: Float32Array): Float32Array | Record<string, Float32Array>;
  observe(x: Float32Array, y: number[]): void;
  save(): Uint8Array;
  load(state: Uint8Array): void;
  reset(): void;
}

interface Example {
  x: Float32Array;
  y: number;
}

/** Ink 0..255 as the network takes it. */
const inked = (ink: Uint8Array): Float32Array => Float32Array.from(ink, (v) => Math.fround(v / 255));

export function teachView(source: Source): HTMLElement {
  const out = h("div", { class: "out", "aria-busy": "true" }, h("p", { role: "status" }, "Compiling the trainer to WebAssembly."));
  void source.ask("teach", {}).then(async (given) => {
    const { instance } = await WebAssembly.instantiate(decoded(given.module), {});
    out.replaceChildren(...lesson(given, new Trainer(instance, given.description as never) as unknown as Learner));
    out.setAttribute("aria-busy", "false");
  }).catch((error: Error) => out.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
  return h("div", {},
    h("h2", {}, "Teach it now"),
    h("p", { class: "lead" },
      "The trainer itself runs in this page: the same C as on a microcontroller, compiled to WebAssembly. It has never " +
      "seen these five symbols."),
    out);
}

function lesson(given: Teaching, trainer: Learner): HTMLElement[] {
  const { ways, side } = given;
  const each = given.learn + given.test;
  const ink = decoded(given.drawings);
  const bundled = (k: number, j: number) => ink.subarray((k * each + j) * side * side, (k * each + j + 1) * side * side);
  const own: Uint8Array[][] = Array.from({ length: ways }, () => []);
  let mine = false;

  const logits = (x: Float32Array): Float32Array => {
    const found = trainer.predict(x);
    return found instanceof Float32Array ? found : found.logits;
  };
  const guess = (x: Float32Array) => {
    const found = logits(x);
    return found.indexOf(Math.max(...found));
  };

  /** Examples in turn: one of each symbol, then the next of each. */
  function examples(test: boolean): Example[] {
    const found: Example[] = [];
    const drawings = (k: number): Uint8Array[] => {
      if (mine) return own[k].filter((_, j) => (j % 3 === 2) === test);
      const from = test ? given.learn : 0;
      return Array.from({ length: test ? given.test : given.learn }, (_, j) => bundled(k, from + j));
    };
    const every = Array.from({ length: ways }, (_, k) => drawings(k));
    for (let j = 0; j < Math.max(...every.map((d) => d.length)); j++)
      every.forEach((d, k) => d[j] && found.push({ x: inked(d[j]), y: k }));
    return found;
  }

  const results = h("div", { class: "results" });
  const curve = h("div", {});
  const status = h("p", { class: "told", role: "status" }, "It knows no symbol yet.");
  const shelf = h("div", { class: "shelf" });
  const buttons: HTMLButtonElement[] = [];

  function shelved(): void {
    shelf.replaceChildren(...Array.from({ length: ways }, (_, k) => {
      const drawings = mine ? own[k] : Array.from({ length: given.learn }, (_, j) => bundled(k, j));
      return h("div", { class: "slot" }, h("h4", {}, NAMES[k]),
        h("div", { class: "thumbs" }, ...drawings.slice(0, 9).map((d) => thumbnail(d, side, `a drawing of ${NAMES[k]}`))),
        mine && h("p", { class: "quiet" }, drawings.length ? `${drawings.length} drawn` : "none yet"));
    }));
  }

  async function tested(title: string): Promise<void> {
    const table = Array.from({ length: ways }, () => new Array<number>(ways).fill(0));
    const all = examples(true);
    for (const [k, { x, y }] of all.entries()) {
      table[y][guess(x)]++;
      if (k % 10 === 9) await frame();
    }
    const right = table.reduce((sum, row, k) => sum + row[k], 0);
    const box = h("figure", { class: "confusion", "data-accuracy": String(all.length ? right / all.length : 0) },
      h("figcaption", {}, h("strong", {}, title), all.length ? ` ${percent(right / all.length)} of ${all.length} test drawings`
        : " draw at least three of a symbol: each third is a test"),
      h("table", {},
        h("thead", {}, h("tr", {}, h("td", {}), ...table.map((_, k) => h("th", { scope: "col" }, NAMES[k])))),
        h("tbody", {}, ...table.map((row, k) => {
          const most = Math.max(1, row.reduce((a, b) => a + b, 0));
          return h("tr", {}, h("th", { scope: "row" }, NAMES[k]), ...row.map((n) => h("td", {
            style: `--share:${n / most}`, class: n / most > 0.5 ? "full" : "",
          }, n ? String(n) : "")));
        }))));
    results.append(box);
  }

  async function busy(work: () => Promise<void>): Promise<void> {
    buttons.forEach((b) => (b.disabled = true));
    try {
      await work();
    } catch (error) {
      status.textContent = (error as Error).message;
    }
    buttons.forEach((b) => (b.disabled = false));
  }

  const learn = () => busy(async () => {
    const shown = examples(false);
    if (new Set(shown.map((e) => e.y)).size < 2) {
      status.textContent = "Draw at least two different symbols first.";
      return;
    }
    results.replaceChildren();
    trainer.reset();
    await tested("Before:");
    status.textContent = "It looks at the drawings.";
    for (const { x, y } of shown) trainer.observe(x, [y]);
    await frame();
    await tested("After one look:");
    status.textContent = "It learns.";
    const found: number[] = [];
    const steps = given.passes * shown.length;
    for (let k = 0; k < steps; k++) {
      const { x, y } = shown[k % shown.length];
      found.push(trainer.step(x, [y], given.rate * (1 - k / steps)));
      if (k % 5 === 4) await frame();
    }
    await tested(`After ${steps} steps:`);
    curve.replaceChildren(h("h3", {}, "Loss"), losses(found));
    keep();
    status.textContent = `It has learned from ${shown.length} drawings. The state is saved in this browser.`;
    announce(status.textContent);
    tried();
  });

  function keep(): void {
    try {
      localStorage.setItem(KEPT, JSON.stringify({ state: encoded(trainer.save()), own: own.map((d) => d.map(encoded)) }));
    } catch {
      // A browser without storage, or without room: the page works, and forgets.
    }
  }

  function kept(): boolean {
    try {
      const found = JSON.parse(localStorage.getItem(KEPT) ?? "null");
      if (!found) return false;
      trainer.load(decoded(found.state));
      (found.own as string[][]).forEach((d, k) => own[k]?.push(...d.map(decoded)));
      return true;
    } catch {
      return false;
    }
  }

  const bars = h("div", { class: "guesses", "aria-live": "polite" });
  const pad = new Pad(side, () => tried());

  /** What it takes the drawing on the pad for. */
  function tried(): void {
    const drawn = pad.ink();
    if (!drawn) {
      bars.replaceChildren(h("p", { class: "quiet" }, "Draw here with a pointer, or with the arrow keys; space lifts the pen."));
      return;
    }
    const found = [...logits(inked(drawn))];
    const most = Math.max(...found);
    const share = found.map((v) => Math.exp(v - most));
    const sum = share.reduce((a, b) => a + b, 0);
    bars.replaceChildren(...share.map((v, k) => h("div", { class: "guess" }, h("b", {}, NAMES[k]),
      h("span", { class: "track" }, h("span", { class: "part state", style: `width:${(100 * v) / sum}%` })),
      h("span", {}, percent(v / sum)))));
  }

  const button = (text: string, work: () => void, kind = "") => {
    const made = h("button", { type: "button", class: kind, onclick: work }, text);
    buttons.push(made);
    return made;
  };
  const add = h("div", { class: "buttons" }, ...Array.from({ length: ways }, (_, k) =>
    button(`+ ${NAMES[k]}`, () => {
      const drawn = pad.ink();
      if (!drawn) return;
      own[k].push(drawn);
      pad.clear();
      keep();
      shelved();
      announce(`Added to ${NAMES[k]}`);
    })));
  const adding = h("div", { hidden: true }, h("p", { class: "quiet" }, "Draw a symbol, then say which one it is:"), add);

  shelved();
  if (kept()) status.textContent = "It remembers what it learned here before.";
  tried();
  return [
    h("div", { class: "controls" },
      segmented("Drawings", "drawings", [{ value: "bundled", text: "five new symbols" }, { value: "mine", text: "my own" }],
        "bundled", (value) => {
          mine = value === "mine";
          adding.hidden = !mine;
          shelved();
        })),
    shelf,
    h("div", { class: "buttons" }, button("Learn", () => void learn(), "primary"),
      button("Forget", () => {
        trainer.reset();
        own.forEach((d) => d.splice(0));
        try {
          localStorage.removeItem(KEPT);
        } catch {
          // nothing was kept
        }
        results.replaceChildren();
        curve.replaceChildren();
        shelved();
        tried();
        status.textContent = "It knows no symbol any more.";
      })),
    status,
    results,
    curve,
    h("h3", {}, "Ask it"),
    h("div", { class: "ask" }, h("div", {}, pad.canvas, h("div", { class: "buttons" }, button("Clear", () => pad.clear()))), h("div", {}, bars, adding)),
    h("p", { class: "quiet" }, `The trainer takes ${bytes(given.ram)} of memory, ${ways} symbols, drawings of ${side}\u00d7${side}.`),
  ];
}
