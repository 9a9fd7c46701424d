// Where something is missing that a test needs, it fails, and its process ends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import test from "node:test";
import { fileURLToPath } from "node:url";

test("servers of which one does not start leave nothing behind that would run for ever", async () => {
  const file = fileURLToPath(new URL("synapse.test.mjs", import.meta.url));
  for (const python of ["/bin/false", "/nowhere/python"]) {
    // As a test of its own, not as a part of this one.
    const env = { ...process.env, SYNAPSE_PYTHON: python, NODE_TEST_CONTEXT: undefined };
    const broken = spawn(process.execPath, [file], { env, stdio: "ignore", timeout: 60_000 });
    assert.deepEqual(await once(broken, "exit"), [1, null], python);
  }
});
