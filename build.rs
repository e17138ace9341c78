//! Assembles the libc's WebAssembly text, and passes the kernel's link arguments.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    assemble_libc(Path::new(&root), Path::new(&out));
    if env::var_os("CARGO_FEATURE_KERNEL").is_some() {
        kernel_link_arguments(&root);
    }
}

/// Two modules in `$OUT_DIR`: `libc.wasm`, and `libc_checked.wasm` with the heap that finds misuse.
fn assemble_libc(root: &Path, out: &Path) {
    let folder = root.join("src/libc");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut sources: Vec<_> = fs::read_dir(&folder)
        .expect("src/libc is part of the checkout")
        .map(|entry| entry.expect("src/libc can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    sources.sort();
    assemble(&sources, "allocation_checked.wat", &out.join("libc.wasm"));
    assemble(&sources, "allocation.wat", &out.join("libc_checked.wasm"));
}

/// Concatenates `sources` (fields of one module), all but the file `without`.
fn assemble(sources: &[PathBuf], without: &str, module: &Path) {
    let fields: String = sources
        .iter()
        .filter(|path| !path.ends_with(without))
        .map(|path| fs::read_to_string(path).expect("a .wat file can be read"))
        .collect();
    let text = format!("(module $libc\n{fields}\n)");
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("src/libc/*.wat: {error}"));
    fs::write(module, bytes).expect("OUT_DIR can be written");
}

fn kernel_link_arguments(root: &str) {
    println!("cargo:rerun-if-changed=linker.ld");
    println!("cargo:rerun-if-changed=boot");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        &format!("-Wl,-T{root}/linker.ld,--build-id=none,-z,max-page-size=4096,--no-dynamic-linker,-z,norelro"),
    ] {
        println!("cargo:rustc-link-arg-bin=kernel={argument}");
    }
}
