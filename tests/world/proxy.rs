//! A proxy between the daemon and a server that can lose an answer *after* the server has done the
//! work: the request is passed on, the answer is awaited to its last byte, and then the connection
//! ends without a word. That is the moment in which a naive client opens a second ticket.
//!
//! It speaks just enough HTTP/1.1 to know where a request ends, passes one request a connection and
//! keeps an account of all of them.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The longest request or answer that it passes.
const BYTES_MAX: usize = 4 << 20;

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Passed {
    /// When its last byte had arrived.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// Its path with the query.
    pub path: String,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// Whether the answer was kept from the one who asked.
    pub swallowed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Vec<Passed>>,
    swallow: Mutex<Vec<(String, String)>>,
    delay: Mutex<Duration>,
    swallowed: Notify,
    weather: Mutex<Weather>,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server did it; the connection ends without an answer.
    Cut,
    /// The server did it; the answer is a 502.
    FailAfter,
    /// The server hears nothing of it; the answer is a 503.
    FailBefore,
    /// The server hears of it late.
    Late,
    /// The server did it; the answer breaks off in the middle.
    Truncate,
}

impl Fault {
    const ALL: [Fault; 5] =
        [Fault::Cut, Fault::FailAfter, Fault::FailBefore, Fault::Late, Fault::Truncate];
}

#[derive(Debug, Default)]
struct Weather {
    /// One request in so many meets a fault; none where it is zero.
    every: usize,
    requests: usize,
    met: BTreeMap<Fault, usize>,
}

impl Weather {
    /// What the next request meets: each of the faults in turn.
    fn next(&mut self) -> Option<Fault> {
        if self.every == 0 {
            return None;
        }
        self.requests += 1;
        if !self.requests.is_multiple_of(self.every) {
            return None;
        }
        let fault = Fault::ALL[self.requests / self.every % Fault::ALL.len()];
        *self.met.entry(fault).or_default() += 1;
        Some(fault)
    }
}

/// How late a late request is.
const LATE: Duration = Duration::from_millis(700);

/// The proxy. It goes when dropped.
#[derive(Debug)]
pub struct Proxy {
    listen: SocketAddr,
    upstream: SocketAddr,
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of this address and passes everything on to `upstream`.
    pub async fn start(ip: IpAddr, upstream: SocketAddr) -> Result<Proxy> {
        let listener = TcpListener::bind((ip, 0)).await?;
        let listen = listener.local_addr()?;
        let mut proxy = Proxy { listen, upstream, shared: Arc::default(), task: None };
        proxy.serve(listener);
        Ok(proxy)
    }

    /// Where the daemon should go.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Swallows the answer of the next request of this method to this path; a `*` at its end stands for any rest.
    pub fn swallow_next(&self, method: &str, path: &str) {
        self.shared
            .swallow
            .lock()
            .expect("no holder panics")
            .push((method.to_owned(), path.to_owned()));
    }

    /// Forgets what was to be swallowed.
    pub fn swallow_nothing(&self) {
        self.shared.swallow.lock().expect("no holder panics").clear();
    }

    /// Waits until an answer has been swallowed.
    pub async fn swallowed(&self) {
        self.shared.swallowed.notified().await;
    }

    /// From now on every request is passed on only after this time.
    pub fn delay(&self, delay: Duration) {
        *self.shared.delay.lock().expect("no holder panics") = delay;
    }

    /// From now on one request in so many meets a fault, each kind in its turn.
    pub fn bad_weather(&self, every: usize) {
        *self.shared.weather.lock().expect("no holder panics") =
            Weather { every, ..Weather::default() };
    }

    /// No more faults; says how many of each there were.
    pub fn fair_weather(&self) -> BTreeMap<Fault, usize> {
        let mut weather = self.shared.weather.lock().expect("no holder panics");
        std::mem::take(&mut *weather).met
    }

