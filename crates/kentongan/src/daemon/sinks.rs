//! How events get into the journal: from the probe, from the intake, from people, from ourselves.

use async_trait::async_trait;
use journal::{Accepted, Journal, JournalError, NewFrame};
use model::{Event, Inventory};
use std::ops::Range;
use std::sync::{Arc, RwLock};
use std::time::Instant;
use telemetry::{Stage, Telemetry};

/// The way into the journal.
pub struct Door {
    journal: Arc<dyn Journal>,
    inventory: RwLock<Arc<Inventory>>,
    telemetry: Arc<Telemetry>,
}

impl Door {
    /// Into this journal; names are looked up in this inventory.
    pub fn new(
        journal: Arc<dyn Journal>,
        inventory: Arc<Inventory>,
        telemetry: Arc<Telemetry>,
    ) -> Arc<Door> {
        Arc::new(Door { journal, inventory: RwLock::new(inventory), telemetry })
    }

    /// Names are looked up in this inventory from now on.
    pub fn learn(&self, inventory: Arc<Inventory>) {
        *self.inventory.write().unwrap_or_else(std::sync::PoisonError::into_inner) = inventory;
    }

    /// The inventory in force.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Appends these events as one frame; durable on `Ok`.
    pub async fn append(
        &self,
        producer: String,
        events: &[Event<'_>],
    ) -> Result<Accepted, JournalError> {
        let mut body = Vec::with_capacity(events.len() * 192);
        for event in events {
            wire::write_event(&mut body, None, event);
            body.push(b'\n');
        }
        let began = Instant::now();
        let accepted =
            self.journal.append_events(NewFrame::new(producer, events.len() as u32, body)).await?;
        self.telemetry.core.stage_passed(Stage::Journal, began.elapsed());
        Ok(accepted)
    }
}

#[async_trait]
impl intake::EventSink for Door {
    async fn accept(
        &self,
        source: &str,
        events: Vec<Event<'static>>,
    ) -> Result<Range<u64>, intake::SinkError> {
        let accepted =
            self.append(format!("intake:{source}"), &events).await.map_err(|e| match e {
                JournalError::Full { .. } => intake::SinkError::Full,
                other => intake::SinkError::Unavailable(other.to_string()),
            })?;
        // An edge of a cluster learns its numbers later; counted from 1 they still say how many.
        let first = accepted.first.unwrap_or(1);
        Ok(first..first + u64::from(accepted.count))
    }

    fn resolve(&self, name: &str) -> Option<String> {
        let inventory = self.inventory();
        inventory.known_as(name).map(|d| inventory[d].id.to_string())
    }
}

/// The probe's way into the journal.
pub struct Observations {
    /// The way.
    pub door: Arc<Door>,
    /// `probe:NAME`.
    pub producer: String,
}

#[async_trait]
impl probe::ObservationSink for Observations {
    async fn publish(&self, batch: Vec<Event<'static>>) -> Result<(), probe::SinkError> {
        match self.door.append(self.producer.clone(), &batch).await {
            Ok(_) => Ok(()),
            Err(JournalError::Full { .. }) => Err(probe::SinkError::Full),
            Err(other) => Err(probe::SinkError::Unavailable(other.to_string())),
        }
    }
}
