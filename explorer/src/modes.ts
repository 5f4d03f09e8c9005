// The modes: what each update scheme needs, and what it reaches where that is measured.
import { rateOf, type Learnt, type Network, type Planned, type Setting, type Source } from "./data";
import { bar, bytes, count, h, legend, percent, segmented, whole } from "./dom";
import { losses } from "./curve";

interface Mode {
  name: string;
  scheme: string;
  adapter: string;
  text: string;
}

const MODES: Mode[] = [
  { name: "last", scheme: "last", adapter: "none", text: "the classifier" },
  { name: "norm + last", scheme: "norm", adapter: "none", text: "scales and shifts of the norms, and the classifier" },
  { name: "bias + last", scheme: "bias", adapter: "none", text: "all biases, and the classifier" },
  { name: "LoRA", scheme: "lora", adapter: "lora", text: "low-rank weights beside frozen ones, and the classifier" },
  { name: "TinyTL", scheme: "tinytl", adapter: "tinytl", text: "small residual branches, biases, the classifier" },
  { name: "full", scheme: "full", adapter: "none", text: "every parameter" },
];

export function modesView(source: Source, network: Network): HTMLElement {
  let precision = network.precisions[0];
  const out = h("div", { class: "out" });

  function show(): void {
    out.replaceChildren();
    const rows = MODES.filter((m) => m.scheme !== "norm" || network.norms > 0).map((mode) => row(mode));
    out.append(h("div", { class: "cards" }, ...rows));
  }

  function row(mode: Mode): HTMLElement {
    const asked: Setting = { precision, batch: 1, scheme: mode.scheme, adapter: mode.adapter, optimizer: "sgd" };
    const body = h("div", { "aria-busy": "true" }, h("p", { class: "quiet" }, "planning"));
    const card = h("section", { class: "card", "data-mode": mode.scheme, "aria-label": mode.name },
      h("h3", {}, mode.name), h("p", { class: "quiet" }, mode.text), body);
    void source.ask("mode", asked)
      .then((plan) => body.replaceChildren(...planned(plan, asked)))
      .catch((error: Error) => body.replaceChildren(h("p", { class: "refused" }, `Not for this network: ${error.message}`)))
      .finally(() => body.setAttribute("aria-busy", "false"));
    return card;
  }

  function planned(plan: Planned, asked: Setting): HTMLElement[] {
    const { target } = network;
    const scale = 1.04 * Math.max(plan.ram, target.ram ?? 0);
    const over = target.ram !== null && plan.ram > target.ram;
    return [
      h("div", { class: "big", "data-value": String(plan.ram) }, bytes(plan.ram), h("small", {}, " RAM"),
        target.ram !== null && h("span", { class: over ? "verdict over" : "verdict" }, over ? "too much" : "fits")),
      bar([
        { label: "arena", value: plan.arena, colour: "forward" },
        { label: "trained state", value: plan.state, colour: "state" },
        { label: "stack", value: target.stack, colour: "stack" },
      ], scale, target.ram, "RAM"),
      h("dl", {},
        h("dt", {}, "learns"), h("dd", {}, `${whole(plan.state)} bytes`),
        h("dt", {}, "kept for backward"), h("dd", {}, `${whole(plan.saved)} bytes`),
        h("dt", {}, "multiply-accumulates"), h("dd", {}, count(plan.forward + plan.backward))),
      accuracy(source, network, asked),
    ];
  }

  show();
  return h("div", {},
    h("h2", {}, "Modes"),
    h("p", { class: "lead" },
      "A mode says what learns. Each is planned by the compiler for " +
      `${network.target.name}; nothing is recomputed.`),
    h("div", { class: "controls" },
      segmented("Precision", "mode-precision", network.precisions.map((p) => ({ value: p, text: p })), precision,
        (p) => ((precision = p), show()))),
    legend([["forward", "arena"], ["state", "trained parameters"], ["stack", "stack"], ["line", "RAM limit"]]),
    out);
}

/** What a training on the examples reaches: a button when served, a measured value in a lesson. */
export function accuracy(source: Source, network: Network, asked: Setting): HTMLElement {
  if (network.examples === null)
    return h("p", { class: "quiet" }, source.lesson ? "Accuracy is not measured for this network."
      : "Accuracy: not measured. Start with --data FILE.npz.");
  const place = h("div", { class: "learn" });
  const question = { ...asked, epochs: 3, rate: rateOf(network, asked.scheme) };
  async function measure(): Promise<void> {
    place.replaceChildren(h("p", { class: "quiet", role: "status" }, "training"));
    try {
      place.replaceChildren(...learnt(await source.ask("learn", question)));
    } catch (error) {
      place.replaceChildren(h("p", { class: "refused" }, (error as Error).message));
    }
  }
  if (source.lesson) {
    void source.ask("learn", question).then((found) => place.replaceChildren(...learnt(found)))
      .catch((error: Error) => place.replaceChildren(h("p", { class: "quiet" }, `Accuracy: ${error.message}`)));
  } else {
    place.append(h("button", { type: "button", onclick: () => void measure() },
      `Train on ${network.examples.learn} examples`));
  }
  return place;
}

function learnt(found: Learnt): HTMLElement[] {
  return [
    h("p", { class: "measured", "data-before": String(found.before), "data-after": String(found.after) },
      h("strong", {}, `${percent(found.before)} \u2192 ${percent(found.after)}`),
      ` of ${found.test} test examples, after ${found.losses.length} steps`),
    losses(found.losses),
  ];
}
