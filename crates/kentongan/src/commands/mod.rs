//! One module per command. Each prints to standard output what was asked for, to standard error
//! what is wrong, and gives the exit status: 0 good, 1 it failed, 2 the configuration or the call
//! is wrong and nothing was done.

mod check;
mod client;
mod doctor;
mod explain;
mod incident;
mod init;
mod journal;
mod maintenance;
mod page;
mod probe;
mod replay;
mod simulate;
mod status;

use crate::cli::{Cli, Command};
use crate::config::{self, Configuration, Report};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// It failed.
pub const FAILED: u8 = 1;
/// The configuration or the call is wrong, and nothing was done.
pub const WRONG: u8 = 2;

/// Where the configuration is looked for when nobody says.
const SYSTEM_WIDE: &str = "/etc/kentongan/kentongan.toml";

/// What every command is told.
#[derive(Debug, Clone)]
pub struct Call {
    /// The configuration.
    pub config: PathBuf,
    /// Colours on standard output.
    pub color: bool,
    /// Colours on standard error.
    pub color_err: bool,
}

impl Call {
    /// From the command line.
    pub fn new(cli: &Cli) -> Call {
        let allowed = !cli.no_color && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Call {
            config: config_path(cli.config.as_deref()),
            color: allowed && std::io::stdout().is_terminal(),
            color_err: allowed && std::io::stderr().is_terminal(),
        }
    }

    /// The configuration, or all that is wrong with it on standard error. Warnings are said there
    /// as well.
    ///
    /// # Errors
    /// The exit status.
    pub fn load(&self) -> Result<Configuration, ExitCode> {
        match config::load(&self.config) {
            Ok(configuration) => {
                self.say(&configuration.warnings);
                Ok(configuration)
            }
            Err(report) => {
                self.say(&report);
                Err(ExitCode::from(WRONG))
            }
        }
    }

    fn say(&self, report: &Report) {
        if !report.is_empty() {
            eprint!("{}", report.render(self.color_err));
        }
    }
}

fn config_path(given: Option<&Path>) -> PathBuf {
    let here = Path::new("kentongan.toml");
    match given {
        Some(path) => path.to_path_buf(),
        None if !here.exists() && Path::new(SYSTEM_WIDE).exists() => SYSTEM_WIDE.into(),
        None => here.to_path_buf(),
    }
}

/// Does what was asked.
pub fn run(cli: &Cli, call: &Call) -> ExitCode {
    let done = match &cli.command {
        Command::Init(args) => wait(init::run(args, call)),
        Command::Check(args) => check::run(args, call),
        Command::Run(args) => crate::daemon::run(&call.config, args.role.into()),
        Command::Replay(args) => replay::run(args, call),
        Command::Simulate(args) => simulate::run(args, call, cli.config.is_some()),
        Command::Explain(args) => wait(explain::run(args, call)),
        Command::Incident(args) => wait(incident::run(args, call)),
        Command::Maintenance(args) => wait(maintenance::run(args, call)),
        Command::Probe(args) => wait(probe::run(args, call)),
        Command::Status(args) => wait(status::run(args, call)),
        Command::Doctor(args) => wait(doctor::run(args, call)),
        Command::Journal(args) => wait(journal::run(args, call)),
    };
    done.unwrap_or_else(|error| failed(&error))
}

/// Says what failed, the whole chain of it in one line.
fn failed(error: &anyhow::Error) -> ExitCode {
    // Whoever reads our output may have heard enough (`| head`).
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    if error.chain().any(|e| e.downcast_ref().is_some_and(gone)) {
        return ExitCode::SUCCESS;
    }
    eprintln!("kentongan: {error:#}");
    ExitCode::from(FAILED)
}

/// Runs what waits for the network or for files.
fn wait(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}

/// Prints to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints JSON as it is, with a line end.
fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}
