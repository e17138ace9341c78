//! The functions as a program sees them: words in, errno out, results in memory.

mod archive;
mod descriptors;
mod export;
mod fakes;
mod fuzz;
mod links;
mod paths;
mod process;
mod scratch;
mod scratch_model;
mod stdin;
mod suite;

use super::abi::{Errno, Rights};
use super::memory::{u32_at, u64_at};
use super::{Imports, MODULE, Stop, Wasi};
use fakes::{FakeConsole, FakeEntropy};
use std::vec;
use std::vec::Vec;
use wasmparser::ValType;

const TEXT: &[u8] = b"The quick brown fox";
const OK: u64 = Errno::SUCCESS;

/// What the program may keep in `/tmp`.
const SCRATCH_BYTES: u64 = 16 << 10;

/// The descriptor of `/`.
const ROOT: u64 = 3;

// Where the tests keep things in memory.
const PATH: u64 = 0x100;
const IOVEC: u64 = 0x200;
const OUT: u64 = 0x300;
const BUFFER: u64 = 0x400;
const BUFFER_BYTES: u64 = 0x400;

/// A program's memory beside its operating system.
struct Program {
    wasi: Wasi<'static>,
    console: FakeConsole,
    memory: Vec<u8>,
}

fn program() -> Program {
    program_with(FakeConsole::default())
}

fn program_with(console: FakeConsole) -> Program {
    console.clock.advance(500);
    let wasi = Wasi::builder()
        .scratch_bytes(SCRATCH_BYTES)
        .arg("fox")
        .arg("-v")
        .env("HOME", "/")
        .file("text", TEXT)
        .and_then(|builder| builder.file("dir/inner", b"in".as_slice()))
        .unwrap()
        .build(console.clone(), console.clock.clone(), FakeEntropy);
    Program { wasi, console, memory: vec![0; 0x1000] }
}

impl Program {
    fn try_call(&mut self, name: &str, args: &[u64]) -> Result<u64, Stop> {
        let function = self.wasi.find(MODULE, name).unwrap_or_else(|| panic!("{name} is not offered"));
        let mut results = vec![0; function.results.len()];
        self.wasi.call(function.id, args, &mut results, &mut self.memory)?;
        Ok(results.first().copied().unwrap_or(0))
    }

    fn call(&mut self, name: &str, args: &[u64]) -> u64 {
        self.try_call(name, args).unwrap()
    }

    #[track_caller]
    fn fails(&mut self, name: &str, args: &[u64], errno: Errno) {
        assert_eq!(self.call(name, args), errno as u64, "{name}{args:?}, expected {errno:?}");
    }

