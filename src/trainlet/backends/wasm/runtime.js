const STATUS = {
  "-1": "an input or the learning rate is not finite, or an index is out of range",
  "-2": "a label is not a class of the network, or a target is not finite",
  "-3": "the loss is not finite, or an update overflows; use a smaller learning rate",
  "-4": "the saved state is damaged or belongs to another program",
  "-5": "reading or writing the saved state failed",
  "-6": "neither init nor a successful load was called",
};

/** What a call refuses; the trained state is as it was. */
export class TrainerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.name = "TrainerError";
    this.status = status;
  }
}

function check(status, call) {
  if (status) throw new TrainerError(`${call}: ${STATUS[status] ?? `status ${status}`}`, status);
}

function size(shape) {
  return shape.reduce((product, n) => product * n, 1);
}

/** For each element in the device's order, its index in the user's array. */
function gathered(shape, permutation) {
  const strides = shape.map((_, axis) => size(shape.slice(axis + 1)));
  const order = new Int32Array(size(shape));
  const counter = permutation.map(() => 0);
  for (let k = 0; k < order.length; k++) {
    order[k] = permutation.reduce((sum, axis, d) => sum + counter[d] * strides[axis], 0);
    for (let d = counter.length - 1; d >= 0; d--) {
      if (++counter[d] < shape[permutation[d]]) break;
      counter[d] = 0;
    }
  }
  return order;
}

/** The nearest integer in int8, halves away from zero, in float32 as the network's own rounding. */
function quantized(real, { scale, zero }) {
  const value = Math.fround(Math.fround(real) / Math.fround(scale));
  const whole = Math.trunc(value);
  const rest = Math.fround(value - whole);
  const rounded = whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0) + zero;
  return Math.max(-128, Math.min(127, rounded));
}

/** A trainer: one instance of the WebAssembly module, with its own state. */
export class Trainer {
  #exports;
  #orders;

  constructor(instance, description) {
    this.#exports = instance.exports;
    this.description = description;
    this.#orders = description.inputs.map((i) => i.permutation && gathered(i.shape, i.permutation));
    this.#exports.init();
  }

  #view(kind, k, { array, shape }) {
    const kinds = { Float32Array, Int32Array, Int16Array, Int8Array, Uint8Array };
    return new kinds[array](this.#exports.memory.buffer, this.#exports[`${kind}_${k}`](), size(shape));
  }

  /** One array for each description: of an object by name, or the only array. */
  #given(value, descriptions, what) {
    const plain = Array.isArray(value) || ArrayBuffer.isView(value);
    if (plain && descriptions.length !== 1) {
      const names = descriptions.map((d) => d.name).join(", ");
      throw new TrainerError(`there are several ${what}: pass an object with ${names}`);
    }
    const arrays = plain ? [value] : descriptions.map((d) => value?.[d.name]);
    descriptions.forEach((d, k) => {
      if (arrays[k] === undefined) throw new TrainerError(`${what}: '${d.name}' is missing`);
      if (arrays[k].length !== size(d.shape)) {
        const wanted = `${size(d.shape)} (${d.shape.join("x")})`;
        throw new TrainerError(`'${d.name}' has ${arrays[k].length} values; it takes ${wanted}`);
      }
    });
    return arrays;
  }

  #fill(x, y, taught = true) {
    const { inputs, targets } = this.description;
    if (taught) {
      this.#given(y, targets, "targets").forEach((array, k) => {
        if (targets[k].array === "Int32Array" && !array.every(Number.isInteger)) {
          throw new TrainerError(`'${targets[k].name}' takes whole numbers`);
        }
        this.#view("target", k, targets[k]).set(array);
      });
    }
    this.#given(x, inputs, "inputs").forEach((array, k) => {
      const into = this.#view("input", k, inputs[k]);
      const order = this.#orders[k];
      const real = inputs[k].scale !== undefined && !(array instanceof Int8Array);
      if (real || inputs[k].array === "Int32Array") {
        const good = real ? Number.isFinite : Number.isInteger;
        if (!array.every(good)) throw new TrainerError(`'${inputs[k].name}': ${STATUS[-1]}`, -1);
      }
      for (let j = 0; j < into.length; j++) {
        const value = array[order ? order[j] : j];
        into[j] = real ? quantized(value, inputs[k]) : value;
      }
    });
  }

  /** One training step; the loss before it. */
  step(x, y, learningRate = this.description.learningRate) {
    this.#fill(x, y);
    check(this.#exports.step(learningRate), "step");
    return new Float32Array(this.#exports.memory.buffer, this.#exports.loss(), 1)[0];
  }

  /** The outputs for one batch: an array, or of several outputs an object by name. */
  predict(x) {
    this.#fill(x, undefined, false);
    check(this.#exports.predict(), "predict");
    const found = this.description.outputs.map((o, k) => [o.name, this.#view("output", k, o).slice()]);
    return found.length === 1 ? found[0][1] : Object.fromEntries(found);
  }

  /** Adds the features of a batch to the prototypes of its classes; nothing else learns. */
  observe(x, y) {
    if (!this.description.observes) throw new TrainerError("the network has no prototypes");
    this.#fill(x, y);
    check(this.#exports.observe(), "observe");
  }

  /** The present parameters become the anchor of the proximal term. */
  setAnchor() {
    if (!this.description.anchors) throw new TrainerError("no parameter has an anchor");
    this.#exports.set_anchor();
  }

  #blob() {
    const { savedBytes } = this.description;
    return new Uint8Array(this.#exports.memory.buffer, this.#exports.blob(), savedBytes);
  }

  /** The trained state, in the bytes that the C writes. */
  save() {
    check(this.#exports.save(), "save");
    return this.#blob().slice();
  }

  /** Takes a saved state; a damaged or foreign one is refused and changes nothing. */
  load(state) {
    const blob = this.#blob();
    if (state.length !== blob.length) {
      throw new TrainerError(`load: ${state.length} bytes; the state has ${blob.length}`, -4);
    }
    blob.set(state);
    check(this.#exports.load(), "load");
  }

  /** Back to the pretrained parameters. */
  reset() {
    this.#exports.init();
  }
}
