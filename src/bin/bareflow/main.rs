//! The `bareflow` command.

mod bench_boots;
mod boot;
mod diff;
mod image;
mod pc;
mod profile;
mod report;
mod run;
mod saved;
mod series;
mod show;
mod stats;
mod status;
mod store;
mod svg;
mod text;

use bareflow::host::end_at_broken_pipes;
use bareflow::host::memory::ReservedHeap;
use clap::{Parser, Subcommand};
use status::{Status, complain};
use std::alloc::System;
use std::io::ErrorKind;

#[global_allocator]
static HEAP: ReservedHeap = ReservedHeap(System);

/// Runs WebAssembly programs that tune themselves, here or booted as the whole machine.
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
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
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
