//! `kentongan check`.

use super::{Call, WRONG, print, print_json};
use crate::cli::CheckArgs;
use crate::config;
use std::process::ExitCode;

pub fn run(args: &CheckArgs, call: &Call) -> anyhow::Result<ExitCode> {
    if args.schema {
        print(&config::schema::text())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (report, summary) = match config::load(&call.config) {
        Ok(configuration) => {
            let inventory = &configuration.inventory;
            let of = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
            let summary = format!(
                "{} is good: {}, {}, {}, {}; {}, {}\n",
                call.config.display(),
                of(inventory.sites.len(), "site"),
                of(inventory.devices.len(), "device"),
                of(inventory.links.len(), "link"),
                of(inventory.services.len(), "service"),
                of(configuration.sources.len(), "source"),
                of(configuration.desks.len(), "desk"),
            );
            (configuration.warnings, Some(summary))
        }
        Err(report) => (report, None),
    };
    if args.json {
        print_json(&report.to_json())?;
    } else {
        if !report.is_empty() {
            print(&report.render(call.color))?;
        }
        if let Some(summary) = &summary {
            print(summary)?;
        }
    }
    Ok(if summary.is_some() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}
