// Curves of losses, with uPlot.
import uPlot from "uplot";
import { h } from "./dom";

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The losses of a training, and their running mean; a table has every digit. */
export function losses(values: number[], height = 130): HTMLElement {
  const place = h("div", { class: "curve", role: "img", "aria-label": `Loss of ${values.length} steps, from ${
    values[0]?.toPrecision(3)} to ${values[values.length - 1]?.toPrecision(3)}` });
  const mean: number[] = [];
  values.forEach((v, k) => mean.push(k ? 0.9 * mean[k - 1] + 0.1 * v : v));
  const text = colour("--quiet");
  const axis = { stroke: text, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const make = () => {
    const plot = new uPlot({
      width: Math.max(place.clientWidth, 160), height, legend: { show: false }, cursor: { show: false },
      scales: { x: { time: false } },
      axes: [{ ...axis, size: 24 }, { ...axis, size: 38 }],
      series: [{}, { stroke: colour("--curve-faint"), width: 1, points: { show: false } },
        { stroke: colour("--curve"), width: 2, points: { show: false } }],
    }, [values.map((_, k) => k + 1), values, mean], place);
    return plot;
  };
  requestAnimationFrame(() => {
    if (!place.isConnected || !values.length) return;
    const plot = make();
    new ResizeObserver(() => plot.setSize({ width: Math.max(place.clientWidth, 160), height })).observe(place);
  });
  return h("div", {}, place, h("details", {}, h("summary", {}, "All losses"),
    h("ol", { class: "losses" }, ...values.map((v) => h("li", {}, String(v))))));
}
