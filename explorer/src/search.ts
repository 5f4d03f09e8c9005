// The best scheme for a budget in a lesson: the gains and the table's parts are added up, exactly.
import type { Contribution, LessonNetwork, Rule } from "./data";
import { ofBiases } from "./contribution";

export interface Found {
  last: number; // the biases of so many of the last layers learn
  shares: [number, number][]; // [layer, share of its weight]
  gain: number;
  ram: number;
  flash: number;
  instructions: number | null;
}

interface Partial {
  arena: number;
  state: number;
  gain: number;
  shares: [number, number][];
}

/** The schemes with the largest sums of gains within the limits, the best first and of equal ones the smaller. */
export function search(own: LessonNetwork, rule: Rule, given: Contribution, ram: number, flash: number, many = 3): Found[] {
  const body = own.network.layers.filter((layer) => !layer.head);
  const head = own.network.layers.filter((layer) => layer.head).flatMap((layer) => layer.biases);
  const bytes = (name: string, share: number) => rule.bytes[`${name} ${share}`] ?? 0;
  const found: Found[] = [];
  for (let last = 0; last <= body.length; last++) {
    const biases = ofBiases(given, last);
    if (!biases || rule.flash > flash || (last > 0 && !body[body.length - last].biases.length)) continue;
    const reached = body.slice(body.length - last);
    let front: Partial[] = [{
      arena: last ? rule.arena.biases[last] : rule.arena.base,
      state: [...head, ...reached.flatMap((layer) => layer.biases)].reduce((sum, { name }) => sum + bytes(name, 1), 0),
      gain: biases.mean, shares: [],
    }];
    for (let k = body.length - 1; k >= body.length - last; k--) {
      const weight = body[k].weight;
      if (!weight) continue;
      const useful = given.weights.filter((gain) => gain.layer === k && gain.mean > 0);
      front = smallest([...front, ...front.flatMap((part) => useful.map(({ share, mean }) => ({
        arena: part.arena + (rule.arena.weights[`${weight.name} ${share}`] ?? 0),
        state: part.state + bytes(weight.name, share),
        gain: part.gain + mean,
        shares: [[k, share] as [number, number], ...part.shares],
      })))].filter((part) => total(rule, part) <= ram));
    }
    for (const part of front) {
      const size = total(rule, part);
      if (size <= ram) found.push({ last, shares: part.shares, gain: part.gain, ram: size, flash: rule.flash, instructions: null });
    }
  }
  return found.sort((a, b) => b.gain - a.gain || a.ram - b.ram).slice(0, many);
}

const total = (rule: Rule, part: Partial): number => Math.max(part.arena, part.state) + part.state + rule.stack;

/** Without those that another one beats in gain and in both sizes. */
function smallest(parts: Partial[]): Partial[] {
  const kept: Partial[] = [];
  for (const part of parts.sort((a, b) => b.gain - a.gain || a.arena - b.arena || a.state - b.state))
    if (!kept.some((other) => other.arena <= part.arena && other.state <= part.state)) kept.push(part);
  return kept;
}
