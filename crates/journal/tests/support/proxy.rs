//! A TCP proxy that is slow, swallows what the server says, or cuts the line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone)]
pub struct Proxy {
    port: u16,
    way: Arc<Way>,
}

struct Way {
    /// Milliseconds every chunk waits, in both directions.
    delay: AtomicU64,
    /// What the server says is thrown away.
    swallow: AtomicBool,
    /// What the server says was thrown away.
    swallowed: AtomicBool,
    /// Counts up to cut every connection.
    cut: watch::Sender<u64>,
}

impl Proxy {
    pub async fn before(server_port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(Way {
            delay: AtomicU64::new(0),
            swallow: AtomicBool::new(false),
            swallowed: AtomicBool::new(false),
            cut: watch::Sender::new(0),
        });
        let shared = way.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pump(from_client, to_server, shared.clone(), false));
                tokio::spawn(pump(from_server, to_client, shared.clone(), true));
            }
        });
        Proxy { port, way }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn delay(&self, ms: u64) {
        self.way.delay.store(ms, Ordering::SeqCst);
    }

    pub fn swallow(&self, yes: bool) {
        self.way.swallowed.store(false, Ordering::SeqCst);
        self.way.swallow.store(yes, Ordering::SeqCst);
    }

    /// Waits until something was thrown away.
    pub async fn has_swallowed(&self) {
        while !self.way.swallowed.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn cut(&self) {
        self.way.cut.send_modify(|n| *n += 1);
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Arc<Way>, from_server: bool) {
    let mut cut = way.cut.subscribe();
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = cut.changed() => return,
        };
        let Ok(n @ 1..) = read else { return };
        let delay = way.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if from_server && way.swallow.load(Ordering::SeqCst) {
            way.swallowed.store(true, Ordering::SeqCst);
            continue;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
