// The command loop of NodeDevice: requests of run/commands.py on standard input, for trainer.js.
import { readSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { open } = await import(pathToFileURL(process.argv[2]));
const [EXIT, IDLE, INIT, PREDICT, STEP, SAVE, LOAD, STACK, , OBSERVE] = Array(10).keys();

function read(size) {
  const bytes = Buffer.alloc(size);
  for (let done = 0; done < size; ) {
    const more = readSync(0, bytes, done, size - done, null);
    if (!more) process.exit(0);
    done += more;
  }
  return bytes;
}

function write(bytes) {
  for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
}

/** The next array of each description, by name. */
function arrays(descriptions) {
  const found = descriptions.map(({ name, array, shape }) => {
    const kind = globalThis[array];
    const bytes = read(shape.reduce((a, b) => a * b, 1) * kind.BYTES_PER_ELEMENT);
    return [name, new kind(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))];
  });
  return Object.fromEntries(found);
}

const words = (...numbers) => Buffer.from(Uint32Array.from(numbers).buffer);
const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const trainer = await open();
const { inputs, outputs, targets } = trainer.description;

/** What a command answers after its status. */
const answers = {
  [IDLE]: () => [],
  [INIT]: () => (trainer.reset(), []),
  [STACK]: () => [],
  [PREDICT]: () => {
    const found = trainer.predict(arrays(inputs));
    return outputs.map((o) => bytesOf(outputs.length > 1 ? found[o.name] : found));
  },
  [STEP]: (rate) => {
    const y = arrays(targets);
    return [bytesOf(Float32Array.of(trainer.step(arrays(inputs), y, rate)))];
  },
  [OBSERVE]: () => {
    const y = arrays(targets);
    trainer.observe(arrays(inputs), y);
    return [];
  },
  [SAVE]: () => {
    const blob = trainer.save();
    write(Buffer.concat([words(0, blob.length), blob, words(0, 0)]));
    return [];
  },
  [LOAD]: () => {
    const { savedBytes } = trainer.description;
    write(words(0, savedBytes));
    const blob = read(savedBytes);
    write(words(0, 0));
    trainer.load(blob);
    return [];
  },
};

for (;;) {
  const request = read(8);
  const command = request.readUInt32LE(0);
  if (command === EXIT) process.exit(0);
  let status = 0;
  let found = [];
  try {
    found = answers[command](request.readFloatLE(4));
  } catch (error) {
    if (!error.status) throw error;
    status = error.status;
  }
  write(Buffer.concat([words(status >>> 0, 0, 0), ...found]));
}
