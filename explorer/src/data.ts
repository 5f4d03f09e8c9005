// What the page asks and what it is told: by the server, or by the table of a lesson.
import type { Found } from "./search";

export interface Parameter {
  name: string;
  count: number;
  shares?: number[];
}

export interface Layer {
  name: string;
  weight: Parameter | null;
  biases: Parameter[];
  head: boolean;
}

export interface Network {
  name: string;
  input: number[];
  layers: Layer[];
  norms: number;
  precisions: string[];
  batches: number[];
  optimizers: string[];
  target: { name: string; ram: number | null; flash: number | null; stack: number; counts: boolean };
  examples: { learn: number; test: number } | null;
  persons: number | null;
}

export type Scheme = string | Record<string, number>;

export interface Setting {
  precision: string;
  batch: number;
  scheme: Scheme;
  adapter: string;
  optimizer: string;
}

export interface Buffer {
  name: string;
  type: string;
  at: number;
  size: number;
  from: number;
  to: number;
  phase: "forward" | "kept" | "backward" | "old";
  tile: number;
  rows: boolean;
}

export interface Figures {
  kind: "estimate" | "plan" | "interpolated";
  arena: number;
  state: number;
  ram: number;
  flash: number;
  saved: number;
  forward: number;
  backward: number;
  recomputed: number;
}

export interface Planned extends Figures {
  bound: number;
  buffers: Buffer[];
  kept: number[];
  moments: number;
  stepArena: number;
}

export interface Wall {
  inference: number;
  training: number;
  arena: number;
  state: number;
  saved: number;
  weights: number;
  forward: number;
  backward: number;
  kept: number[];
  maps: number[];
}

export interface Learnt {
  losses: number[];
  before: number;
  after: number;
  test: number;
  learn: number;
}

export interface Measured {
  flash: number;
  stack: number;
  ram: number;
  instructions: number;
}

export interface Gain {
  mean: number;
  spread: number;
}

/** Shares of validation examples: gains of the biases of the last layers, and of parts of weights. */
export interface Contribution {
  precision: string;
  words: string;
  runs: number;
  missing: number;
  alone: number;
  biases: (Gain & { last: number })[];
  weights: (Gain & { layer: number; share: number })[];
}

/** Limits of a search; null: no limit. */
export interface Design {
  precision: string;
  batch: number;
  ram: number | null;
  flash: number | null;
  instructions: number | null;
}

export interface Designed {
  found: Found[];
  planned: number;
  considered: number;
}

/** A fleet: what each device has, and each round, the first entry before them; bytes are sums. */
export interface Federated {
  devices: { name: string; examples: number; bytes: number; classes: number[] }[];
  classes: string[];
  test: number;
  values: number;
  rounds: { accuracy: number; taken: number; up: number; down: number }[];
}

export interface Defence {
  key: string;
  title: string;
  words: string;
  rounds: number;
}

/** An attack; psnr and floor in decibels, the floor of the best constant picture. */
export interface Attacked {
  psnr: number;
  floor: number;
  ssim: number;
  label: boolean;
  bytes: number;
  picture: string;
}

export interface Leakage {
  side: number;
  defences: Defence[];
  drawings: string[];
  found: Record<string, Attacked[]>;
}

export interface Teaching {
  module: string;
  description: unknown;
  drawings: string;
  ways: number;
  learn: number;
  test: number;
  side: number;
  passes: number;
  rate: number;
  ram: number;
}

export interface Answers {
  network: Network;
  estimate: Figures;
  plan: Planned;
  mode: Planned;
  recompute: Planned;
  wall: Wall;
  contribution: Contribution;
  design: Designed;
  measure: Measured;
  learn: Learnt;
  fleet: Federated;
  leakage: Leakage;
  attack: Attacked;
  teach: Teaching;
}

export class Refused extends Error {}

/** Answers questions; a lesson has the answers of its table only. */
export interface Source {
  readonly lesson: LessonData | null;
  ask<Name extends keyof Answers>(name: Name, asked: object): Promise<Answers[Name]>;
}

export interface LessonNetwork {
  network: Network;
  answers: Record<string, unknown>;
  rule: Record<string, Rule>;
  words: string[];
}

