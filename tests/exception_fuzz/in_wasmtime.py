"""What wasmtime (PyPI) does with each module of a folder, as the lines of work that stand on standard input ask.

A line in: {"module": PATH, "calls": [[NAME, [[TYPE, BITS], ...]], ...]}. A line out: a list with, for each call, a list of
[TYPE, BITS], or "trap" or "exception"; null if the module cannot be instantiated.
"""

import json
import struct
import sys

import wasmtime

config = wasmtime.Config()
config.wasm_exceptions = True
config.wasm_tail_call = True
config.wasm_threads = True
engine = wasmtime.Engine(config)

FORMATS = {"f32": ("<I", "<f"), "f64": ("<Q", "<d")}


def value(kind, bits):
    if kind in FORMATS:
        whole, real = FORMATS[kind]
        return struct.unpack(real, struct.pack(whole, bits))[0]
    if kind in ("i32", "i64"):
        size = int(kind[1:])
        return bits - (1 << size) if bits >> (size - 1) else bits
    return None


def bits(kind, result):
    if kind in FORMATS:
        whole, real = FORMATS[kind]
        return struct.unpack(whole, struct.pack(real, result))[0] if result == result else "nan"
    if kind in ("i32", "i64"):
        return result % (1 << int(kind[1:]))
    return int(result is not None)


def call(store, exports, name, arguments):
    function = exports[name]
    kinds = [str(kind) for kind in function.type(store).results]
    try:
        results = function(store, *[value(kind, bits) for kind, bits in arguments])
    except wasmtime.Trap as trap:
        return "exception" if "thrown Wasm exception" in str(trap) else "trap"
    results = results if isinstance(results, list) else [results]
    return [[kind, bits(kind, result)] for kind, result in zip(kinds, results)]


for line in sys.stdin:
    work = json.loads(line)
    store = wasmtime.Store(engine)
    try:
        module = wasmtime.Module.from_file(engine, work["module"])
        exports = wasmtime.Instance(store, module, []).exports(store)
    except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
        print(json.dumps(None), flush=True)
        continue
    print(json.dumps([call(store, exports, *one) for one in work["calls"]]), flush=True)
