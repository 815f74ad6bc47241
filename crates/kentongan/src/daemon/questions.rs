//! Questions that need the events run again: each is answered once, in the background, and kept for
//! whoever asks again (a board does every two seconds).

use crate::config::Configuration;
use crate::explain::moment::Progress;
use crate::explain::{Found, Question, find};
use journal::Journal;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Answers kept; the oldest goes when there are more.
const KEPT_MAX: usize = 64;
/// Whoever asks waits this long before they are told how far it is.
const WAIT: Duration = Duration::from_secs(4);

type Answer = Option<Result<Arc<Found>, String>>;

/// What was asked, and what has come of it.
#[derive(Default)]
pub struct Questions {
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    running: BTreeMap<(String, Question), Running>,
    order: Vec<(String, Question)>,
}

#[derive(Clone)]
struct Running {
    progress: Arc<Progress>,
    answer: watch::Receiver<Answer>,
}

/// How far an answer is.
pub enum State {
    /// It is there.
    Known(Result<Arc<Found>, String>),
    /// The events are being run again; so many percent of them have been.
    Running(u8),
}

impl Questions {
    /// Asks, or looks how far it is.
    pub async fn ask(
        &self,
        journal: &Arc<dyn Journal>,
        c: &Arc<Configuration>,
        question: Question,
    ) -> State {
        let mut running = self.run(journal, c, question);
        let progress = running.progress.clone();
        let waited = tokio::time::timeout(WAIT, running.answer.wait_for(Option::is_some)).await;
        match waited {
            Ok(Ok(answer)) => match &*answer {
                Some(known) => State::Known(known.clone()),
                None => State::Running(0),
            },
            Ok(Err(_)) => State::Known(Err("running the events again broke off".to_owned())),
            Err(_) => State::Running(progress.percent().unwrap_or(0)),
        }
    }

    fn run(
        &self,
        journal: &Arc<dyn Journal>,
        c: &Arc<Configuration>,
        question: Question,
    ) -> Running {
        // Under another configuration the answer may be another one.
        let key = (c.hash.clone(), question.clone());
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = asked.running.get(&key) {
            return running.clone();
        }
        if asked.order.len() >= KEPT_MAX {
            let oldest = asked.order.remove(0);
            asked.running.remove(&oldest);
        }
        let (sender, answer) = watch::channel(None);
        let progress = Arc::new(Progress::default());
        let running = Running { progress: progress.clone(), answer };
        asked.running.insert(key.clone(), running.clone());
        asked.order.push(key);
        let (journal, c) = (journal.clone(), c.clone());
        tokio::spawn(async move {
            let found = find(&journal, &c, &question, &progress).await;
            let _ = sender.send(Some(found.map(Arc::new)));
        });
        running
    }
}
