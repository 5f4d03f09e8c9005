// Leakage: a drawing, and what an attacker gets back from the message of one training step.
import { decoded, encoded, type Attacked, type Defence, type Leakage, type Source } from "./data";
import { announce, bytes, figure, h, segmented, whole } from "./dom";
import { Pad, thumbnail } from "./pad";

export function leakageView(source: Source): HTMLElement {
  const out = h("div", { class: "out", "aria-busy": "true" }, h("p", { role: "status" }, "Reading the attacks."));
  void source.ask("leakage", {}).then((given) => {
    out.replaceChildren(...attacks(source, given));
    out.setAttribute("aria-busy", "false");
  }).catch((error: Error) => out.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
  return h("div", {},
    h("h2", {}, "Leakage"),
    h("p", { class: "lead" },
      "A device sends the gradient of one training step on one drawing. An attacker knows the network and what the " +
      "device leaves out, and searches for a drawing with the same gradient."),
    out);
}

function attacks(source: Source, given: Leakage): HTMLElement[] {
  const { side } = given;
  const cards = h("div", { class: "cards attacks" });
  const original = h("div", {});
  const status = h("p", { class: "told", role: "status" });
  const pad = new Pad(side, () => {});
  let number = 0;

  function begin(ink: Uint8Array | null): HTMLElement[] {
    number++;
    original.replaceChildren(ink ? thumbnail(ink, side, "the drawing") : "");
    const bodies = given.defences.map(() => h("div", {}));
    cards.replaceChildren(...given.defences.map((defence, k) => h("section", { class: "card", "data-defence": defence.key },
      h("h3", {}, defence.title), h("p", { class: "quiet" }, defence.words), bodies[k])));
    return bodies;
  }

  function recorded(drawing: number): void {
    const bodies = begin(decoded(given.drawings[drawing]));
    given.defences.forEach((defence, k) => bodies[k].replaceChildren(...shown(given, defence, given.found[defence.key][drawing])));
    status.textContent = "Recorded when this project was built, not run now.";
  }

  const button = h("button", { type: "button", class: "primary", onclick: () => void attack() }, "Attack this drawing");

  /** Each defence in turn, on this machine. */
  async function attack(): Promise<void> {
    const ink = pad.ink();
    if (!ink) {
      status.textContent = "Draw something first.";
      return;
    }
    const bodies = begin(ink);
    const own = number;
    button.disabled = true;
    try {
      for (const [k, defence] of given.defences.entries()) {
        status.textContent = `Attack ${k + 1} of ${given.defences.length}: ${defence.title}.`;
        const found = await source.ask("attack", { drawing: encoded(ink), defence: defence.key });
        if (own !== number) return;
        bodies[k].replaceChildren(...shown(given, defence, found));
      }
      status.textContent = "Attacked on this machine just now.";
    } catch (error) {
      if (own === number) status.textContent = (error as Error).message;
    } finally {
      button.disabled = false;
    }
    announce(status.textContent);
  }

  const mine = h("div", { hidden: true }, pad.canvas, h("div", { class: "buttons" }, button,
    h("button", { type: "button", onclick: () => pad.clear() }, "Clear")));
  recorded(0);
  return [
    h("div", { class: "controls" },
      segmented("Drawing", "leakage-drawing", [
        ...given.drawings.map((_, k) => ({ value: String(k), text: `example ${k + 1}` })),
        ...(source.lesson ? [] : [{ value: "mine", text: "my own" }]),
      ], "0", (value) => {
        mine.hidden = value !== "mine";
        if (value !== "mine") return recorded(Number(value));
        begin(null);
        status.textContent = "Draw with a pointer, or with the arrow keys; space lifts the pen.";
      })),
    h("div", { class: "attack" }, original, mine),
    status, cards,
    h("p", { class: "note" },
      "The attack is Deep Leakage from Gradients (Zhu et al., 2019), on its network with sigmoids, untrained. PSNR says " +
      "how near the picture is to the drawing: 10 dB more is a tenth of the squared error. An attack that fails does not " +
      "show that data are safe. For your own network use trainlet audit."),
  ];
}

function shown(given: Leakage, defence: Defence, found: Attacked): HTMLElement[] {
  const times = defence.rounds > 1 ? `${defence.rounds} \u00d7 ` : "";
  return [
    thumbnail(decoded(found.picture), given.side, `what the attacker gets: ${found.psnr.toFixed(1)} decibels`),
    figure("psnr", "PSNR", found.psnr, `${found.psnr.toFixed(1)} dB`, `plain grey: ${found.floor.toFixed(1)} dB`),
    h("dl", {},
      h("dt", {}, "sent"), h("dd", { title: `${whole(found.bytes)} bytes` }, times + bytes(found.bytes)),
      h("dt", {}, "label"), h("dd", {}, found.label ? "found" : "not found")),
  ];
}
