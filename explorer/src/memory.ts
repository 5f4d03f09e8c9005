// Memory over one step: every buffer in its place and time.
import type { Buffer, Planned } from "./data";
import { bytes, h, legend, s, whole } from "./dom";
import type { State } from "./state";

const PHASES = { forward: "forward", kept: "kept for the backward pass", backward: "backward", old: "old values" };

export function memoryView(state: State): HTMLElement {
  const out = h("div", { class: "out" });
  const draw = () => {
    if (state.plan) out.replaceChildren(...drawn(state.plan));
    else out.replaceChildren(h("p", { class: "quiet" },
      "There is no plan yet: choose layers under \u201cLayers\u201d whose figures are a plan."));
  };
  state.hear(draw);
  draw();
  return h("div", {},
    h("h2", {}, "Memory over one step"),
    h("p", { class: "lead" },
      "The plan of what you chose under \u201cLayers\u201d. From left to right: operations in their order. From bottom to " +
      "top: addresses in the arena. A hatched buffer holds only some rows of its tensor at a time."),
    out);
}

function drawn(plan: Planned): HTMLElement[] {
  const [width, height] = [900, 420];
  const x = (moment: number) => (width * moment) / plan.moments;
  const y = (address: number) => height * (1 - address / plan.stepArena);
  const told = h("p", { class: "told", "aria-live": "polite" }, "Point at a buffer, or use the arrow keys.");
  const chart = s("svg", {
    viewBox: `-64 -8 ${width + 72} ${height + 36}`, class: "chart memory", tabindex: "0", role: "application",
    "aria-label": `Arena of ${whole(plan.stepArena)} bytes with ${plan.buffers.length} buffers. Use the arrow keys.`,
  });
  chart.append(s("defs", {}, s("pattern", {
    id: "rows", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  }, s("rect", { width: 2, height: 6, class: "hatch" }))));
  for (const share of [0, 0.25, 0.5, 0.75, 1])
    chart.append(s("line", { x1: 0, x2: width, y1: height * share, y2: height * share, class: "grid" }),
      s("text", { x: -6, y: height * share + 4, class: "tick end" }, bytes((1 - share) * plan.stepArena)));
  const backward = Math.min(...plan.buffers.filter((b) => b.phase === "backward").map((b) => b.from), plan.moments);
  const shapes: SVGElement[] = [];
  let chosen = -1;
  const choose = (k: number) => {
    shapes[chosen]?.classList.remove("chosen");
    chosen = k;
    shapes[k].classList.add("chosen");
    told.textContent = words(plan.buffers[k]);
  };
  plan.buffers.forEach((b, k) => {
    const place = { x: x(b.from), y: y(b.at + b.size), width: x(b.to + 1) - x(b.from), height: y(b.at) - y(b.at + b.size) };
    const shape = s("rect", { ...place, class: `buffer ${b.phase}`, onpointerenter: () => choose(k) },
      s("title", {}, words(b)));
    shapes.push(shape);
    chart.append(shape);
    if (b.rows) chart.append(s("rect", { ...place, fill: "url(#rows)", "pointer-events": "none" }));
  });
  chart.append(s("line", { x1: x(backward), x2: x(backward), y1: 0, y2: height, class: "turn" }),
    s("text", { x: x(backward) + 4, y: height + 20, class: "tick" }, "backward pass \u2192"),
    s("text", { x: 0, y: height + 20, class: "tick" }, "forward pass \u2192"));
  chart.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1 }[(event as KeyboardEvent).key];
    if (!move) return;
    event.preventDefault();
    choose((chosen + move + shapes.length) % shapes.length);
  });
  const rows = [...plan.buffers].sort((a, b) => b.size - a.size).slice(0, 40).map((b) => h("tr", {},
    h("th", { scope: "row" }, b.name), h("td", {}, b.type), h("td", {}, PHASES[b.phase]),
    h("td", { class: "number" }, whole(b.size)), h("td", { class: "number" }, whole(b.at)),
    h("td", { class: "number" }, `${b.from + 1}\u2013${b.to + 1}`)));
  const tiles = new Set(plan.buffers.filter((b) => b.tile >= 0).map((b) => b.tile)).size;
  return [
    h("p", { class: "headline", "data-value": String(plan.stepArena) },
      `${bytes(plan.stepArena)} of arena; no placement of this order needs less than ${bytes(plan.bound)}.` +
      (tiles ? ` ${tiles} ${tiles > 1 ? "groups" : "group"} of operations run some rows at a time.` : "")),
    told,
    h("div", { class: "scroll" }, chart),
    legend([["forward", "forward"], ["kept", PHASES.kept], ["backward", "backward"], ["old", "old values, for a rollback"],
      ["hatched", "some rows at a time"]]),
    h("details", {}, h("summary", {}, `The largest buffers`), h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ...["made by", "type", "phase", "bytes", "address", "operations"].map(
        (t) => h("th", { scope: "col" }, t)))),
      h("tbody", {}, ...rows)))),
  ];
}

function words(b: Buffer): string {
  return `${b.name}, ${b.type}: ${whole(b.size)} bytes at ${whole(b.at)}, operations ${b.from + 1} to ${b.to + 1}, ` +
    PHASES[b.phase] + (b.rows ? "; some rows at a time" : "");
}
