// Every layer toggled: what learns, and what the compiler says about it.
import { gainFigure, ofLayer, words } from "./contribution";
import type { Contribution, Figures, Measured, Network, Source } from "./data";
import { announce, bar, bytes, count, figure, h, legend, segmented, whole } from "./dom";
import { accuracy } from "./modes";
import { name, options, part, type Choice, type State } from "./state";

const SETTLED = 250; // ms without a change before a plan is made

const KINDS: Record<string, string> = {
  estimate: "estimate: an order without addresses; the plan follows",
  plan: "plan: the compiler's own figures",
  interpolated: "interpolated from the lesson's table",
};

export function layersView(source: Source, network: Network, state: State): HTMLElement {
  const panel = h("aside", { class: "panel", "aria-label": "What this needs" });
  const rows = h("div", { class: "layers" });
  let asked = 0;
  let timer = 0;
  let done = false; // whether the plan of what is chosen is shown
  let planning = false;
  let again = () => {}; // shows once more what is shown
  let measured: Contribution | null = null;
  const said = h("p", { class: "quiet", id: "gains" });

  function draw(): void {
    rows.replaceChildren(...network.layers.map((layer, k) => {
      const kept = h("span", { class: "kept-bytes", "data-layer": String(k) });
      const control = segmented(`${layer.name}: what learns`, `layer-${k}`,
        options(layer).map((value) => ({ value: String(value), text: name(value, layer.head) })),
        String(state.choices[k]),
        (value) => {
          state.choices[k] = Number.isNaN(Number(value)) ? (value as Choice) : Number(value);
          changed();
        }, true);
      return h("div", { class: "layer" }, h("span", { class: "name", title: layer.name }, layer.name), control, kept,
        h("span", { class: "gain-place" }));
    }));
    gains();
  }

  /** The gains of each layer, where they are measured. */
  function gains(): void {
    const given = measured;
    if (given) rows.querySelectorAll(".gain-place").forEach((place, k) =>
      place.replaceChildren(ofLayer(given, network, k, state.choices[k])));
  }

  function all(choose: (k: number) => Choice): void {
    network.layers.forEach((layer, k) => {
      const wanted = layer.head ? 1 : choose(k);
      state.choices[k] = options(layer).includes(wanted) ? wanted : "frozen";
    });
    draw();
    changed();
  }

  function changed(): void {
    gains();
    clearTimeout(timer);
    const number = ++asked;
    const setting = state.setting();
    if (!Object.keys(setting.scheme).length) {
      again = () => {};
      panel.replaceChildren(h("p", {}, "Nothing learns. Choose a layer."));
      return;
    }
    done = false;
    source.ask("estimate", setting)
      .then((found) => number === asked && !done && show(found, setting))
      .catch((error: Error) => number === asked && !done && wait(error.message));
    timer = window.setTimeout(() => void settle(), source.lesson ? 0 : SETTLED);
  }

  /** Plans what is chosen; one plan at a time, and after it what was chosen meanwhile. */
  async function settle(): Promise<void> {
    if (planning) return;
    planning = true;
    for (let number = 0; number !== asked; ) {
      number = asked;
      const setting = state.setting();
      if (!Object.keys(setting.scheme).length) continue;
      try {
        const plan = await source.ask("plan", setting);
        if (number !== asked) continue;
        done = true;
        state.plan = plan;
        show(plan, setting);
        kept(plan.kept);
        announce(`Planned: ${bytes(plan.ram)} of RAM`);
        state.changed();
      } catch (error) {
        if (number === asked && !source.lesson) wait((error as Error).message);
      }
    }
    planning = false;
  }

  function wait(why: string): void {
    panel.replaceChildren(h("p", { class: "quiet", role: "status" }, why));
  }

  function kept(found: number[]): void {
    const most = Math.max(...found, 1);
    found.forEach((n, k) => {
      const place = rows.querySelector<HTMLElement>(`[data-layer="${k}"]`)!;
      place.replaceChildren(
        h("span", { class: "mini", "aria-hidden": "true" }, h("i", { style: `width:${(100 * n) / most}%` })),
        h("span", {}, n ? `keeps ${bytes(n)}` : "keeps nothing"));
    });
  }

  function show(found: Figures, setting: object): void {
    again = () => show(found, setting);
    const { target } = network;
    const scale = 1.04 * Math.max(found.ram, target.ram ?? 0);
    const learns = network.layers.filter((layer, k) => Object.keys(part(layer, state.choices[k])).length).length;
    const tools = h("div", { class: "tools" });
    if (found.kind === "plan") {
      if (!source.lesson && target.counts) tools.append(counted(source, setting));
      tools.append(accuracy(source, network, state.setting()));
    }
    panel.dataset.kind = found.kind;
    panel.replaceChildren(
      h("p", { class: `chip ${found.kind}` }, KINDS[found.kind]),
      h("h3", {}, "RAM"),
      bar([
        { label: "arena", value: found.arena, colour: "forward" },
        { label: "trained state", value: found.state, colour: "state" },
        { label: "stack", value: target.stack, colour: "stack" },
      ], scale, target.ram, "RAM"),
      legend([["forward", "arena"], ["state", "trained"], ["stack", "stack"], ["line", "limit"]]),
      h("div", { class: "figures" },
        figure("ram", "RAM", found.ram, bytes(found.ram), `${whole(found.ram)} bytes`),
        figure("arena", "arena", found.arena, bytes(found.arena), `${whole(found.arena)} bytes`),
        figure("state", "trained state", found.state, bytes(found.state), `${whole(found.state)} bytes`),
        figure("saved", "kept for backward", found.saved, bytes(found.saved), `${whole(found.saved)} bytes`)),
      h("h3", {}, "Flash, without code"),
      bar([{ label: "weights", value: found.flash, colour: "flash" }],
        1.04 * Math.max(found.flash, target.flash ?? 0), target.flash, "Flash"),
      h("div", { class: "figures" },
        figure("flash", "Flash", found.flash, bytes(found.flash), `${whole(found.flash)} bytes`),
        figure("forward", "multiply-accumulates forward", found.forward, count(found.forward), whole(found.forward)),
        figure("backward", "backward", found.backward, count(found.backward), whole(found.backward))),
      ...(measured ? [gainFigure(measured, network, state.choices)] : []),
      h("p", { class: "quiet" }, `${learns} of ${network.layers.length} layers learn.`),
      tools);
  }

  const settings = h("div", { class: "controls" });
  function settled(): void {
    settings.replaceChildren(
      segmented("Precision", "precision", network.precisions.map((p) => ({ value: p, text: p })), state.precision,
        (p) => ((state.precision = p), changed())),
      ...(source.lesson ? [] : [segmented("Optimiser", "optimizer", network.optimizers.map((o) => ({ value: o, text: o })),
        state.optimizer, (o) => ((state.optimizer = o), changed()))]));
  }

  const anew = () => {
    settled();
    draw();
    changed();
  };
  state.hearChoice(anew);
  anew();
  void source.ask("contribution", {}).then((found) => {
    measured = found;
    said.textContent = words(found);
    gains();
    again();
  }).catch((error: Error) => (said.textContent = `Gains: ${error.message}`));
  const own = source.lesson?.networks.find((n) => n.network === network);
  const note = own && h("details", { class: "note", id: "statement" },
    h("summary", {}, "What is planned here, and what is interpolated"),
    ...own.words.map((text) => h("p", {}, text)));
  return h("div", {},
    h("h2", {}, "Every layer"),
    h("p", { class: "lead" },
      "Choose what each layer learns: nothing, its bias, or a share of its weight's input channels."),
    h("div", { class: "controls" },
      settings,
      h("div", { class: "buttons", role: "group", "aria-label": "All layers" },
        h("button", { type: "button", onclick: () => all(() => "frozen") }, "last only"),
        h("button", { type: "button", onclick: () => all(() => "bias") }, "all biases"),
        h("button", { type: "button", onclick: () => all(() => 1) }, "all weights"))),
    note,
    said,
    h("div", { class: "split" }, rows, panel));
}

function counted(source: Source, setting: object): HTMLElement {
  const place = h("div", { class: "learn" });
  place.append(h("button", {
    type: "button",
    onclick: async () => {
      place.replaceChildren(h("p", { class: "quiet", role: "status" }, "compiling and emulating"));
      try {
        place.replaceChildren(shown(await source.ask("measure", setting)));
      } catch (error) {
        place.replaceChildren(h("p", { class: "refused" }, (error as Error).message));
      }
    },
  }, "Compile it and count instructions"));
  return place;
}

function shown(found: Measured): HTMLElement {
  return h("div", { class: "figures" },
    figure("instructions", "instructions of a step", found.instructions, count(found.instructions), whole(found.instructions)),
    figure("firmware", "Flash with code", found.flash, bytes(found.flash), `${whole(found.flash)} bytes`),
    figure("stack", "stack", found.stack, bytes(found.stack), `${whole(found.stack)} bytes`));
}
