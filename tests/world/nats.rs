//! A real nats-server with JetStream, of the version that the journal asks for, on an empty store.

use crate::shell;
use anyhow::{Context, Result};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// One server; it and its store go when this is dropped.
#[derive(Debug)]
pub struct Nats {
    address: SocketAddr,
    store: TempDir,
    child: Option<Child>,
}

impl Nats {
    /// Starts a server that listens on this address, on a port that is free.
    pub fn start(ip: IpAddr) -> Result<Nats> {
        let address = TcpListener::bind((ip, 0))?.local_addr()?;
        let mut nats = Nats { address, store: tempfile::tempdir()?, child: None };
        nats.up()?;
        Ok(nats)
    }

    /// Its address as a client writes it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Starts it on the store that it has.
    pub fn up(&mut self) -> Result<()> {
        let conf = self.store.path().join("nats.conf");
        std::fs::write(
            &conf,
            format!(
                "server_name: journeys\nlisten: \"{}\"\njetstream {{ store_dir: \"{}\", max_mem: 256M, max_file: 2G, sync_interval: always }}\n",
                self.address,
                self.store.path().join("js").display()
            ),
        )?;
        let log = std::fs::File::create(self.store.path().join("log"))?;
        let binary = shell::peers().join("nats/bin/nats-server");
        self.child = Some(
            Command::new(&binary)
                .arg("-c")
                .arg(&conf)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .with_context(|| format!("starting {}", binary.display()))?,
        );
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if started.elapsed() > Duration::from_secs(10) {
                anyhow::bail!(
                    "nats-server does not listen:\n{}",
                    std::fs::read_to_string(self.store.path().join("log"))?
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kills it; the store stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
