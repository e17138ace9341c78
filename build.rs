//! Assembles the libc's WebAssembly text, names the build, and passes the kernel's link arguments.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    assemble_libc(Path::new(&root), Path::new(&out));
    name_build(Path::new(&root));
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

/// What a kernel and a command of one build are made of. Named by content, not by commit: what was changed and not committed
/// is another build, and sources without a history have a name too. The compiler and how it is asked to compile are part of it.
const SOURCES: [&str; 6] = ["Cargo.toml", "Cargo.lock", "build.rs", "linker.ld", "boot", "src"];

fn name_build(root: &Path) {
    let mut hash = FNV_OFFSET;
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
        hash_source(&root.join(source), source, &mut hash);
    }
    let compiler = Command::new(env::var_os("RUSTC").expect("cargo sets RUSTC")).arg("--version").output();
    let compiler = compiler.expect("the compiler says its version").stdout;
    let profile = ["PROFILE", "OPT_LEVEL", "DEBUG"].map(|name| env::var(name).unwrap_or_default()).join(" ");
    hash_bytes(compiler.into_iter().chain(profile.into_bytes()), &mut hash);
    println!("cargo:rustc-env=BAREFLOW_BUILD={:012x}", hash & 0xffff_ffff_ffff);
}

fn hash_bytes(bytes: impl Iterator<Item = u8>, hash: &mut u64) {
    bytes.for_each(|byte| *hash = (*hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
}

/// Takes in the file, or every file of the folder, at `path`, with its `name` below the checkout.
fn hash_source(path: &Path, name: &str, hash: &mut u64) {
    if !path.is_dir() {
        let content = fs::read(path).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
        hash_bytes(name.bytes().chain(content), hash);
        return;
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("cannot list {name}: {error}"));
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("a folder of the checkout can be listed").path()).collect();
    paths.sort();
    for path in paths {
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        hash_source(&path, &name, hash);
    }
}

// FNV-1a of 64 bits (draft-eastlake-fnv): enough to tell builds apart.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

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
