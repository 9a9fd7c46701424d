// `node run.mjs PROGRAM.wasm ARGUMENT…`: runs a program for wasm32-wasip1, such as Cargo builds of tests, in Node; with
// CHROMIUM, the path of one, in a worker of that browser.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { run } from "./wasi.mjs";

const [program, ...rest] = process.argv.slice(2);
const args = [basename(program), ...rest];
const chromium = process.env.CHROMIUM;
process.exitCode = chromium ? await inBrowser() : await run(new WebAssembly.Module(readFileSync(program)), args, console.log);

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