    fn put(&mut self, address: u64, bytes: &[u8]) {
        self.memory[address as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn put_u32s(&mut self, address: u64, values: &[u64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|&value| (value as u32).to_le_bytes()).collect();
        self.put(address, &bytes);
    }

    fn bytes(&self, address: u64, len: u64) -> &[u8] {
        &self.memory[address as usize..][..len as usize]
    }

    fn u32(&self, address: u64) -> u64 {
        u32_at(&self.memory, address as usize).into()
    }

    fn u64(&self, address: u64) -> u64 {
        u64_at(&self.memory, address as usize)
    }

    /// Puts a path into memory; returns the two words that name it.
    fn path(&mut self, path: &str) -> [u64; 2] {
        self.put(PATH, path.as_bytes());
        [PATH, path.len() as u64]
    }

    fn open_with(&mut self, path: &str, open_flags: u64, rights: Rights) -> Result<u64, u64> {
        let [address, len] = self.path(path);
        let rights = rights.bits();
        match self.call("path_open", &[ROOT, 0, address, len, open_flags, rights, rights, 0, OUT]) {
            OK => Ok(self.u32(OUT)),
            errno => Err(errno),
        }
    }

    /// Opens with all rights but those that write.
    fn open(&mut self, path: &str) -> u64 {
        self.open_with(path, 0, Rights::all() - Rights::FD_WRITE).unwrap()
    }

    /// One `fd_read` of at most `len` bytes.
    fn read(&mut self, fd: u64, len: u64) -> Vec<u8> {
        self.put_u32s(IOVEC, &[BUFFER, len]);
        assert_eq!(self.call("fd_read", &[fd, IOVEC, 1, OUT]), OK);
        self.bytes(BUFFER, self.u32(OUT)).to_vec()
    }

    fn write(&mut self, fd: u64, bytes: &[u8]) -> Result<u64, u64> {
        self.put(BUFFER, bytes);
        self.put_u32s(IOVEC, &[BUFFER, bytes.len() as u64]);
        match self.call("fd_write", &[fd, IOVEC, 1, OUT]) {
            OK => Ok(self.u32(OUT)),
            errno => Err(errno),
        }
    }

    fn seek(&mut self, fd: u64, distance: i64, whence: u64) -> Result<u64, u64> {
        match self.call("fd_seek", &[fd, distance.cast_unsigned(), whence, OUT]) {
            OK => Ok(self.u64(OUT)),
            errno => Err(errno),
        }
    }
}

/// All of `wasi_snapshot_preview1.witx`: i is i32, I is i64.
const SIGNATURES: &str = "args_get ii; args_sizes_get ii; environ_get ii; environ_sizes_get ii; clock_res_get ii; \
    clock_time_get iIi; fd_advise iIIi; fd_allocate iII; fd_close i; fd_datasync i; fd_fdstat_get ii; \
    fd_fdstat_set_flags ii; fd_fdstat_set_rights iII; fd_filestat_get ii; fd_filestat_set_size iI; \
    fd_filestat_set_times iIIi; fd_pread iiiIi; fd_prestat_get ii; fd_prestat_dir_name iii; fd_pwrite iiiIi; \
    fd_read iiii; fd_readdir iiiIi; fd_renumber ii; fd_seek iIii; fd_sync i; fd_tell ii; fd_write iiii; \
    path_create_directory iii; path_filestat_get iiiii; path_filestat_set_times iiiiIIi; path_link iiiiiii; \
    path_open iiiiiIIii; path_readlink iiiiii; path_remove_directory iii; path_rename iiiiii; path_symlink iiiii; \
    path_unlink_file iii; poll_oneoff iiii; proc_exit i; proc_raise i; sched_yield ; random_get ii; sock_accept iii; \
    sock_recv iiiiii; sock_send iiiii; sock_shutdown ii";

#[test]
fn every_function_has_the_type_of_the_specification() {
    let wasi = program().wasi;
    for signature in SIGNATURES.split("; ") {
        let (name, params) = signature.trim().split_once(' ').unwrap_or((signature.trim(), ""));
        let function = wasi.find(MODULE, name).unwrap_or_else(|| panic!("{name} is not offered"));
        let letters: Vec<char> =
            function.params.iter().map(|&param| if param == ValType::I64 { 'I' } else { 'i' }).collect();
        assert_eq!(letters, params.chars().collect::<Vec<_>>(), "{name}");
        assert_eq!(function.results.len(), usize::from(name != "proc_exit"), "{name}");
    }
    assert_eq!(super::table::FUNCTIONS.len(), SIGNATURES.split("; ").count());
}

#[test]
fn offers_nothing_under_other_names() {
    let wasi = program().wasi;
    assert_eq!(wasi.find("wasi_unstable", "fd_write"), None);
    assert_eq!(wasi.find(MODULE, "fd_writ"), None);
}

#[test]
fn a_call_of_the_wrong_shape_stops_the_program() {
    let mut wasi = program().wasi;
    assert!(matches!(wasi.call(u32::MAX, &[], &mut [], &mut []), Err(Stop::Trap(_))));
    let exit = wasi.find(MODULE, "proc_exit").unwrap();
    assert!(matches!(wasi.call(exit.id, &[], &mut [], &mut []), Err(Stop::Trap(_))));
}

#[test]
fn takes_i32_arguments_from_the_low_half_of_their_words() {
    let mut program = program();
    let dirt = 0xdead_beef_0000_0000;
    assert_eq!(program.call("args_sizes_get", &[OUT | dirt, (OUT + 4) | dirt]), OK);
    assert_eq!(program.u32(OUT), 2);
}
