// Recomputation: less memory for more work, from none to the least arena that the compiler reaches.
import type { Network, Planned, Setting, Source } from "./data";
import { bar, bytes, count, figure, h, legend, s, segmented, whole } from "./dom";
import type { State } from "./state";

/** Tenths of the arena without recomputation. */
const LEVELS = [10, 9, 8, 7, 6, 5, 4, 3, 2];

interface Point {
  level: number;
  plan: Planned;
}

const factor = (plan: Planned): number => 1 + plan.recomputed / (plan.forward + plan.backward);

/** Every nth layer of n times n is kept, and the others run again up to the next kept one (Chen et al., 2016).
 *
 *  What that takes of a plan in which nothing runs again: the kept layers' bytes and those of the largest group
 *  between two of them, in place of all, and at most one more forward pass. */
export function rootRule(plan: Planned): { every: number; arena: number; factor: number } {
  const kept = plan.kept.filter((n) => n > 0);
  const every = Math.max(1, Math.round(Math.sqrt(kept.length)));
  let [ends, largest] = [0, 0];
  for (let k = 0; k < kept.length; k += every) {
    const group = kept.slice(k, k + every);
    if (group.length === every) ends += group[every - 1];
    largest = Math.max(largest, group.slice(0, every - 1).reduce((sum, n) => sum + n, 0));
  }
  return { every, arena: plan.arena - plan.saved + ends + largest, factor: 1 + plan.forward / (plan.forward + plan.backward) };
}

/** The point with the least work that fits the target; the one with the least arena where none does. */
function optimum(network: Network, points: Point[]): { at: number; why: string } {
  const { ram } = network.target;
  const fits = points.findIndex((p) => ram !== null && p.plan.ram <= ram);
  return fits >= 0 ? { at: fits, why: "least work that fits" } : { at: points.length - 1, why: "least arena" };
}

export function recomputeView(source: Source, network: Network, state: State): HTMLElement {
  let precision = network.precisions[0];
  let what = "full";
  let number = 0;
  const out = h("div", { class: "out" });

  async function show(): Promise<void> {
    const own = ++number;
    const asked: Setting = {
      precision, batch: 1, scheme: what === "full" ? "full" : state.scheme(), adapter: "none", optimizer: "sgd",
    };
    const status = h("p", { class: "told", role: "status" }, "planning");
    const chart = h("div", {});
    out.setAttribute("aria-busy", "true");
    out.replaceChildren(status, chart);
    const points: Point[] = [];
    let end = "";
    for (const level of LEVELS) {
      try {
        const plan = level === 10 ? await source.ask("mode", asked)
          : await source.ask("recompute", { ...asked, arena: Math.floor((points[0].plan.arena * level) / 10) });
        if (own !== number) return;
        points.push({ level, plan });
        chart.replaceChildren(drawn(network, points));
      } catch (error) {
        if (own !== number) return;
        end = points.length ? `The compiler does not reach ${10 * level} %.` : (error as Error).message;
        break;
      }
    }
    status.textContent = end;
    out.setAttribute("aria-busy", "false");
  }

  void show();
  return h("div", {},
    h("h2", {}, "Recomputation"),
    h("p", { class: "lead" },
      "Instead of keeping a value for the backward pass, a step can compute it again. For each limit on the arena the " +
      "compiler chooses what to run twice, with as little extra work as it finds."),
    h("div", { class: "controls" },
      segmented("Precision", "recompute-precision", network.precisions.map((p) => ({ value: p, text: p })), precision,
        (p) => ((precision = p), void show())),
      !source.lesson && segmented("What learns", "recompute-what",
        [{ value: "full", text: "every parameter" }, { value: "mine", text: "my choice of layers" }], what,
        (w) => ((what = w), void show()))),
    out);
}

