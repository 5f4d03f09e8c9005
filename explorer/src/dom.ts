// Elements, numbers as text, and small parts that several views share.

type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;
const SVG = "http://www.w3.org/2000/svg";

function filled<E extends Element>(made: E, props: Props, children: Child[]): E {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value as EventListener);
    else if (key === "style") made.setAttribute("style", String(value));
    else if (key in made && typeof value !== "string" && !(made instanceof SVGElement))
      (made as unknown as Props)[key] = value;
    else made.setAttribute(key, String(value));
  }
  made.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false));
  return made;
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, props: Props = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), props, children);
}

export function s(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  return filled(document.createElementNS(SVG, tag) as SVGElement, props, children);
}

export const whole = (n: number): string => Math.round(n).toLocaleString("en");

export function bytes(n: number): string {
  if (n < 1024) return `${whole(n)} B`;
  const kb = n / 1024;
  return kb < 1000 ? `${kb.toFixed(kb < 100 ? 1 : 0)} KB` : `${(kb / 1024).toFixed(2)} MB`;
}

export function count(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} G`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(2)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(1)} k`;
  return whole(n);
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function announce(text: string): void {
  document.getElementById("announce")!.textContent = text;
}

/** A group of radio buttons that look like one control; `changed` gets the value. */
export function segmented<T extends string | number>(
  label: string, name: string, options: { value: T; text: string; title?: string; off?: boolean }[], chosen: T,
  changed: (value: T) => void, quiet = false,
): HTMLFieldSetElement {
  const group = h("fieldset", { class: "segmented" },
    h("legend", { class: quiet ? "hidden" : "" }, label));
  for (const { value, text, title, off } of options) {
    group.append(h("label", { title },
      h("input", {
        type: "radio", name, value: String(value), checked: value === chosen, disabled: off === true,
        onchange: () => changed(value),
      }),
      h("span", {}, text)));
  }
  return group;
}

/** A figure with its exact number, for the eye and for tests. */
export function figure(name: string, label: string, value: number, shown: string, exact: string): HTMLElement {
  return h("div", { class: "figure", "data-figure": name, "data-value": String(value) },
    h("span", { class: "label" }, label),
    h("span", { class: "value" }, shown),
    h("span", { class: "exact" }, exact));
}

export interface Part {
  label: string;
  value: number;
  colour: string;
}

/** A bar of parts on a scale, with the limit as a line. */
export function bar(parts: Part[], scale: number, limit: number | null, label: string): HTMLElement {
  const total = parts.reduce((sum, p) => sum + p.value, 0);
  const over = limit !== null && total > limit;
  const track = h("div", { class: "track" });
  for (const p of parts) {
    const share = (100 * p.value) / scale;
    track.append(h("span", {
      class: `part ${p.colour}`, style: `width:${share}%`, title: `${p.label}: ${whole(p.value)} bytes`,
    }));
  }
  const line = limit !== null && h("span", {
    class: "limit", style: `left:${Math.min(100, (100 * limit) / scale)}%`, title: `limit: ${whole(limit)} bytes`,
  });
  const spoken = `${label}: ${parts.map((p) => `${p.label} ${whole(p.value)} bytes`).join(", ")}` +
    (limit === null ? "" : `; ${over ? "over" : "within"} the limit of ${whole(limit)} bytes`);
  return h("div", { class: over ? "meter over" : "meter", role: "img", "aria-label": spoken }, track, line);
}

export function legend(items: [string, string][]): HTMLElement {
  return h("ul", { class: "legend", "aria-hidden": "true" },
    ...items.map(([colour, text]) => h("li", {}, h("span", { class: `key ${colour}` }), text)));
}

export const frame = (): Promise<void> => new Promise((done) => requestAnimationFrame(() => done()));
