//! The board over a made-up province, for whoever works on it:
//! `cargo run -p console --example board -- during 8650`, then look at <http://127.0.0.1:8650/>.

mod world;

use std::net::SocketAddr;
use world::{Phase, World};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let word = args.next().unwrap_or_default();
    let phase = match word.as_str() {
        "before" => Phase::Before,
        "after" => Phase::After,
        _ => Phase::During,
    };
    let port = args.next().and_then(|p| p.parse().ok()).unwrap_or(8650);
    let dir = tempfile::tempdir()?;
    let world = World::new(dir.path(), phase);
    if word == "stuck" {
        *world.spoil.lock().expect("lock") = Some(|status| status.core.beat_age_ms = 70_000);
    }
    let router = console::router(world.console(telemetry::Telemetry::new()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}/", listener.local_addr()?);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}
