// Bundles src/ into one file: node build.mjs [OUTPUT]
import { build } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const output = process.argv[2] ?? join(here, "../src/trainlet/explorer/page.html");
const common = { bundle: true, minify: true, write: false, legalComments: "none", charset: "ascii" };

async function bundled(entry, options = {}) {
  const made = await build({ ...common, ...options, entryPoints: [join(here, "src", entry)] });
  return made.outputFiles[0].text.trim();
}

const script = await bundled("main.ts", { format: "iife", target: "es2022" });
const style = await bundled("style.css", { target: "es2022" });
// A replacement function: "$&" in a text is no pattern then.
const page = readFileSync(join(here, "src/index.html"), "utf8")
  .replace("/* style */", () => style)
  .replace("/* script */", () => script.replaceAll("</script", "<\\/script"));
writeFileSync(output, page);
console.log(`${output}: ${page.length} bytes`);