export interface Rule {
  // bytes of the arena with the head alone; with the biases of the last k layers; what a share of a
  // weight adds to the biases from its layer on
  arena: { base: number; biases: number[]; weights: Record<string, number> };
  saved: { base: number; biases: number[]; weights: Record<string, number> };
  backward: { base: number; biases: number[]; weights: Record<string, number> };
  forward: number;
  stack: number;
  bytes: Record<string, number>;
  flash: number;
}

export interface LessonData {
  networks: LessonNetwork[];
  teach: Teaching;
  leakage: Leakage;
  made: string;
}

class Server implements Source {
  readonly lesson = null;

  async ask<Name extends keyof Answers>(name: Name, asked: object): Promise<Answers[Name]> {
    const response = await fetch(`/api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
    const answer = await response.json();
    if (!response.ok || "refused" in answer) throw new Refused(answer.refused ?? answer.error);
    return answer;
  }
}

/** The learning rate of a scheme: smaller where weights learn beside the classifier's. */
export function rateOf(network: Network, scheme: Scheme): number {
  const weights = network.layers.flatMap((layer) => (layer.weight ? [layer.weight.name] : []));
  return scheme === "full" || (typeof scheme !== "string" && weights.some((name) => name in scheme)) ? 0.003 : 0.01;
}

/** JSON with sorted keys: the same text for the same question, in Python and here. */
export function canonical(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const pairs = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${pairs.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(",")}}`;
}

class Table implements Source {
  number = 0;

  constructor(readonly lesson: LessonData) {}

  async ask<Name extends keyof Answers>(name: Name, asked: object): Promise<Answers[Name]> {
    const own = this.lesson.networks[this.number];
    if (name === "teach" || name === "leakage") return this.lesson[name as "teach" | "leakage"] as Answers[Name];
    if (name === "network") return own.network as Answers[Name];
    const kind = name === "mode" ? "plan" : name;
    const found = own.answers[`${kind} ${canonical(asked)}`];
    if (found !== undefined) {
      if (typeof found === "string") throw new Refused(found);
      return found as Answers[Name];
    }
    if (name === "estimate") return interpolated(own, asked as Setting) as Answers[Name];
    throw new Refused("Not in the table of this lesson.");
  }
}

/** The sum of what the parts of a scheme add, each planned alone. */
export function interpolated(own: LessonNetwork, asked: Setting): Figures {
  const rule = own.rule[asked.precision];
  const { layers } = own.network;
  const scheme = asked.scheme as Record<string, number>;
  const learns = (layer: Layer) =>
    layer.biases.some((b) => b.name in scheme) || (layer.weight !== null && layer.weight.name in scheme);
  if (!layers.every((layer) => !layer.head || learns(layer)))
    throw new Refused("In this lesson the classifier always learns.");
  const body = layers.filter((layer) => !layer.head);
  const first = body.findIndex(learns);
  const reach = first < 0 ? 0 : body.length - first;
  const of = (part: Rule["arena"]) =>
    (reach ? part.biases[reach] : part.base) +
    Object.entries(scheme).reduce((sum, [k, share]) => sum + (part.weights[`${k} ${share}`] ?? 0), 0);
  const state = Object.entries(scheme).reduce(
    (sum, [k, share]) => sum + (rule.bytes[`${k} ${share}`] ?? 0), 0);
  const arena = Math.max(of(rule.arena), state);
  return {
    kind: "interpolated", arena, state, ram: arena + state + rule.stack, flash: rule.flash,
    saved: of(rule.saved), forward: rule.forward, backward: of(rule.backward), recomputed: 0,
  };
}

/** Bytes from base64. */
export const decoded = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

export function encoded(array: Uint8Array): string {
  let text = "";
  for (const byte of array) text += String.fromCharCode(byte);
  return btoa(text);
}

export function source(): Source {
  const lesson = JSON.parse(document.getElementById("lesson")!.textContent!) as LessonData | null;
  return lesson === null ? new Server() : new Table(lesson);
}

/** Of a lesson with several networks, the one that is shown. */
export function choose(given: Source, number: number): void {
  if (given instanceof Table) given.number = number;
}
