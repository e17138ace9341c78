//! The `bareflow` command.

mod after_trap;
mod bench_boots;
mod boot;
mod completions;
mod diff;
mod dir;
mod environment;
mod image;
mod pc;
mod profile;
mod progress;
mod report;
mod run;
mod saved;
mod sent;
mod series;
mod show;
mod stats;
mod status;
mod store;
mod svg;
mod text;

use bareflow::host::end_at_broken_pipes;
use bareflow::host::memory::ReservedHeap;
use clap::{CommandFactory, Parser, Subcommand};
use status::{Status, complain};
use std::alloc::System;
use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;

#[global_allocator]
static HEAP: ReservedHeap = ReservedHeap(System);

/// Runs WebAssembly programs that tune themselves, here or booted as the whole machine.
///
/// `bareflow PROGRAM.wasm ARGS` is `bareflow run PROGRAM.wasm ARGS`.
#[derive(Parser)]
#[command(version = bareflow::VERSION)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Boot(boot::Args),
    BenchBoots(bench_boots::Args),
    Image(image::Args),
    /// Prepares and inspects stores
    #[command(subcommand)]
    Store(store::Command),
    /// Shows, compares and merges what was learned, and takes it from store to store
    #[command(subcommand)]
    Profile(profile::Command),
    Completions(completions::Args),
}

/// The command line, in which `run` may be left out before a program.
fn command_line() -> Vec<OsString> {
    let mut words: Vec<OsString> = env::args_os().collect();
    let command = Cli::command();
    let names_program = |word: &OsString| {
        let word = word.as_bytes();
        let is_own = word.is_empty() || [&b"-h"[..], b"--help", b"-V", b"--version", b"help"].contains(&word);
        !is_own && command.get_subcommands().all(|known| known.get_name().as_bytes() != word)
    };
    if words.get(1).is_some_and(names_program) {
        words.insert(1, "run".into());
    }
    words
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse_from(command_line()).command {
        Command::Run(args) => run::run(args),
        Command::Boot(args) => boot::run(args),
        Command::BenchBoots(args) => bench_boots::run(args),
        Command::Image(args) => image::run(args),
        Command::Store(command) => {
            end_at_broken_pipes();
            store::run(command)
        }
        Command::Profile(command) => {
            end_at_broken_pipes();
            profile::run(command)
        }
        Command::Completions(args) => {
            end_at_broken_pipes();
            completions::run(&args)
        }
    };
    let status = result.unwrap_or_else(|error| {
        if error.downcast_ref().is_some_and(|error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe) {
            return Status::NOBODY_READS;
        }
        complain(format_args!("{error:#}"));
        Status::FAILURE
    });
    status.into()
}
