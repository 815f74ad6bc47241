//! The binary: reads the command line, begins to log, does what was asked.

use clap::Parser as _;
use kentongan::cli::{Cli, Command};
use kentongan::commands::{self, Call};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // clap ends the process by itself: 0 after --help, 2 after a wrong call.
    let cli = Cli::parse();
    let call = Call::new(&cli);
    let daemon = matches!(cli.command, Command::Run(_));
    kentongan::logging::begin(daemon, call.color_err);
    commands::run(&cli, &call)
}
