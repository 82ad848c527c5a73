//! `sportello events export`.

use std::path::Path;

use clap::Args;
use serde_json::Value;
use sportello_server::live::cloud_event;
use sportello_server::tenant::Tenant;

use super::follow::Follow;
use super::sse::Message;
use crate::host_client::HostClient;
use crate::reach::{Purpose, Reach, Reached};
use crate::{Problem, Usage, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello events export > events.ndjson
  sportello events export --from 1000 --to 1999

Reads the files of a host at rest, and otherwise the live stream of the running one (SPORTELLO_TOKEN, viewer is enough).";

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The first record.
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// The last record; left out, or beyond the end: the last one there is.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    #[command(flatten)]
    reach: Reach,
}

impl Export {
    pub(crate) fn run(&self, path: &Path) -> Result<(), Problem> {
        if self.to.is_some_and(|to| to < self.from) {
            return Err(Usage(format!("--to comes before --from: {} < {}", self.to.unwrap_or_default(), self.from)).into());
        }
        match self.reach.open(path, Purpose::ToRead)? {
            Reached::AtRest(at_rest) => at_rest.with(|at_rest| self.at_rest(at_rest.tenant())),
            Reached::Running(client) => tokio_runtime()?.block_on(self.running(&client)),
        }
    }

    /// The last record to be sent; None: there is none.
    fn last(&self, durable: u64) -> Result<Option<u64>, Problem> {
        if self.from > durable + 1 {
            return Err(format!("the journal ends at {durable}; there is no record {} yet", self.from).into());
        }
        Ok(Some(self.to.unwrap_or(durable).min(durable)).filter(|last| *last >= self.from))
    }

    fn at_rest(&self, tenant: &Tenant) -> Result<(), Problem> {
        let Some(last) = self.last(*tenant.watch_durable().borrow())? else { return Ok(()) };
        for record in tenant.records(self.from)? {
            let (sequence, record) = record?;
            if sequence > last {
                break;
            }
            for (index, event) in record.events.iter().enumerate() {
                output::json_line(&cloud_event(tenant.name(), sequence, index, &record, event))?;
            }
        }
        Ok(())
    }

    async fn running(&self, client: &HostClient) -> Result<(), Problem> {
        let durable = client.last_record().await?.ok_or_else(|| {
            format!(
                "the host's /metrics do not say where the journal of tenant {} ends: ask the host itself, not a proxy before it",
                client.tenant()
            )
        })?;
        let Some(last) = self.last(durable)? else { return Ok(()) };
        let mut follow = Follow::new(client, Some(self.from));
        loop {
            let message = follow.next().await?;
            output::line(&message.data)?;
            if ends_record(&message, last).ok_or_else(|| client.broken(format!("{:?} is no event of this stream", message.id)))? {
                return Ok(());
            }
        }
    }
}

/// Whether a message is the last event of record `last`. None: it is no event.
fn ends_record(message: &Message, last: u64) -> Option<bool> {
    let (sequence, index) = message.id.split_once('.')?;
    if sequence.parse::<u64>().ok()? < last {
        return Some(false);
    }
    let event: Value = serde_json::from_str(&message.data).ok()?;
    Some(index.parse::<u64>().ok()? + 1 == event["recordevents"].as_u64()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_ends_with_the_last_event_of_its_last_record() {
        let message = |id: &str| Message { id: id.to_owned(), data: r#"{"recordevents":3}"#.to_owned() };
        for (id, ends) in
            [("6.2", Some(false)), ("7.0", Some(false)), ("7.1", Some(false)), ("7.2", Some(true)), ("7", None), ("x.2", None)]
        {
            assert_eq!(ends_record(&message(id), 7), ends, "{id}");
        }
        assert_eq!(ends_record(&Message { id: "7.2".to_owned(), data: "{}".to_owned() }, 7), None);
    }
}
