// The little of WASI that the standard library wants for a program that computes and prints: arguments, output, time,
// random numbers. The same in Node and in a browser, where nobody else has it.

const BAD_DESCRIPTOR = 8;
const NOT_SUPPORTED = 52;

class Exit {
  constructor(code) {
    this.code = code;
  }
}

// Runs a compiled program to its end; answers its exit code. `print` gets each line.
export async function run(module, args, print) {
  let memory;
  const view = () => new DataView(memory.buffer);
  const bytes = (at, length) => new Uint8Array(memory.buffer, at, length);
  const encoded = args.map((arg) => new TextEncoder().encode(`${arg}\0`));
  let line = "";
  const calls = {
    args_sizes_get(count, size) {
      view().setUint32(count, encoded.length, true);
      view().setUint32(size, encoded.reduce((sum, arg) => sum + arg.length, 0), true);
      return 0;
    },
    args_get(pointers, at) {
      encoded.forEach((arg, number) => {
        view().setUint32(pointers + 4 * number, at, true);
        bytes(at, arg.length).set(arg);
        at += arg.length;
      });
      return 0;
    },
    environ_sizes_get(count, size) {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return 0;
    },
    environ_get: () => 0,
    clock_time_get(_clock, _precision, at) {
      view().setBigUint64(at, BigInt(Math.round(performance.now() * 1e6)), true);
      return 0;
    },
    random_get(at, length) {
      for (let from = 0; from < length; from += 65536) {
        crypto.getRandomValues(bytes(at + from, Math.min(65536, length - from)));
      }
      return 0;
    },
    fd_write(descriptor, vectors, count, written) {
      let length = 0;
      for (let number = 0; number < count; number += 1) {
        const at = view().getUint32(vectors + 8 * number, true);
        const size = view().getUint32(vectors + 8 * number + 4, true);
        line += new TextDecoder().decode(bytes(at, size).slice());
        length += size;
      }
      const lines = line.split("\n");
      line = lines.pop();
      lines.forEach((line) => print(line));
      view().setUint32(written, length, true);
      return 0;
    },
    fd_prestat_get: () => BAD_DESCRIPTOR,
    sched_yield: () => 0,
    proc_exit(code) {
      throw new Exit(code);
    },
  };
  const imports = {};
  for (const { name } of WebAssembly.Module.imports(module)) {
    imports[name] = calls[name] ?? (() => NOT_SUPPORTED);
  }
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: imports });
  memory = instance.exports.memory;
  try {
    instance.exports._start();
    return 0;
  } catch (error) {
    if (error instanceof Exit) return error.code;
    print(`${line}\n${error}`);
    return 1;
  }
}
