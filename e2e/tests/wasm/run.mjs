// `node run.mjs PROGRAM.wasm ARGUMENT…`: runs a program for wasm32-wasip1, such as Cargo builds of tests, in Node; with
// CHROMIUM, the path of one, at the same time in a worker of that browser too.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./wasi.mjs";

const [program, ...rest] = process.argv.slice(2);
const args = [basename(program), ...rest];
const { CHROMIUM: chromium, ...env } = process.env;
process.exitCode = chromium
  ? Math.max(...(await Promise.all([inBrowser(), inNode()])))
  : await run(new WebAssembly.Module(readFileSync(program)), args, console.log);

// In a process of its own, whose lines come when it has ended: those of the browser are not among them.
function inNode() {
  const script = fileURLToPath(import.meta.url);
  const options = { env, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((end) =>
    execFile(process.execPath, [script, program, ...rest], options, (error, out, errors) => {
      console.log(`in Node:\n${out}${errors}`);
      end(error ? 1 : 0);
    }),
  );
}

async function inBrowser() {
  const files = {
    "/": ["text/html", "<!doctype html><title>tests</title>"],
    "/wasi.mjs": ["text/javascript", readFileSync(new URL("./wasi.mjs", import.meta.url))],
    "/program.wasm": ["application/wasm", readFileSync(program)],
    "/worker.mjs": [
      "text/javascript",
      `import { run } from "./wasi.mjs";
       self.onmessage = async ({ data }) => {
         const module = await WebAssembly.compileStreaming(fetch("/program.wasm"));
         const code = await run(module, data, (line) => self.postMessage({ line }));
         self.postMessage({ code });
       };`,
    ],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? ["text/plain", ""];
    response.writeHead(files[request.url] ? 200 : 404, { "content-type": type }).end(body);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const require = createRequire(new URL("../../../web/package.json", import.meta.url));
  const browser = await require("playwright-core").chromium.launch({
    executablePath: chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  try {
    const page = await browser.newPage();
    await page.exposeFunction("print", (line) => console.log(line));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    return await page.evaluate(
      (args) =>
        new Promise((end, fail) => {
          const worker = new Worker("/worker.mjs", { type: "module" });
          worker.onerror = (event) => fail(new Error(event.message));
          worker.onmessage = ({ data }) => ("line" in data ? window.print(data.line) : end(data.code));
          worker.postMessage(args);
        }),
      args,
    );
  } finally {
    await browser.close();
    server.close();
  }
}
