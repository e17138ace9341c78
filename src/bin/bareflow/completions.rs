//! `bareflow completions`: what a shell needs to complete this command.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io;

use crate::Cli;
use crate::status::Status;

/// Writes what completes this command in a shell, for example to ~/.local/share/bash-completion/completions/bareflow
#[derive(clap::Args)]
pub struct Args {
    shell: Shell,
}

pub fn run(args: &Args) -> Result<Status> {
    generate(args.shell, &mut Cli::command(), "bareflow", &mut io::stdout());
    Ok(Status::SUCCESS)
}
