// The page: one view at a time, chosen by the part of the address after "#".
import { choose, source, type Network } from "./data";
import { designView } from "./design";
import { h, segmented } from "./dom";
import { fleetView } from "./fleet";
import { layersView } from "./layers";
import { leakageView } from "./leakage";
import { memoryView } from "./memory";
import { modesView } from "./modes";
import { recomputeView } from "./recompute";
import { State } from "./state";
import { teachView } from "./teach";
import { wallView } from "./wall";

const VIEWS: [string, string][] = [
  ["wall", "Wall"], ["modes", "Modes"], ["layers", "Layers"], ["design", "Design"], ["memory", "Memory"],
  ["recompute", "Recompute"], ["fleet", "Fleet"], ["leakage", "Leakage"], ["teach", "Teach"],
];

const given = source();
const main = document.getElementById("main")!;
const nav = document.getElementById("views")!;

async function begin(number: number): Promise<void> {
  choose(given, number);
  const network = await given.ask("network", {});
  const state = new State(network);
  const made = new Map<string, HTMLElement>();
  const make = (view: string): HTMLElement => ({
    wall: () => wallView(given, network),
    modes: () => modesView(given, network),
    layers: () => layersView(given, network, state),
    design: () => designView(given, network, state),
    memory: () => memoryView(state),
    recompute: () => recomputeView(given, network, state),
    fleet: () => fleetView(given, network),
    leakage: () => leakageView(given),
    teach: () => teachView(given),
  })[view]!();

  const networks = given.lesson?.networks ?? [];
  const title = h("div", { class: "title" },
    networks.length > 1
      ? segmented("Network", "network", networks.map((n, k) => ({ value: k, text: n.network.name })), number, (k) => void begin(k))
      : h("h1", {}, network.name),
    h("p", { class: "quiet" }, summary(network)));

  function show(): void {
    const wanted = location.hash.slice(1);
    const view = VIEWS.some(([name]) => name === wanted) ? wanted : "wall";
    if (view === "memory" && !made.has("layers")) made.set("layers", make("layers")); // its plan is what Memory shows
    if (!made.has(view)) made.set(view, make(view));
    main.replaceChildren(title, made.get(view)!);
    for (const link of nav.querySelectorAll("a"))
      if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    document.title = `${VIEWS.find(([name]) => name === view)![1]} \u2013 Trainlet explorer`;
  }

  nav.replaceChildren(...VIEWS.map(([name, text]) => h("a", { href: `#${name}` }, text)));
  window.onhashchange = show;
  show();
}

function summary(network: Network): string {
  const { target } = network;
  const limits = target.ram === null ? "no limits"
    : `${target.ram / 1024} KB of RAM, ${(target.flash ?? 0) / 1024} KB of Flash`;
  return `${network.layers.length} layers, input ${network.input.join("\u00d7")}; target ${target.name}, ${limits}`;
}

document.getElementById("footer")!.textContent = given.lesson
  ? given.lesson.made
  : "Every figure is the compiler\u2019s. Nothing leaves this machine.";

begin(0).catch((error: Error) => main.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
