//! Who may send what.

use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// What a source speaks, and so which route it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A Zabbix server's webhook.
    Zabbix,
    /// Our own event schema.
    Events,
}

impl SourceKind {
    /// Every kind there is.
    pub const ALL: [SourceKind; 2] = [SourceKind::Zabbix, SourceKind::Events];

    /// The word in the configuration, in the route and in the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            SourceKind::Zabbix => "zabbix",
            SourceKind::Events => "events",
        }
    }

    /// The reverse of `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        SourceKind::ALL.into_iter().find(|k| k.word() == word)
    }
}

/// A `[[source]]` of the configuration.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, which stands in its signals.
    pub name: String,
    /// What it speaks.
    pub kind: SourceKind,
    /// What it has to show. An empty token opens nothing.
    pub token: SecretString,
}

/// All sources; can be replaced while requests are being answered, when the configuration is read
/// again.
#[derive(Debug, Default)]
pub struct Sources(RwLock<Arc<[Source]>>);

/// What a token is good for.
pub(crate) enum Admission {
    /// It belongs to this source, which may use the route.
    Welcome(Source),
    /// It belongs to this source, which has another route.
    WrongRoute(Source),
    /// It belongs to nobody.
    Unknown,
    /// Nobody may use the route: no source of the kind is configured.
    NoSuchSource,
}

impl Sources {
    /// These sources.
    pub fn new(sources: Vec<Source>) -> Arc<Sources> {
        Arc::new(Sources(RwLock::new(sources.into())))
    }

    /// From now on these.
    pub fn replace(&self, sources: Vec<Source>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = sources.into();
    }

    /// Whether there is a source of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|s| s.name == name)
    }

    /// Whose token this is. Every source is compared, each in a time that says nothing about where
    /// the token differs (only, as any comparison does, whether its length does).
    pub(crate) fn admit(&self, kind: SourceKind, token: Option<&[u8]>) -> Admission {
        let sources = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        if !sources.iter().any(|s| s.kind == kind) {
            return Admission::NoSuchSource;
        }
        let Some(token) = token else { return Admission::Unknown };
        let mut found = Admission::Unknown;
        for source in sources.iter() {
            let own = source.token.expose_secret().as_bytes();
            let same = bool::from(own.ct_eq(token)) & !own.is_empty();
            if same && source.kind == kind {
                found = Admission::Welcome(source.clone());
            } else if same && matches!(found, Admission::Unknown) {
                found = Admission::WrongRoute(source.clone());
            }
        }
        found
    }
}
