// What is chosen on the page, and who wants to know when it changes.
import type { Layer, Network, Planned, Setting } from "./data";

/** "frozen", "bias", or the share of the weight's input channels that learns. */
export type Choice = "frozen" | "bias" | number;

export class State {
  precision: string;
  optimizer = "sgd";
  choices: Choice[];
  plan: Planned | null = null;
  #heard: (() => void)[] = [];
  #chosen: (() => void)[] = [];

  constructor(readonly network: Network) {
    this.precision = network.precisions[0];
    this.choices = network.layers.map((layer) => (layer.head ? 1 : "frozen"));
  }

  /** Another choice for every layer; the view of the layers shows it. */
  choose(choices: Choice[]): void {
    this.choices = choices;
    for (const listener of this.#chosen) listener();
  }

  hearChoice(listener: () => void): void {
    this.#chosen.push(listener);
  }

  hear(listener: () => void): void {
    this.#heard.push(listener);
  }

  changed(): void {
    for (const listener of this.#heard) listener();
  }

  /** The scheme of the choices; empty if nothing learns. */
  scheme(): Record<string, number> {
    const found: Record<string, number> = {};
    this.network.layers.forEach((layer, k) => Object.assign(found, part(layer, this.choices[k])));
    return found;
  }

  setting(): Setting {
    return {
      precision: this.precision, batch: 1, scheme: this.scheme(), adapter: "none", optimizer: this.optimizer,
    };
  }
}

/** What a choice trains of a layer: its biases, and with a share its weight too. */
export function part(layer: Layer, choice: Choice): Record<string, number> {
  if (choice === "frozen") return {};
  const found = Object.fromEntries(layer.biases.map((b) => [b.name, 1]));
  if (typeof choice === "number" && layer.weight) found[layer.weight.name] = choice;
  return found;
}

export function options(layer: Layer): Choice[] {
  if (layer.head) return ["frozen", 1];
  return ["frozen", ...(layer.biases.length ? (["bias"] as Choice[]) : []), ...(layer.weight?.shares ?? [])];
}

export function name(choice: Choice, head: boolean): string {
  if (typeof choice === "string") return choice;
  if (head) return "learns";
  return choice === 1 ? "all" : `1/${Math.round(1 / choice)}`;
}
