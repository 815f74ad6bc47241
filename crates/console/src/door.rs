//! Who may change something.
//!
//! Reading is open to whoever reaches the port; it stands on loopback unless somebody decides
//! otherwise. Changing needs the token of the configuration. Without a configured token only this
//! very machine may, and then a browser is the danger: any page that the operator has open can send
//! a request to 127.0.0.1. So, in the manner of Go's `CrossOriginProtection`: a browser says
//! where a request comes from (`Sec-Fetch-Site`, `Origin`), and anything but our own page is
//! refused; the body has to be JSON, which no plain form can send; and the `Host` has to be a name
//! of ours or an address, since a foreign name that resolves to 127.0.0.1 (DNS rebinding) would
//! make a foreign page "our own".

use crate::problem::Problem;
use crate::{Shared, problem::cut};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Stands before every route that changes something.
pub(crate) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    match may_change(&shared, &request) {
        Ok(()) => next.run(request).await,
        Err((why, problem)) => {
            shared.telemetry.http.refused(why);
            problem.into_response()
        }
    }
}

type Refusal = (&'static str, Problem);

fn may_change(shared: &Shared, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    own_host(&shared.hosts, headers, request.uri())?;
    same_site(headers, request.uri())?;
    let Some(token) = &shared.token else {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
        return on_this_machine(headers, peer);
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    // Compared in the time that the given one takes, whatever the right one is.
    let right =
        given.is_some_and(|g| bool::from(g.as_bytes().ct_eq(token.expose_secret().as_bytes())));
    if right {
        return Ok(());
    }
    let detail = match given {
        None => "Send the token of [http] in the configuration as \"Authorization: Bearer …\".",
        Some(_) => "The token is not that of [http] in the configuration.",
    };
    let title = "A token is needed to change something";
    Err(("token", Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail)))
}

/// Without a token: only who sits at this machine. A proxy on it makes everybody look like that,
/// but says for whom it speaks.
fn on_this_machine(headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Refusal> {
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let direct = !proxied.iter().any(|name| headers.contains_key(*name));
    if direct && peer.is_some_and(|p| p.to_canonical().is_loopback()) {
        return Ok(());
    }
    let detail = "No token is configured, so only this machine itself may change something. \
                  Set token (or token_file) in [http] and send it as \"Authorization: Bearer …\".";
    Err(("not-loopback", Problem::forbidden("not-loopback", detail)))
}

fn same_site(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let refuse = |from: &str| {
        let detail =
            format!("A page of another site ({}) may not change something here.", cut(from));
        Err(("cross-site", Problem::forbidden("cross-site", detail)))
    };
    let text = |v: &axum::http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    if let Some(site) = headers.get("sec-fetch-site").map(text) {
        return match site.as_str() {
            "same-origin" | "none" => Ok(()),
            other => refuse(other),
        };
    }
    // Older browsers say Origin only; what says neither is no browser.
    let Some(origin) = headers.get(header::ORIGIN).map(text) else { return Ok(()) };
    let host = host_of(headers, uri).unwrap_or_default();
    match origin.split_once("://") {
        Some((_, of)) if of.eq_ignore_ascii_case(&host) => Ok(()),
        _ => refuse(&origin),
    }
}

fn own_host(hosts: &[String], headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let host = host_of(headers, uri).unwrap_or_default();
    let name = without_port(&host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let ours = address
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|h| h.eq_ignore_ascii_case(name));
    if ours {
        return Ok(());
    }
    let detail = format!(
        "The request was sent to {:?}, which is no name of this daemon; put it into public_url of [http].",
        cut(name)
    );
    let title = "Not a name of this daemon";
    Err(("host", Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", title, detail)))
}

/// `Host`, or what stands in the request's target.
fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|v| v.to_str().ok()).map(str::to_owned);
    named.or_else(|| uri.authority().map(ToString::to_string))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 address in brackets has colons of its own.
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// The host of a URL such as `public_url`, without scheme, port and path.
pub(crate) fn host_of_url(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = without_port(authority.rsplit('@').next()?);
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_str(v).unwrap()))
            .collect()
    }

    #[test]
    fn only_our_own_page_may() {
        let uri = Uri::from_static("/");
        for (pairs, may) in [
            (&[("host", "127.0.0.1:8640")][..], true),
            (&[("host", "127.0.0.1:8640"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "127.0.0.1:8640"), ("sec-fetch-site", "none")], true),
            (&[("host", "127.0.0.1:8640"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "127.0.0.1:8640"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "127.0.0.1:8640"), ("origin", "http://127.0.0.1:8640")], true),
            (&[("host", "127.0.0.1:8640"), ("origin", "http://127.0.0.1:9999")], false),
            (&[("host", "127.0.0.1:8640"), ("origin", "https://evil.example")], false),
            (&[("host", "127.0.0.1:8640"), ("origin", "null")], false),
        ] {
            assert_eq!(same_site(&headers(pairs), &uri).is_ok(), may, "{pairs:?}");
        }
    }

    #[test]
    fn only_names_of_ours_and_addresses() {
        let hosts = ["noc.example".to_owned()];
        let uri = Uri::from_static("/");
        for (host, ours) in [
            ("127.0.0.1:8640", true),
            ("10.1.2.3", true),
            ("[::1]:8640", true),
            ("[::1]", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("noc.example:8640", true),
            ("evil.example", false),
            ("noc.example.evil.example:8640", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            let found = own_host(&hosts, &headers(&[("host", host)]), &uri);
            assert_eq!(found.is_ok(), ours, "{host}");
        }
        assert!(own_host(&hosts, &HeaderMap::new(), &uri).is_err());
    }

    #[test]
    fn a_proxy_on_this_machine_does_not_make_everybody_local() {
        let here: Option<IpAddr> = Some("127.0.0.1".parse().unwrap());
        assert!(on_this_machine(&HeaderMap::new(), here).is_ok());
        assert!(on_this_machine(&HeaderMap::new(), Some("::1".parse().unwrap())).is_ok());
        assert!(
            on_this_machine(&HeaderMap::new(), Some("::ffff:127.0.0.1".parse().unwrap())).is_ok()
        );
        assert!(on_this_machine(&HeaderMap::new(), Some("192.0.2.7".parse().unwrap())).is_err());
        assert!(on_this_machine(&HeaderMap::new(), None).is_err());
        assert!(on_this_machine(&headers(&[("x-forwarded-for", "192.0.2.7")]), here).is_err());
    }

    #[test]
    fn hosts_of_urls() {
        for (url, host) in [
            ("http://127.0.0.1:8640", Some("127.0.0.1")),
            ("https://noc.example/papan?x", Some("noc.example")),
            ("https://u:p@noc.example:1/", Some("noc.example")),
            ("noc.example", Some("noc.example")),
            ("http://[::1]:8640/", Some("[::1]")),
            ("", None),
        ] {
            assert_eq!(host_of_url(url).as_deref(), host, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(host in "\\PC{0,40}", origin in "\\PC{0,40}") {
            let mut map = HeaderMap::new();
            for (name, text) in [("host", &host), ("origin", &origin)] {
                if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                    map.insert(name, value);
                }
            }
            let _ = own_host(&[], &map, &Uri::from_static("/"));
            let _ = same_site(&map, &Uri::from_static("/"));
            let _ = host_of_url(&host);
        }
    }
}