function drawn(network: Network, points: Point[]): HTMLElement {
  const [width, height] = [1000, 240];
  const most = points[0].plan.arena;
  const rule = rootRule(points[0].plan);
  const best = optimum(network, points);
  const highest = 1 + 1.1 * (Math.max(rule.factor, ...points.map((p) => factor(p.plan))) - 1);
  const x = (arena: number) => (width * arena) / most;
  const y = (work: number) => height * (1 - (work - 1) / (highest - 1));
  const chart = s("svg", {
    viewBox: `-56 -14 ${width + 96} ${height + 56}`, class: "chart", role: "img",
    "aria-label": "Work of a step against the bytes of the arena; the slider below reads each point",
  });
  for (const share of [0, 0.5, 1]) {
    const work = 1 + share * (highest - 1);
    chart.append(s("line", { x1: 0, x2: width, y1: y(work), y2: y(work), class: "grid" }),
      s("text", { x: -6, y: y(work) + 4, class: "tick end" }, `\u00d7${work.toFixed(2)}`));
  }
  for (const share of [0, 0.25, 0.5, 0.75, 1])
    chart.append(s("text", { x: x(share * most), y: height + 18, class: "tick middle" }, bytes(share * most)));
  chart.append(s("text", { x: width / 2, y: height + 38, class: "tick middle" }, "arena; work of a step is upwards"));
  const beside = (at: number, gap: number, kind = "") =>
    at > 0.6 * width ? { x: at - gap, class: `tick end ${kind}` } : { x: at + gap, class: `tick ${kind}` };
  const [left, top] = [x(rule.arena), y(rule.factor)];
  chart.append(
    s("line", { x1: left, x2: left, y1: 0, y2: height, class: "rule", "data-figure": "root", "data-value": String(rule.arena) }),
    s("line", { x1: 0, x2: width, y1: top, y2: top, class: "rule" }),
    s("text", { ...beside(left, 6), y: top + 16 }, `\u221aL: keep 1 of ${rule.every} layers`),
    s("text", { x: 4, y: top - 6, class: "tick" }, "one more forward pass"));
  chart.append(s("path", {
    class: "line", d: points.map((p, k) => `${k ? "L" : "M"}${x(p.plan.arena)} ${y(factor(p.plan))}`).join(""),
  }));
  const dots = points.map((p) => s("circle", { cx: x(p.plan.arena), cy: y(factor(p.plan)), r: 6, class: "dot" }));
  const ring = points[best.at].plan;
  chart.append(...dots,
    s("circle", { cx: x(ring.arena), cy: y(factor(ring)), r: 12, class: "ring", "data-figure": "optimum", "data-value": String(ring.arena) }),
    s("text", { ...beside(x(ring.arena), 16, "strong"), y: y(factor(ring)) - 12 }, best.why));

  const told = h("div", {});
  const choose = (k: number) => {
    dots.forEach((dot, j) => dot.classList.toggle("chosen", j === k));
    told.replaceChildren(...figures(network, points[k].plan));
  };
  const slider = h("input", {
    type: "range", min: "0", max: String(points.length - 1), value: String(points.length - 1), step: "1", id: "limit",
    "aria-label": "From no recomputation to the least arena",
    oninput: (e: Event) => choose(Number((e.target as HTMLInputElement).value)),
  });
  choose(points.length - 1);
  const words = `Ringed: the ${best.why}, ${bytes(ring.arena)} for \u00d7${factor(ring).toFixed(2)} of the work. ` +
    `Dashed: the rule of \u221aL, an estimate. It keeps 1 of ${rule.every} layers and runs the others again. That takes about ` +
    `${bytes(rule.arena)} and at most one more forward pass, \u00d7${rule.factor.toFixed(2)}.`;
  return h("div", {}, h("div", { class: "scroll" }, chart), h("p", { class: "quiet" }, words),
    h("div", { class: "slider" }, h("span", {}, "nothing"), slider, h("span", {}, "most")), told);
}

function figures(network: Network, plan: Planned): HTMLElement[] {
  const { target } = network;
  const scale = 1.04 * Math.max(plan.ram, target.ram ?? 0);
  return [
    bar([
      { label: "arena", value: plan.arena, colour: "forward" },
      { label: "trained state", value: plan.state, colour: "state" },
      { label: "stack", value: target.stack, colour: "stack" },
    ], scale, target.ram, "RAM"),
    legend([["forward", "arena"], ["state", "trained"], ["stack", "stack"], ["line", "limit"]]),
    h("div", { class: "figures" },
      figure("arena", "arena", plan.arena, bytes(plan.arena), `${whole(plan.arena)} bytes`),
      figure("saved", "kept for backward", plan.saved, bytes(plan.saved), `${whole(plan.saved)} bytes`),
      figure("recomputed", "multiply-accumulates again", plan.recomputed, count(plan.recomputed), whole(plan.recomputed)),
      figure("factor", "work of a step", factor(plan), `\u00d7${factor(plan).toFixed(3)}`,
        `${whole(plan.forward + plan.backward + plan.recomputed)} multiply-accumulates`)),
  ];
}
