// What each layer gains when it learns: measured one part at a time, and added up.
import type { Contribution, Gain, Network } from "./data";
import { figure, h, percent, s } from "./dom";
import { name, type Choice } from "./state";

const [WIDTH, HEIGHT, COLUMN] = [64, 26, 16];

/** Points of accuracy, signed, with one decimal. */
export function points(gain: number): string {
  const tenths = Math.round(1000 * gain);
  return `${tenths < 0 ? "\u2212" : "+"}${(Math.abs(tenths) / 10).toFixed(1)}`;
}

/** The biases of the last layers, by how many; those of the next lower number where a layer has none. */
export function ofBiases(given: Contribution, last: number): Gain | undefined {
  return given.biases.filter((gain) => gain.last <= last).at(-1);
}

export function ofWeight(given: Contribution, layer: number, share: number): Gain | undefined {
  return given.weights.find((gain) => gain.layer === layer && gain.share === share);
}

/** How many of the last layers have their biases learn, and which shares of weights learn; null
 *  where the biases that learn are not those of the last layers. */
export function parts(network: Network, choices: Choice[]): { last: number; shares: [number, number][] } | null {
  const body = network.layers.filter((layer) => !layer.head);
  const learns = (k: number) => choices[k] !== "frozen";
  const first = body.findIndex((_, k) => learns(k));
  if (body.some((layer, k) => first >= 0 && k > first && layer.biases.length > 0 && !learns(k))) return null;
  const shares = body.flatMap((_, k) => (typeof choices[k] === "number" ? [[k, choices[k]] as [number, number]] : []));
  return { last: first < 0 ? 0 : body.length - first, shares };
}

/** The sum of the gains of what is chosen; null where a part of it is not measured. */
export function sum(given: Contribution, network: Network, choices: Choice[]): number | null {
  const found = parts(network, choices);
  if (found === null || network.layers.some((layer, k) => layer.head && choices[k] === "frozen")) return null;
  const gains = [ofBiases(given, found.last), ...found.shares.map(([k, share]) => ofWeight(given, k, share))];
  return gains.every((gain) => gain !== undefined) ? gains.reduce((all, gain) => all + gain!.mean, 0) : null;
}

/** The gains of one layer: a column for each share of its weight, and words about what is chosen. */
export function ofLayer(given: Contribution, network: Network, k: number, choice: Choice): HTMLElement {
  const layer = network.layers[k];
  if (layer.head) return h("span", { class: "gain" }, `alone: ${percent(given.alone)} right`);
  const own = given.weights.filter((gain) => gain.layer === k);
  const reached = network.layers.filter((other) => !other.head).length - k;
  const biases = given.biases.find((gain) => gain.last === reached);
  const best = own.reduce<(typeof own)[0] | undefined>((a, b) => (a && a.mean >= b.mean ? a : b), undefined);
  const shown = own.find((gain) => gain.share === choice) ?? best;
  const words = [
    biases && `biases from here ${points(biases.mean)}`,
    shown && `weight ${name(shown.share, false)} ${points(shown.mean)} \u00b1 ${(100 * shown.spread).toFixed(1)}`,
  ].filter(Boolean).join(", ");
  return h("span", { class: "gain" }, own.length > 0 && columns(given, own, choice), h("span", {}, words || "not measured"));
}

function columns(given: Contribution, own: Contribution["weights"], choice: Choice): SVGElement {
  const all = given.weights.map((gain) => gain.mean);
  const [low, high] = [Math.min(0, ...all), Math.max(0.001, ...all)];
  const y = (gain: number) => HEIGHT * (1 - (gain - low) / (high - low));
  const chart = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img",
    "aria-label": "Gain of the weight: " + own.map((gain) => `${name(gain.share, false)} ${points(gain.mean)} points`).join(", ") });
  own.forEach((gain, j) => chart.append(s("rect", {
    x: j * COLUMN + 2, width: COLUMN - 4, y: Math.min(y(gain.mean), y(0)), height: Math.max(1, Math.abs(y(gain.mean) - y(0))),
    class: gain.share === choice ? "chosen" : "other",
  }, s("title", {}, `${name(gain.share, false)}: ${points(gain.mean)} points`))));
  chart.append(s("line", { x1: 0, x2: WIDTH, y1: y(0), y2: y(0), class: "zero" }));
  return chart;
}

/** The figure beside RAM and Flash. */
export function gainFigure(given: Contribution, network: Network, choices: Choice[]): HTMLElement {
  const total = sum(given, network, choices);
  if (total === null) return h("p", { class: "quiet" },
    "Gain: measured are the biases of the last layers together, and weights above them. This choice has no sum.");
  return figure("gain", "gains, added up", total, `${points(total)} points`,
    "a sum ranks schemes; it forecasts no accuracy");
}

/** What was measured, in a sentence or two. */
export function words(given: Contribution): string {
  return `${given.words} Gains are in points of accuracy, in ${given.precision}: of biases over the classifier alone, of a ` +
    `weight over the biases from it on, \u00b1 the standard deviation of ${given.runs} runs.` +
    (given.missing ? ` ${given.missing} measurements are missing.` : "");
}
