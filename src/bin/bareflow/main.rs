//! The `bareflow` command.

mod bench_boots;
mod boot;
mod pc;
mod profile;
mod run;
mod show;
mod stats;
mod store;
mod svg;

use bareflow::host::memory::ReservedHeap;
use clap::{Parser, Subcommand};
use std::alloc::System;

#[global_allocator]
static HEAP: ReservedHeap = ReservedHeap(System);

/// Runs WebAssembly programs that tune themselves, here or booted as the whole machine.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Boot(boot::Args),
    BenchBoots(bench_boots::Args),
    /// Prepares and inspects stores
    #[command(subcommand)]
    Store(store::Command),
    /// Shows, exports and merges what was learned
    #[command(subcommand)]
    Profile(profile::Command),
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Boot(args) => boot::run(args),
        Command::BenchBoots(args) => bench_boots::run(args),
        Command::Store(command) => store::run(command),
        Command::Profile(command) => profile::run(command),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bareflow: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
