//! `kentongan replay`.

use super::{Call, FAILED};
use crate::cli::ReplayArgs;
use crate::replay::{Replay, replay};
use std::process::ExitCode;

pub fn run(args: &ReplayArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let configuration = match call.load() {
        Ok(configuration) => configuration,
        Err(code) => return Ok(code),
    };
    let what = Replay { files: args.files.clone(), all: args.all, summary: args.summary };
    let good =
        replay(&what, &configuration, &mut std::io::stdout().lock(), &mut std::io::stderr())?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
