//! A session that a desk gives for a time: opened when it is first needed, shared by all requests,
//! and opened again after the desk has said that it ended.
//!
//! A request that was refused because its session had ended was not carried out. It is not sent
//! again here: that is for delivery to decide, and the next attempt has a new session.

use crate::http::{Http, Reply, Said};
use secrecy::{ExposeSecret, SecretString};

#[derive(Default)]
pub(crate) struct Session {
    current: tokio::sync::Mutex<Option<SecretString>>,
}

impl Session {
    /// The session, opened by `log_in` where there is none; the error is what the request that needs
    /// it comes back with. Requests that wait for the same login do not log in themselves.
    pub(crate) async fn token<L>(
        &self,
        http: &Http,
        log_in: impl FnOnce() -> L,
    ) -> Result<SecretString, Reply>
    where
        L: Future<Output = Result<SecretString, Reply>>,
    {
        let mut current = self.current.lock().await;
        if let Some(token) = &*current {
            return Ok(token.clone());
        }
        let token = log_in().await?;
        http.learn(&token);
        *current = Some(token.clone());
        Ok(token)
    }

    /// The desk says that this one has ended. Another may have opened a new one meanwhile.
    pub(crate) async fn ended(&self, token: &SecretString) -> Reply {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|c| c.expose_secret() == token.expose_secret()) {
            *current = None;
        }
        Reply::NotSent("the session had ended, so the request was not carried out".into())
    }

    /// Takes it away, to end it.
    pub(crate) async fn take(&self) -> Option<SecretString> {
        self.current.lock().await.take()
    }
}

/// What a login came back with: the token that `read` finds in the answer, or what the request that
/// needed it comes back with. It was not sent, whatever became of the login; a refusal is told as one.
pub(crate) fn opened(
    reply: Reply,
    read: impl FnOnce(&Said) -> Option<String>,
) -> Result<SecretString, Reply> {
    match reply {
        Reply::Said(said) if said.status == 200 => read(&said).map_or_else(
            || Err(Reply::NotSent("the answer to the login has no session in it".into())),
            |token| Ok(SecretString::from(token)),
        ),
        Reply::Said(said) if (400..500).contains(&said.status) && said.status != 408 => {
            Err(Reply::Said(Said { excerpt: format!("the login: {}", said.excerpt), ..said }))
        }
        Reply::Said(said) => Err(Reply::NotSent(format!("the login failed: {}", said.excerpt))),
        Reply::NotSent(reason) | Reply::Lost(reason) => {
            Err(Reply::NotSent(format!("the login failed: {reason}")))
        }
    }
}
