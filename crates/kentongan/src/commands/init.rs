//! `kentongan init`: a starter configuration that watches something real on this machine.

use super::{Call, FAILED, WRONG, print};
use crate::cli::InitArgs;
use crate::config;
use anyhow::{Context as _, Result};
use probe::once::{AskOptions, ask_icmp};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const MAIN: &str = include_str!("init/kentongan.toml");
const INVENTORY: &str = include_str!("init/inventory.toml");
const GATEWAY: &str = include_str!("init/gateway.toml");

/// Bytes of randomness in a token: nobody guesses 24.
const TOKEN_BYTES: usize = 24;

pub async fn run(args: &InitArgs, call: &Call) -> Result<ExitCode> {
    let dir = &args.dir;
    let main = dir.join("kentongan.toml");
    let inventory = dir.join("inventory/local.toml");
    let token = dir.join("secrets/events-token");
    let there: Vec<&PathBuf> = [&main, &inventory].into_iter().filter(|p| p.exists()).collect();
    if !args.force && !there.is_empty() {
        for path in there {
            eprintln!("kentongan: {} is there already", path.display());
        }
        eprintln!("nothing was written; name another folder, or overwrite with --force");
        return Ok(ExitCode::from(WRONG));
    }
    let gateway = match default_gateway() {
        // Nothing beyond this machine is asked anything unless somebody wants it.
        Some(address) => Some((address, args.gateway && answers(address).await)),
        None => None,
    };
    let host = host_name();
    make_folder(dir, 0o755)?;
    make_folder(&dir.join("inventory"), 0o755)?;
    make_folder(&dir.join("secrets"), 0o700)?;
    // A token that is there already is one that somebody uses.
    if !token.exists() {
        write(&token, &format!("{}\n", random_token()?), 0o600)?;
    }
    write(&inventory, &inventory_text(&host, gateway), 0o644)?;
    write(&main, MAIN, 0o644)?;

    let configuration = match config::load(&main) {
        Ok(configuration) => configuration,
        Err(report) => {
            // What is in the environment counts too.
            eprint!("{}", report.render(call.color_err));
            return Ok(ExitCode::from(FAILED));
        }
    };
    let mut said =
        format!("wrote {}, {} and {}\n", main.display(), inventory.display(), token.display());
    let watched = match gateway {
        Some((address, true)) => format!("it watches this machine and its gateway {address}\n"),
        Some((address, false)) if args.gateway => format!(
            "it watches this machine; the gateway {address} does not answer pings, so it is in {} as a comment\n",
            inventory.display()
        ),
        Some((address, false)) => format!(
            "it watches this machine; the gateway {address} is in {} as a comment\n",
            inventory.display()
        ),
        None => "it watches this machine; there is no default gateway to watch\n".to_owned(),
    };
    said.push_str(&watched);
    let option = if main == Path::new("./kentongan.toml") || main == Path::new("kentongan.toml") {
        String::new()
    } else {
        format!(" --config {}", main.display())
    };
    let _ = writeln!(
        said,
        "\nnext:\n  kentongan{option} check\n  kentongan{option} run       (the board is at {}/)",
        configuration.http.public_url
    );
    print(&said)?;
    Ok(ExitCode::SUCCESS)
}

