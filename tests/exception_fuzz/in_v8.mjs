// What V8 does with each module: the same lines in and out as `in_wasmtime.py` has.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

function value(kind, bits) {
  if (kind === "i32") return bits | 0;
  throw new Error(`no argument of type ${kind} is passed`);
}

function call(exports, name, args) {
  try {
    const result = exports[name](...args.map(([kind, bits]) => value(kind, bits)));
    return [["i32", result >>> 0]];
  } catch (error) {
    if (error instanceof WebAssembly.Exception) return "exception";
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) return "trap";
    return `error: ${error}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const work = JSON.parse(line);
  const module = new WebAssembly.Module(readFileSync(work.module));
  const { exports } = new WebAssembly.Instance(module, {});
  console.log(JSON.stringify(work.calls.map(([name, args]) => call(exports, name, args))));
}
