//! The way to a desk: a certificate of one's own authority, and a proxy that wants a password; with a
//! real TLS server and a real CONNECT proxy on the loopback.

#![allow(clippy::unwrap_used, reason = "in a test it is the check")]

mod fake;

use delivery::Outcome;
use fake::{DIALECTS, Fake, draft};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use ticket_sink::{Desk, DeskConfig, Desks};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// `kentongan:rahasia-proxy`, as a proxy is shown it.
const SHOWN: &str = "Basic a2VudG9uZ2FuOnJhaGFzaWEtcHJveHk=";
const PASSWORD: &str = "rahasia-proxy";

/// An authority of one's own, and a server with a certificate of it for this name.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// Writes its certificate down.
    fn write(&self, dir: &Path) {
        std::fs::write(dir.join("ca.pem"), self.issuer.pem()).unwrap();
    }

    /// A TLS server of this name before a server that speaks plain HTTP. Returns its port.
    async fn before(&self, name: &str, plain: &str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plain = plain.trim_start_matches("http://").trim_end_matches('/').to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, plain) = (acceptor.clone(), plain.clone());
                tokio::spawn(async move {
                    let Ok(mut outer) = acceptor.accept(stream).await else { return };
                    let mut inner = TcpStream::connect(plain).await.unwrap();
                    let _ = copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
        port
    }
}

/// A proxy that opens tunnels for who shows the password, all of them to this port.
async fn proxy(to: u16) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tunnels: Arc<AtomicUsize> = Arc::default();
    let counted = tunnels.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let shown = head.lines().any(|l| {
                    l.split_once(": ").is_some_and(|(name, value)| {
                        name.eq_ignore_ascii_case("proxy-authorization") && value == SHOWN
                    })
                });
                if !head.starts_with("CONNECT desk.invalid:443 ") || !shown {
                    let no =
                        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
                    let _ = stream.write_all(no).await;
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut desk = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut desk).await;
            });
        }
    });
    (url, tunnels)
}

fn open(url: &str, more: &str, dir: &Path) -> Result<Arc<dyn Desk>, String> {
    let mut config: DeskConfig = toml::from_str(&format!("{}{more}", (DIALECTS[0].config)(url)))
        .map_err(|e| e.to_string())?;
    config.resolve_secrets(dir).map_err(|p| p[0].to_string())?;
    let desks = Desks::open(&[config], dir).map_err(|p| p[0].to_string())?;
    Ok(desks.all.into_values().next().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_with_a_certificate_of_ones_own_authority_is_believed_only_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start().await;
    let authority = Authority::new();
    authority.write(dir.path());
    let port = authority.before("localhost", &fake.url).await;
    let url = format!("https://localhost:{port}");

    let desk = open(&url, "ca_file = \"ca.pem\"\nproxy = \"none\"\n", dir.path()).unwrap();
    let report = ticket_sink::test_ticket(&*desk).await;
    assert!(report.is_good() && report.closed, "{report}");

    // Without it, and with another's, nothing is sent, and that is certain.
    let other = tempfile::tempdir().unwrap();
    Authority::new().write(other.path());
    let before = fake.with(|s| s.tickets.len());
    for (more, dir) in [("", dir.path()), ("ca_file = \"ca.pem\"\n", other.path())] {
        let desk = open(&url, &format!("{more}proxy = \"none\"\n"), dir).unwrap();
        match desk.create(&draft()).await {
            Outcome::Rejected { retry: true, reason } => {
                assert!(reason.contains("certificate"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    // A certificate for another name is none for this one.
    let port = authority.before("elsewhere.invalid", &fake.url).await;
    let url = format!("https://localhost:{port}");
    let desk = open(&url, "ca_file = \"ca.pem\"\nproxy = \"none\"\n", dir.path()).unwrap();
    assert!(matches!(desk.create(&draft()).await, Outcome::Rejected { retry: true, .. }));
    assert_eq!(fake.with(|s| s.tickets.len()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_behind_a_proxy_is_reached_through_it_and_its_password_is_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start().await;
    let authority = Authority::new();
    authority.write(dir.path());
    std::fs::write(dir.path().join("proxy.password"), format!("{PASSWORD}\n")).unwrap();
    // Only the proxy knows where that is.
    let port = authority.before("desk.invalid", &fake.url).await;
    let (proxy, tunnels) = proxy(port).await;
    let way = |more: &str| format!("ca_file = \"ca.pem\"\nproxy = \"{proxy}\"\n{more}");
    let user = "proxy_user = \"kentongan\"\nproxy_password_file = \"proxy.password\"\n";

    let desk = open("https://desk.invalid", &way(user), dir.path()).unwrap();
    let report = ticket_sink::test_ticket(&*desk).await;
    assert!(report.is_good() && report.closed, "{report}");
    assert!(tunnels.load(Ordering::SeqCst) > 0);

    // A proxy that refuses has passed nothing on.
    let before = (fake.with(|s| s.tickets.len()), tunnels.load(Ordering::SeqCst));
    let wrong = "proxy_user = \"kentongan\"\nproxy_password = \"salah-sekali\"\n";
    for more in ["", wrong] {
        let desk = open("https://desk.invalid", &way(more), dir.path()).unwrap();
        match desk.create(&draft()).await {
            Outcome::Rejected { retry: true, reason } => {
                assert!(!reason.contains("salah-sekali"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((fake.with(|s| s.tickets.len()), tunnels.load(Ordering::SeqCst)), before);
}

#[test]
fn what_is_wrong_with_the_way_is_told_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty.pem"), "nothing\n").unwrap();
    let wrong = |url: &str, more: &str| match open(url, more, dir.path()) {
        Ok(_) => panic!("{more} is taken"),
        Err(why) => why,
    };
    let https = "https://rt.example.org";
    for (url, more, what) in [
        (https, "ca_file = \"nowhere.pem\"\n", "ca_file: cannot read"),
        (https, "ca_file = \"empty.pem\"\n", "has no certificate"),
        (https, "proxy = \"proxy:3128\"\n", "proxy: must begin with http://"),
        (https, "proxy = \"http://u:p@proxy:3128\"\n", "proxy: must not carry a user"),
        (https, "proxy_user = \"u\"\n", "belong together"),
        (https, "proxy_user = \"u\"\nproxy_password = \"geheim\"\n", "needs a proxy"),
    ] {
        let why = wrong(url, more);
        assert!(why.contains(what) && !why.contains("geheim"), "{why}");
    }
    std::fs::write(dir.path().join("ca.pem"), Authority::new().issuer.pem()).unwrap();
    let why = wrong("http://rt.example.org", "ca_file = \"ca.pem\"\n");
    assert!(why.contains("is of no use"), "{why}");
}
