// The training wall: what inference takes and what training of every parameter takes.
import type { Network, Source, Wall } from "./data";
import { bar, bytes, count, figure, h, legend, s, segmented, whole } from "./dom";

export function wallView(source: Source, network: Network): HTMLElement {
  let precision = network.precisions[0];
  let batch = 1;
  const out = h("div", { class: "out", "aria-busy": "true" });

  async function show(): Promise<void> {
    out.setAttribute("aria-busy", "true");
    try {
      const wall = await source.ask("wall", { precision, batch });
      out.replaceChildren(...drawn(network, wall, batch));
    } catch (error) {
      out.replaceChildren(h("p", { class: "error", role: "alert" }, (error as Error).message));
    }
    out.setAttribute("aria-busy", "false");
  }

  void show();
  return h("div", {},
    h("h2", {}, "The training wall"),
    h("p", { class: "lead" },
      "To predict, a network needs one layer's input and output at a time. To learn, it must keep what each " +
      "layer computed until the backward pass reads it. Here every parameter learns."),
    h("div", { class: "controls" },
      segmented("Precision", "wall-precision", network.precisions.map((p) => ({ value: p, text: p })), precision,
        (p) => ((precision = p), void show())),
      segmented("Batch", "wall-batch", network.batches.map((b) => ({ value: b, text: String(b) })), batch,
        (b) => ((batch = b), void show()))),
    out);
}

function drawn(network: Network, wall: Wall, batch: number): HTMLElement[] {
  const limit = network.target.ram === null ? null : network.target.ram - network.target.stack;
  const scale = 1.04 * Math.max(wall.training, limit ?? 0);
  const times = wall.training / wall.inference;
  const row = (label: string, meter: HTMLElement, total: number) =>
    h("div", { class: "row" }, h("span", { class: "name" }, label), meter, h("span", { class: "sum" }, bytes(total)));
  const kept = Math.min(wall.saved, wall.arena);
  return [
    h("p", { class: "headline" }, `Training takes ${times.toFixed(1)} times the RAM of inference.`),
    row("Inference", bar([{ label: "arena", value: wall.inference, colour: "forward" }], scale, limit, "Inference"),
      wall.inference),
    row("Training", bar([
      { label: "kept for the backward pass", value: kept, colour: "kept" },
      { label: "rest of the arena", value: wall.arena - kept, colour: "forward" },
      { label: "parameters and optimiser", value: wall.state, colour: "state" },
    ], scale, limit, "Training"), wall.training),
    legend([["forward", "arena"], ["kept", "kept for the backward pass"], ["state", "trained parameters"],
      ...(limit === null ? [] : [["line", `RAM of ${network.target.name} without the stack`] as [string, string]])]),
    h("div", { class: "figures" },
      figure("inference", "Inference", wall.inference, bytes(wall.inference), `${whole(wall.inference)} bytes`),
      figure("training", "Training", wall.training, bytes(wall.training), `${whole(wall.training)} bytes`),
      figure("saved", "Kept for backward", wall.saved, bytes(wall.saved), `${whole(wall.saved)} bytes`),
      figure("work", "Multiply-accumulates", wall.forward + wall.backward, count(wall.forward + wall.backward),
        `${whole(wall.forward)} forward, ${whole(wall.backward)} backward`)),
    h("h3", {}, "Layer by layer"),
    h("p", {}, `Orange: what the backward pass needs of the layer's results${batch > 1 ? `, batch ${batch}` : ""}. ` +
      "Blue: the largest result of the layer, which inference needs only while the layer runs."),
    columns(network, wall),
  ];
}

/** For each layer two columns: what is kept, and the largest map. */
function columns(network: Network, wall: Wall): HTMLElement {
  const names = network.layers.map((layer) => layer.name);
  const most = Math.max(...wall.kept, ...wall.maps, 1);
  const [width, height, foot] = [1000, 220, 14];
  const step = width / names.length;
  const chart = s("svg", {
    viewBox: `-52 -8 ${width + 60} ${height + foot + 12}`, class: "chart", role: "img",
    "aria-label": "Bytes of each layer; the table below has the numbers",
  });
  for (const share of [0, 0.5, 1]) {
    const y = height * (1 - share);
    chart.append(s("line", { x1: 0, x2: width, y1: y, y2: y, class: "grid" }),
      s("text", { x: -6, y: y + 4, class: "tick end" }, bytes(share * most)));
  }
  names.forEach((name, k) => {
    const column = (value: number, from: number, colour: string, what: string) =>
      s("rect", {
        x: k * step + from * step, y: height - (height * value) / most, width: 0.38 * step,
        height: (height * value) / most, class: colour,
      }, s("title", {}, `${name}: ${what} ${whole(value)} bytes`));
    chart.append(column(wall.kept[k], 0.1, "kept", "kept"), column(wall.maps[k], 0.5, "forward", "largest map"));
    if (names.length <= 24 || k % 5 === 0)
      chart.append(s("text", { x: (k + 0.5) * step, y: height + 13, class: "tick middle" }, String(k + 1)));
  });
  const rows = names.map((name, k) => h("tr", {}, h("td", {}, String(k + 1)), h("th", { scope: "row" }, name),
    h("td", { class: "number" }, whole(wall.kept[k])), h("td", { class: "number" }, whole(wall.maps[k]))));
  return h("div", {}, h("div", { class: "scroll" }, chart), h("details", {},
    h("summary", {}, "The numbers"),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ...["", "layer", "kept, bytes", "largest map, bytes"].map((t) => h("th", { scope: "col" }, t)))),
      h("tbody", {}, ...rows)))));
}
