//! The way to a desk: whom to believe that it is who it says, and through which proxy.

use crate::config::{DeskConfig, DeskKind};
use reqwest::{Certificate, ClientBuilder, Proxy, Url};
use secrecy::ExposeSecret;
use std::path::Path;

/// The word for "straight, whatever the environment says".
const NONE: &str = "none";

/// What is wrong with the keys that say how to get there.
pub(crate) fn problems(config: &DeskConfig, tell: &mut dyn FnMut(&str, String)) {
    let given = [
        ("ca_file", config.ca_file.is_some()),
        ("proxy", config.proxy.is_some()),
        ("proxy_user", config.proxy_user.is_some()),
        ("proxy_password", config.proxy_password.is_some()),
    ];
    if config.kind == DeskKind::Builtin {
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            tell(key, "a desk of kind \"builtin\" has no use for this key".into());
        }
        return;
    }
    let https = config.url.as_deref().is_none_or(|u| u.starts_with("https://"));
    if config.ca_file.is_some() && !https {
        tell("ca_file", "is of no use: the url begins with http://, which is not encrypted".into());
    }
    let password = config.proxy_password.is_some() || config.proxy_password_file.is_some();
    if config.proxy_user.is_some() != password {
        let why = "proxy_user and proxy_password (or proxy_password_file) belong together";
        tell("proxy_user", why.into());
    }
    let Some(proxy) = config.proxy.as_deref().filter(|p| *p != NONE) else {
        if config.proxy_user.is_some() {
            tell("proxy_user", "needs a proxy to be shown to: give its address as proxy".into());
        }
        return;
    };
    match Url::parse(proxy) {
        Err(error) => tell(
            "proxy",
            format!("is no address: {error}; write http://proxy.example.org:3128, or \"none\""),
        ),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            tell("proxy", "must begin with http:// or https://, or be \"none\"".into());
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => tell(
            "proxy",
            "must not carry a user or password; use proxy_user and proxy_password_file".into(),
        ),
        Ok(_) => {}
    }
}

/// Reads the certificates of `ca_file`.
pub(crate) fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let pem = std::fs::read(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if certificates.is_empty() => Err(format!(
            "{shown} has no certificate; it begins with -----BEGIN CERTIFICATE----- (PEM)"
        )),
        Ok(_) => Ok(pem),
        Err(error) => Err(format!("{shown} cannot be used: {error}; it must be PEM")),
    }
}

/// Sets a client on this way. A given CA is believed and no other; a given proxy is used whatever the
/// environment says, and without one the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
/// `NO_PROXY`) has its say.
pub(crate) fn set(config: &DeskConfig, mut client: ClientBuilder) -> Result<ClientBuilder, String> {
    if let Some(pem) = &config.ca {
        let certificates = Certificate::from_pem_bundle(pem)
            .map_err(|e| format!("the certificates of ca_file cannot be used: {e}"))?;
        client = client.tls_certs_only(certificates);
    }
    match config.proxy.as_deref() {
        None => Ok(client),
        Some(NONE) => Ok(client.no_proxy()),
        Some(address) => {
            let mut proxy = Proxy::all(address)
                .map_err(|e| format!("the proxy cannot be used: {}", e.without_url()))?;
            if let (Some(user), Some(password)) = (&config.proxy_user, &config.proxy_password) {
                proxy = proxy.basic_auth(user, password.expose_secret());
            }
            Ok(client.proxy(proxy))
        }
    }
}