fn inventory_text(host: &str, gateway: Option<(Ipv4Addr, bool)>) -> String {
    let mut text = INVENTORY.replace("@HOST@", host);
    let Some((address, answers)) = gateway else { return text };
    let more = GATEWAY.replace("@HOST@", host).replace("@GATEWAY@", &address.to_string());
    if answers {
        text.push_str(&more);
    } else {
        text.push_str("\n# The default gateway of this machine. Many answer no pings: try `ping` before you uncomment it.\n");
        for line in more.trim_start().lines() {
            let line = format!("# {line}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// The default gateway, as the kernel sees it.
fn default_gateway() -> Option<Ipv4Addr> {
    gateway_in(&fs::read_to_string("/proc/net/route").ok()?)
}

fn gateway_in(routes: &str) -> Option<Ipv4Addr> {
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    routes.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (destination, gateway, mask) =
            (hex(fields.get(1)?)?, hex(fields.get(2)?)?, hex(fields.get(7)?)?);
        // Addresses stand there as the processor has them in memory.
        (destination == 0 && mask == 0 && gateway != 0)
            .then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

/// Whether it answers a ping: many gateways do not, and a first incident about one that never
/// did would say nothing.
async fn answers(address: Ipv4Addr) -> bool {
    let options =
        AskOptions { timeout: Duration::from_secs(1), packets: 2, ..AskOptions::default() };
    let asked = ask_icmp(&[address.to_string()], &options).await;
    asked.answers.iter().any(|a| a.outcome == "reply")
}

/// The name of this machine, in the letters that an id may have.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .take_while(|c| *c != '.')
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .map(|c| c.to_ascii_lowercase())
        .take(40)
        .collect();
    // The gateway is called that.
    if name.is_empty() || name == "gateway" { "host".to_owned() } else { name }
}

fn random_token() -> Result<String> {
    let mut bytes = [0u8; TOKEN_BYTES];
    fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .context("reading /dev/urandom for a token")?;
    Ok(config::hex(&bytes))
}

fn make_folder(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("making the folder {}", path.display()))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call { config: PathBuf::new(), color: false, color_err: false }
    }

    fn args(dir: &Path, force: bool) -> InitArgs {
        InitArgs { dir: dir.to_path_buf(), yes: true, force, gateway: false }
    }

    #[tokio::test]
    async fn what_init_writes_passes_check() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("etc");
        run(&args(&dir, false), &call()).await.unwrap();
        let path = dir.join("kentongan.toml");
        let c = config::load_with(&path, Vec::new()).unwrap_or_else(|r| panic!("{r}"));
        assert!(c.warnings.is_empty(), "{}", c.warnings);
        assert_eq!(c.sources.len(), 1);
        assert!(c.inventory.probes[0].at.is_some());
        let token = fs::read_to_string(dir.join("secrets/events-token")).unwrap();
        assert_eq!(token.trim().len(), 2 * TOKEN_BYTES);

        // It never overwrites, unless told; and then the token stays.
        fs::write(&path, "# mine\n").unwrap();
        assert_eq!(run(&args(&dir, false), &call()).await.unwrap(), ExitCode::from(WRONG));
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\n");
        run(&args(&dir, true), &call()).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), MAIN);
        assert_eq!(fs::read_to_string(dir.join("secrets/events-token")).unwrap(), token);
    }

    #[test]
    fn every_form_of_the_inventory_is_good() {
        let gateway = Ipv4Addr::new(10, 0, 0, 1);
        for (gateway, devices) in
            [(None, 2), (Some((gateway, false)), 2), (Some((gateway, true)), 3)]
        {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("kentongan.toml"), inventory_text("noc", gateway))
                .unwrap();
            let path = folder.path().join("kentongan.toml");
            let c = config::load_with(&path, Vec::new()).unwrap_or_else(|r| panic!("{r}"));
            assert_eq!(
                (c.inventory.devices.len(), c.inventory.links.len()),
                (devices, devices - 1)
            );
        }
    }

    /// Every line that init comments out must be right as well: uncommented, it passes.
    #[test]
    fn what_is_commented_out_can_be_uncommented() {
        let uncommented: String = MAIN
            .lines()
            .map(|line| line.strip_prefix("#:").unwrap_or(line).trim_start().to_owned() + "\n")
            .collect();
        assert_ne!(uncommented, MAIN);
        let folder = tempfile::tempdir().unwrap();
        make_folder(&folder.path().join("inventory"), 0o755).unwrap();
        make_folder(&folder.path().join("secrets"), 0o700).unwrap();
        write(&folder.path().join("inventory/local.toml"), &inventory_text("noc", None), 0o644)
            .unwrap();
        for secret in [
            "events-token",
            "http-token",
            "zabbix-token",
            "rt-token",
            "redmine-key",
            "znuny-password",
            "community",
        ] {
            write(&folder.path().join("secrets").join(secret), secret, 0o600).unwrap();
        }
        let path = folder.path().join("kentongan.toml");
        fs::write(&path, uncommented).unwrap();
        let c = config::load_with(&path, Vec::new()).unwrap_or_else(|r| panic!("{r}"));
        assert_eq!(c.desks.len(), 4);
        assert_eq!(c.sources.len(), 2);
    }

    /// Without the type curl says that it sends a form, which the intake refuses.
    #[test]
    fn the_example_of_sending_events_names_their_type() {
        let example: Vec<&str> = MAIN.lines().skip_while(|l| !l.contains("curl -H")).collect();
        let example = example[..3].join("\n");
        assert!(example.contains("-H 'Content-Type: application/x-ndjson'"), "{example}");
        assert!(example.contains("/api/v1/intake/events"), "{example}");
    }

    #[test]
    fn the_gateway_is_read_as_the_kernel_writes_it() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        if cfg!(target_endian = "little") {
            assert_eq!(gateway_in(routes), Some(Ipv4Addr::new(192, 168, 0, 1)));
        }
        assert_eq!(gateway_in("Iface\n"), None);
        assert_eq!(gateway_in("garbage\nx y z\n"), None);
    }
}
