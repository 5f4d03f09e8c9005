// The designer: budgets in, schemes out, the best one by search.
import { points, words } from "./contribution";
import type { Contribution, Design, Network, Source } from "./data";
import { announce, bar, bytes, count, figure, h, legend, segmented, whole } from "./dom";
import { search, type Found } from "./search";
import { name, options, type Choice, type State } from "./state";

const KB = 1024;

export function designView(source: Source, network: Network, state: State): HTMLElement {
  const { target } = network;
  const out = h("div", { class: "out" });
  let precision = state.precision;
  let asked = 0;
  const ram = amount("ram", "RAM, KB", (target.ram ?? KB * KB) / KB, true);
  const flash = amount("flash", "Flash without code, KB", target.flash === null ? null : target.flash / KB);
  const instructions = target.counts && !source.lesson ? amount("instructions", "instructions of a step, millions", null) : null;

  async function show(): Promise<void> {
    const number = ++asked;
    const limits: Design = { precision, batch: 1, ram: ram.value(KB), flash: flash.value(KB), instructions: instructions?.value(1e6) ?? null };
    out.setAttribute("aria-busy", "true");
    out.replaceChildren(h("p", { class: "quiet", role: "status" }, "searching"));
    try {
      const given = await source.ask("contribution", {});
      const answer = await made(given, limits);
      if (number !== asked) return;
      out.replaceChildren(h("p", { class: "quiet" }, words(given), " ", answer.words),
        h("div", { class: "cards designs" }, ...answer.found.map((found, k) => card(found, k, limits, answer.kind))),
        legend([["state", "weights: the darker, the larger the share"], ["forward", "bias"], ["frozen", "frozen"]]));
      announce(`Found: ${points(answer.found[0].gain)} points in ${bytes(answer.found[0].ram)} of RAM`);
    } catch (error) {
      if (number === asked) out.replaceChildren(h("p", { class: "refused", role: "status" }, (error as Error).message));
    }
    if (number === asked) out.setAttribute("aria-busy", "false");
  }

  /** By the planned search when served; in a lesson by the same sums over its table. */
  async function made(given: Contribution, limits: Design): Promise<{ found: Found[]; words: string; kind: string }> {
    const own = source.lesson?.networks.find((one) => one.network === network);
    if (!own) {
      const answer = await source.ask("design", limits);
      return {
        found: answer.found, kind: "plan",
        words: `The search planned ${answer.planned} of ${whole(answer.considered)} schemes, the largest sums of gains first.`,
      };
    }
    const found = search(own, own.rule[precision], given, limits.ram ?? Infinity, limits.flash ?? Infinity);
    if (!found.length) throw new Error("In this lesson\u2019s table no scheme fits, not even the classifier alone.");
    return {
      found, kind: "interpolated",
      words: "The gains are measured. RAM is interpolated: what the parts add in the table of plans is summed, and the " +
        "search over these sums is exact. Flash is that of the classifier alone. How far the sums are off stands under \u201cLayers\u201d.",
    };
  }

  function card(found: Found, k: number, limits: Design, kind: string): HTMLElement {
    const choices = choicesOf(network, found);
    const limit = limits.ram;
    return h("section", { class: "card design", "data-kind": kind, "aria-label": k ? `Scheme ${k + 1}` : "The best scheme" },
      h("h3", {}, k ? `No. ${k + 1}` : "The best"),
      strip(network, choices),
      bar([{ label: "RAM", value: found.ram, colour: "forward" }], 1.04 * Math.max(found.ram, limit ?? 0), limit, "RAM"),
      h("div", { class: "figures" },
        figure("gain", "gains, added up", found.gain, `${points(found.gain)} points`, "a sum ranks schemes; it forecasts no accuracy"),
        figure("ram", "RAM", found.ram, bytes(found.ram), `${whole(found.ram)} bytes, ${kind === "plan" ? "planned" : "interpolated"}`),
        figure("flash", "Flash, without code", found.flash, bytes(found.flash), `${whole(found.flash)} bytes`),
        ...(found.instructions === null ? [] : [
          figure("instructions", "instructions of a step", found.instructions, count(found.instructions), whole(found.instructions))])),
      h("button", {
        type: "button", class: k ? "" : "primary",
        onclick: () => {
          state.precision = precision;
          state.optimizer = "sgd"; // as the search plans
          state.choose(choices);
          location.hash = "layers";
        },
      }, "Show it under Layers"));
  }

  if (source.lesson) void show();
  return h("div", {},
    h("h2", {}, "Designer"),
    h("p", { class: "lead" },
      "Say how much memory there is. The search finds the scheme whose measured gains add up to the most within it."),
    h("form", { class: "controls", onsubmit: (event: Event) => (event.preventDefault(), void show()) },
      segmented("Precision", "design-precision", network.precisions.map((p) => ({ value: p, text: p })), precision,
        (p) => (precision = p)),
      ram.element, flash.element, instructions?.element, h("button", { class: "primary" }, "Search")),
    out);
}

/** A limit to type; empty for none. */
function amount(id: string, text: string, start: number | null, needed = false): { element: HTMLElement; value: (unit: number) => number | null } {
  const input = h("input", { type: "number", id: `limit-${id}`, min: "0.001", step: "any", max: "1000000", class: "amount",
    value: start === null ? "" : String(start), placeholder: "no limit", required: needed });
  return {
    element: h("label", { class: "field" }, h("span", {}, text), input),
    value: (unit) => (input.value === "" ? null : Math.max(1, Math.floor(input.valueAsNumber * unit))),
  };
}

/** What each layer learns in a scheme that was found. */
export function choicesOf(network: Network, found: { last: number; shares: [number, number][] }): Choice[] {
  const body = network.layers.filter((layer) => !layer.head).length;
  return network.layers.map((layer, k) => {
    const share = found.shares.find(([number]) => number === k)?.[1];
    if (layer.head) return 1;
    if (share !== undefined) return share;
    return k >= body - found.last && options(layer).includes("bias") ? "bias" : "frozen";
  });
}

/** A cell for each layer: frozen, bias, or the share of its weight. */
function strip(network: Network, choices: Choice[]): HTMLElement {
  const text = (k: number) => `${network.layers[k].name}: ${name(choices[k], network.layers[k].head)}`;
  return h("ol", { class: "strip", "aria-label": "What each layer learns" }, ...network.layers.map((_, k) => h("li", {
    title: text(k), class: choices[k] === "frozen" ? "frozen" : choices[k] === "bias" ? "forward" : "state",
    style: typeof choices[k] === "number" ? `--share:${0.45 + 0.55 * (choices[k] as number)}` : "",
  }, h("span", { class: "hidden" }, text(k)))));
}
