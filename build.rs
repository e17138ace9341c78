//! Assembles the libc's WebAssembly text, and passes the kernel's link arguments.

use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    assemble_libc(Path::new(&root), Path::new(&out));
    if env::var_os("CARGO_FEATURE_KERNEL").is_some() {
        kernel_link_arguments(&root);
    }
}

/// Concatenates `src/libc/*.wat` (fields of one module) in name order into `$OUT_DIR/libc.wasm`.
fn assemble_libc(root: &Path, out: &Path) {
    let folder = root.join("src/libc");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut sources: Vec<_> = fs::read_dir(&folder)
        .expect("src/libc is part of the checkout")
        .map(|entry| entry.expect("src/libc can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    sources.sort();
    let fields: String =
        sources.iter().map(|path| fs::read_to_string(path).expect("a .wat file can be read")).collect();
    let module = format!("(module $libc\n{fields}\n)");
    let bytes = wat::parse_str(&module).unwrap_or_else(|error| panic!("src/libc/*.wat: {error}"));
    fs::write(out.join("libc.wasm"), bytes).expect("OUT_DIR can be written");
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
