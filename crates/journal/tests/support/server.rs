//! A real nats-server of our own, on a free port, which can be killed.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct NatsServer {
    binary: PathBuf,
    dir: PathBuf,
    port: u16,
    /// More lines of configuration.
    more: String,
    child: Option<Child>,
}

impl NatsServer {
    /// `None` when there is no server; that was then said where nobody captures it.
    pub fn start(dir: &Path) -> Option<NatsServer> {
        let binary = binary()?;
        std::fs::create_dir_all(dir).unwrap();
        let mut server = NatsServer {
            binary,
            dir: dir.to_owned(),
            port: free_port(),
            more: String::new(),
            child: None,
        };
        server.restart();
        Some(server)
    }

    /// Three that keep every message together.
    pub fn start_three(dir: &Path) -> Option<Vec<NatsServer>> {
        let binary = binary()?;
        let routes: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let urls: Vec<String> =
            routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let servers = routes.iter().enumerate().map(|(n, port)| {
            let dir = dir.join(format!("server-{n}"));
            std::fs::create_dir_all(&dir).unwrap();
            let more = format!(
                "server_name: t{n}\ncluster {{ name: t, listen: 127.0.0.1:{port}, routes: [{}] }}\n",
                urls.join(", ")
            );
            let mut server =
                NatsServer { binary: binary.clone(), dir, port: free_port(), more, child: None };
            server.restart();
            server
        });
        Some(servers.collect())
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The same, with more lines of configuration.
    pub fn restart_with(&mut self, more: &str) {
        more.clone_into(&mut self.more);
        self.restart();
    }

    /// Starts it on the same port and files.
    pub fn restart(&mut self) {
        self.kill();
        let config = self.dir.join("nats.conf");
        let text = format!(
            "listen: 127.0.0.1:{}\njetstream {{ store_dir: \"{}\", \
             max_mem: 64M, max_file: 2G, sync_interval: always }}\n{}\n",
            self.port,
            self.dir.join("store").display(),
            self.more
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(self.dir.join("log")).unwrap();
        let child = Command::new(&self.binary)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "nats-server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The server's binary: named, fetched into the tree, or installed.
fn binary() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.peers/nats/bin/nats-server");
    let found = match std::env::var_os("KENTONGAN_NATS_SERVER") {
        Some(named) => Some(PathBuf::from(named)),
        None if fetched.exists() => Some(fetched),
        None => std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|p| p.join("nats-server")).find(|p| p.exists())
        }),
    };
    if found.is_none() {
        let what = "there is no nats-server (KENTONGAN_NATS_SERVER, .peers/nats/bin, PATH): the \
                    cluster's side of the journal is NOT tested";
        assert!(
            std::env::var_os("KENTONGAN_NO_SKIP").is_none_or(|v| v != "1"),
            "KENTONGAN_NO_SKIP=1 and {what}"
        );
        // Straight to the terminal: the test harness shows nothing of a test that passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
    }
    found
}