    /// Refuses connections, as a machine does on which nothing listens.
    pub async fn refuse(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Accepts connections again.
    pub async fn accept(&mut self) -> Result<()> {
        if self.task.is_none() {
            let listener = TcpListener::bind(self.listen).await?;
            self.serve(listener);
        }
        Ok(())
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Passed> {
        self.shared.log.lock().expect("no holder panics").clone()
    }

    fn serve(&mut self, listener: TcpListener) {
        let (shared, upstream) = (self.shared.clone(), self.upstream);
        self.task = Some(tokio::spawn(async move {
            // The connections are children of the listener, so that refusing ends them as well.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { continue };
                        let shared = shared.clone();
                        connections.spawn(async move {
                            if let Err(why) = pass(client, upstream, &shared).await {
                                eprintln!("proxy: {why:#}");
                            }
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        }));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Passes one request. Whatever goes wrong ends the connection, which is what the client then sees.
async fn pass(mut client: TcpStream, upstream: SocketAddr, shared: &Shared) -> Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    let entry = {
        let mut log = shared.log.lock().expect("no holder panics");
        log.push(Passed {
            at: Instant::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            status: None,
            swallowed: false,
        });
        log.len() - 1
    };
    let delay = *shared.delay.lock().expect("no holder panics");
    tokio::time::sleep(delay).await;
    let fault = shared.weather.lock().expect("no holder panics").next();
    match fault {
        Some(Fault::FailBefore) => return fail(client, "503 Service Unavailable").await,
        Some(Fault::Late) => tokio::time::sleep(LATE).await,
        _ => {}
    }
    let mut server =
        TcpStream::connect(upstream).await.with_context(|| format!("connecting to {upstream}"))?;
    server.write_all(&request.bytes).await?;
    let mut answer = Vec::new();
    server.take(BYTES_MAX as u64).read_to_end(&mut answer).await?;
    let status = std::str::from_utf8(answer.get(9..12).unwrap_or_default())
        .ok()
        .and_then(|s| s.parse().ok());
    let swallow = {
        let mut wanted = shared.swallow.lock().expect("no holder panics");
        let found = wanted
            .iter()
            .position(|(method, path)| *method == request.method && matches(path, &request.path));
        found.map(|n| wanted.remove(n)).is_some()
    };
    {
        let mut log = shared.log.lock().expect("no holder panics");
        log[entry].status = status;
        log[entry].swallowed = swallow;
    }
    if swallow {
        shared.swallowed.notify_one();
        return Ok(());
    }
    match fault {
        Some(Fault::Cut) => return Ok(()),
        Some(Fault::FailAfter) => return fail(client, "502 Bad Gateway").await,
        Some(Fault::Truncate) => answer.truncate(answer.len() / 2),
        _ => {}
    }
    client.write_all(&answer).await?;
    client.shutdown().await?;
    Ok(())
}

async fn fail(mut client: TcpStream, status: &str) -> Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: 7\r\nConnection: close\r\n\r\n<html/>"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    Ok(())
}

fn matches(wanted: &str, path: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(begin) => path.starts_with(begin),
        None => path.split('?').next() == Some(wanted),
    }
}

struct Request {
    method: String,
    path: String,
    bytes: Vec<u8>,
}

/// Reads one whole request, and makes it one after which the server closes the connection.
async fn read_request(client: &mut TcpStream) -> Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(n) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break n + 4;
        }
        if bytes.len() > BYTES_MAX {
            bail!("a request without an end");
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { bail!("half a request") };
        }
    };
    let head =
        std::str::from_utf8(&bytes[..head_end]).context("a request's head is text")?.to_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) =
        (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default().to_owned());
    let mut out = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    let mut length = 0_usize;
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').context("a header has a colon")?;
        match name.to_ascii_lowercase().as_str() {
            "connection" | "keep-alive" => continue,
            "content-length" => length = value.trim().parse().context("a length is a number")?,
            "transfer-encoding" => bail!("the proxy does not pass chunked requests"),
            _ => {}
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str("\r\n");
    while bytes.len() < head_end + length {
        if client.read_buf(&mut bytes).await? == 0 {
            bail!("half a request");
        }
    }
    let mut whole = out.into_bytes();
    whole.extend_from_slice(&bytes[head_end..head_end + length]);
    Ok(Some(Request { method, path, bytes: whole }))
}
