//! From a name to an address, and again from time to time.
//!
//! An address is used as it is. A name is looked up when its target is first asked, and every five
//! minutes from then on, behind the back of the samples: they go on with the address known so
//! far, also while the name server is away (that a name server is down says nothing about the
//! targets). Only a name that never resolved fails the sample, with `no-name`.

use async_trait::async_trait;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// A known address is looked up again after this.
const FRESH: Duration = Duration::from_mins(5);

/// A name that did not resolve is tried again after this.
const RETRY: Duration = Duration::from_secs(30);

/// The system's resolver may take this long.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Lookups at the same time; each occupies a thread of the system's resolver.
const LOOKUPS_MAX: usize = 8;

/// Finds the address of a name.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// The address to use; the port is 0.
    async fn resolve(&self, name: &str) -> io::Result<SocketAddr>;
}

/// The resolver of the system: hosts file, DNS, whatever it is set to.
#[derive(Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<SocketAddr> {
        tokio::net::lookup_host((name, 0))
            .await?
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}

/// The names of a plan and what they resolve to.
pub struct Names {
    resolver: Arc<dyn Resolver>,
    known: Mutex<HashMap<String, Arc<Entry>>>,
    lookups: Semaphore,
}

#[derive(Default)]
struct Entry {
    state: Mutex<State>,
    /// Held while somebody looks it up.
    gate: tokio::sync::Mutex<()>,
}

#[derive(Default, Clone, Copy)]
struct State {
    address: Option<SocketAddr>,
    /// Not looked up again before this.
    until: Option<Instant>,
}

impl Names {
    /// Knows nothing yet.
    pub fn new(resolver: Arc<dyn Resolver>) -> Arc<Names> {
        Arc::new(Names { resolver, known: Mutex::default(), lookups: Semaphore::new(LOOKUPS_MAX) })
    }

    /// The address of a target, with port 0; `None` when its name does not resolve.
    pub async fn address(self: &Arc<Self>, text: &str) -> Option<SocketAddr> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(SocketAddr::new(ip, 0));
        }
        let entry = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(text) {
                Some(entry) => entry.clone(),
                None => known.entry(text.to_owned()).or_default().clone(),
            }
        };
        let state = entry.state();
        if state.until.is_some_and(|t| Instant::now() < t) {
            return state.address;
        }
        if state.address.is_some() {
            let (names, name) = (self.clone(), text.to_owned());
            tokio::spawn(async move {
                // Somebody else is at it already when the gate is closed.
                if let Ok(_open) = entry.gate.try_lock() {
                    names.look_up(&name, &entry).await;
                }
            });
            return state.address;
        }
        let _open = entry.gate.lock().await;
        let state = entry.state();
        if state.until.is_some_and(|t| Instant::now() < t) {
            return state.address;
        }
        self.look_up(text, &entry).await;
        entry.state().address
    }

    /// Forgets every name that is not in the plan any more.
    pub(crate) fn keep(&self, wanted: &HashSet<&str>) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|name, _| wanted.contains(name.as_str()));
    }

    async fn look_up(&self, name: &str, entry: &Entry) {
        let answer = {
            let _permit = self.lookups.acquire().await;
            timeout(LOOKUP_MAX, self.resolver.resolve(name)).await
        };
        let found = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let mut state = entry.state.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(address) => {
                if state.address.is_some_and(|old| old != address) {
                    tracing::info!(name, %address, "a target's name resolves to another address now");
                }
                *state = State { address: Some(address), until: Some(Instant::now() + FRESH) };
            }
            Err(error) => {
                state.until = Some(Instant::now() + RETRY);
                tracing::warn!(
                    name,
                    %error,
                    known_so_far = state.address.map(tracing::field::display),
                    "a target's name does not resolve; tried again in half a minute"
                );
            }
        }
    }
}

impl Entry {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Fake {
        asked: AtomicUsize,
        answer: Mutex<Option<SocketAddr>>,
    }

    #[async_trait]
    impl Resolver for Fake {
        async fn resolve(&self, _: &str) -> io::Result<SocketAddr> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.answer.lock().unwrap().ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 0))
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_asks_nobody() {
        let fake = Arc::new(Fake::default());
        let names = Names::new(fake.clone());
        assert_eq!(names.address("10.0.0.7").await, Some(addr(7)));
        assert_eq!(names.address("::1").await.map(|a| a.is_ipv6()), Some(true));
        assert_eq!(fake.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_once_and_again_later_behind_the_back() {
        let fake = Arc::new(Fake::default());
        *fake.answer.lock().unwrap() = Some(addr(1));
        let names = Names::new(fake.clone());
        let (a, b) = tokio::join!(names.address("sw1"), names.address("sw1"));
        assert_eq!((a, b), (Some(addr(1)), Some(addr(1))));
        assert_eq!(fake.asked.load(Ordering::SeqCst), 1, "two samples, one lookup");

        *fake.answer.lock().unwrap() = Some(addr(2));
        tokio::time::sleep(FRESH + Duration::from_secs(1)).await;
        assert_eq!(names.address("sw1").await, Some(addr(1)), "stale, and at once");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(names.address("sw1").await, Some(addr(2)));

        *fake.answer.lock().unwrap() = None;
        tokio::time::sleep(FRESH + Duration::from_secs(1)).await;
        names.address("sw1").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(names.address("sw1").await, Some(addr(2)), "kept while the name server is away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_never_resolved_is_tried_again_after_a_while() {
        let fake = Arc::new(Fake::default());
        let names = Names::new(fake.clone());
        assert_eq!(names.address("nobody").await, None);
        assert_eq!(names.address("nobody").await, None);
        assert_eq!(fake.asked.load(Ordering::SeqCst), 1, "not at every sample");
        *fake.answer.lock().unwrap() = Some(addr(3));
        tokio::time::sleep(RETRY + Duration::from_secs(1)).await;
        assert_eq!(names.address("nobody").await, Some(addr(3)));
        names.keep(&HashSet::new());
        assert!(names.known.lock().unwrap().is_empty());
    }
}
