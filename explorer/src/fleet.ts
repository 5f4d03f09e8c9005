// The fleet: devices that learn together. Their data stay, and messages travel.
import { rateOf, type Federated, type Network, type Source } from "./data";
import { announce, bar, bytes, figure, h, legend, percent, s, segmented, whole } from "./dom";

const ROUNDS = 8;
const SCHEMES = [
  { value: "last", text: "the classifier" },
  { value: "bias", text: "biases + classifier" },
  { value: "full", text: "every parameter" },
];
const SHARES = [
  { value: "none", text: "float32" },
  { value: "int8", text: "int8" },
  { value: "topk:0.1,int8", text: "largest 10 %, int8" },
  { value: "sign", text: "1 bit a value" },
];
const COUNTS = [3, 6, 12];

export function fleetView(source: Source, network: Network): HTMLElement {
  const { persons } = network;
  const asked = {
    precision: network.precisions[network.precisions.length - 1], batch: 1, adapter: "none", optimizer: "sgd",
    scheme: "last", division: persons ? "person" : "few", devices: 6, share: "int8",
  };
  const out = h("div", { class: "out" });
  const status = h("p", { class: "told", role: "status" });
  const counts = h("div", {});
  const button = h("button", { type: "button", class: "primary", onclick: () => void run() },
    `Run ${ROUNDS} rounds on this machine`);
  let number = 0;

  /** The whole run of a lesson, or one round after the other. */
  async function run(): Promise<void> {
    const own = ++number;
    out.replaceChildren();
    out.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      for (let rounds = source.lesson ? ROUNDS : 0; rounds <= ROUNDS; rounds++) {
        status.textContent = rounds ? `Round ${rounds} of ${ROUNDS}.` : "The devices get the network.";
        const found = await source.ask("fleet", { ...asked, rate: rateOf(network, asked.scheme), rounds });
        if (own !== number) return;
        out.replaceChildren(...shown(found));
        if (rounds === ROUNDS) status.textContent = ended(found);
      }
    } catch (error) {
      if (own !== number) return;
      status.textContent = (error as Error).message;
    }
    button.disabled = false;
    out.setAttribute("aria-busy", "false");
    if (!source.lesson) announce(status.textContent);
  }

  const ended = (found: Federated): string =>
    `${source.lesson ? "Recorded when this project was built, not run in this page. " : ""}` +
    `${found.devices.length} devices, ${ROUNDS} rounds, ${found.test} test examples.`;

  /** Another setting: a lesson shows its run, the server waits for the button. */
  function changed(): void {
    number++;
    out.replaceChildren();
    out.setAttribute("aria-busy", "false");
    button.disabled = false;
    status.textContent = "";
    if (source.lesson) void run();
  }

  function counted(): void {
    counts.replaceChildren(...(asked.division === "person" || source.lesson ? [] : [
      segmented("Devices", "fleet-devices", COUNTS.map((n) => ({ value: n, text: String(n) })), asked.devices,
        (n) => ((asked.devices = n), changed())),
    ]));
  }

  function divide(division: string): void {
    asked.division = division;
    counted();
    changed();
  }

  const view = h("div", {},
    h("h2", {}, "A fleet"),
    h("p", { class: "lead" },
      "Devices learn together. Each trains on its own data with the C of a device, and sends how its trained values " +
      "changed. A server averages the changes. The data do not move."));
  if (persons === null) {
    view.append(h("p", { class: "quiet" }, source.lesson ? "No fleet is recorded of this network."
      : "There are no examples with classes. Start with --data FILE.npz."));
    return view;
  }
  counted();
  changed();
  view.append(
    h("div", { class: "controls" },
      segmented("What learns", "fleet-scheme", SCHEMES, asked.scheme, (value) => ((asked.scheme = value), changed())),
      segmented("Data of a device", "fleet-division", [
        ...(persons ? [{ value: "person", text: "one person" }] : []),
        { value: "few", text: "few classes" }, ...(source.lesson ? [] : [{ value: "alike", text: "all classes" }]),
      ], asked.division, divide),
      counts,
      segmented("An update is sent as", "fleet-share", SHARES, asked.share, (value) => ((asked.share = value), changed()))),
    h("div", { class: "buttons" }, !source.lesson && button),
    status, out);
  return view;
}

function shown(found: Federated): HTMLElement[] {
  const stay = found.devices.reduce((sum, device) => sum + device.bytes, 0);
  const now = found.rounds[found.rounds.length - 1];
  const scale = 1.04 * Math.max(stay, now.up, now.down);
  const row = (name: string, value: number, colour: string) =>
    h("div", { class: "row" }, h("span", {}, name),
      bar([{ label: name, value, colour }], scale, null, name), h("span", { class: "sum" }, bytes(value)));
  const most = Math.max(...found.devices.flatMap((device) => device.classes));
  return [
    h("div", { class: "figures" },
      figure("before", "before", found.rounds[0].accuracy, percent(found.rounds[0].accuracy), "of the test examples"),
      figure("after", `after ${found.rounds.length - 1} rounds`, now.accuracy, percent(now.accuracy), "of the test examples"),
      figure("values", "values that are shared", found.values, whole(found.values), "of each device"),
      figure("up", "sent by all devices", now.up, bytes(now.up), `${whole(now.up)} bytes`),
      figure("down", "sent by the server", now.down, bytes(now.down), `${whole(now.down)} bytes`),
      figure("stay", "data that stay", stay, bytes(stay), `${whole(stay)} bytes`)),
    curve(found),
    h("h3", {}, "Bytes that stay, and bytes that travel"),
    row("stay", stay, "state"), row("up", now.up, "kept"), row("down", now.down, "forward"),
    h("h3", {}, "What each device has"),
    legend([["forward", `examples of a class; the highest column is ${most}`]]),
    h("div", { class: "devices" }, ...found.devices.map((device) => h("section", { class: "slot device" },
      h("h4", {}, device.name), columns(device.classes, found.classes, most),
      h("p", { class: "quiet" }, `${device.examples} examples, ${bytes(device.bytes)} stay`)))),
    h("details", {}, h("summary", {}, "All rounds"), table(found)),
  ];
}

/** A column for each class. */
function columns(counts: number[], classes: string[], most: number): SVGElement {
  const spoken = counts.map((n, k) => `${classes[k]} ${n}`).filter((_, k) => counts[k] > 0).join(", ");
  return s("svg", {
    viewBox: `0 0 ${10 * counts.length} 44`, class: "columns", role: "img", preserveAspectRatio: "none",
    "aria-label": `Examples of each class: ${spoken}`,
  },
  s("line", { x1: 0, x2: 10 * counts.length, y1: 43.5, y2: 43.5 }),
  ...counts.map((n, k) => s("rect", {
    x: 10 * k + 1, width: 8, y: 43 - (42 * n) / most, height: (42 * n) / most, class: "forward",
  }, s("title", {}, `${classes[k]}: ${n}`))));
}

function curve(found: Federated): HTMLElement {
  const [width, height] = [330, 130];
  const x = (round: number) => (width * round) / ROUNDS;
  const y = (share: number) => height * (1 - share);
  const at = found.rounds.map((one, k) => [x(k), y(one.accuracy)]);
  return h("div", { class: "scroll" }, s("svg", {
    viewBox: `-44 -10 ${width + 54} ${height + 50}`, class: "chart rounds", role: "img",
    "aria-label": `Accuracy after each round: ${found.rounds.map((one) => percent(one.accuracy)).join(", ")}`,
  },
  ...[0, 0.5, 1].flatMap((share) => [
    s("line", { x1: 0, x2: width, y1: y(share), y2: y(share), class: "grid" }),
    s("text", { x: -6, y: y(share) + 4, class: "tick end" }, `${100 * share} %`)]),
  ...Array.from({ length: ROUNDS + 1 }, (_, k) =>
    s("text", { x: x(k), y: height + 18, class: "tick middle" }, String(k))),
  s("text", { x: width / 2, y: height + 34, class: "tick middle" }, "round; accuracy is upwards"),
  s("path", { class: "line", d: at.map(([left, top], k) => `${k ? "L" : "M"}${left} ${top}`).join("") }),
  ...at.map(([cx, cy]) => s("circle", { cx, cy, r: 4, class: "dot" }))));
}

function table(found: Federated): HTMLElement {
  const cell = (text: string) => h("td", { class: "number" }, text);
  const head = ["round", "accuracy", "updates", "bytes up, so far", "bytes down, so far"];
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col", class: "number" }, text)))),
    h("tbody", {}, ...found.rounds.map((one, k) => h("tr", {}, cell(String(k)), cell(percent(one.accuracy)),
      cell(String(one.taken)), cell(whole(one.up)), cell(whole(one.down)))))));
}
