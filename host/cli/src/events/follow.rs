//! Following the live stream across lost connections and restarts of the host: nothing twice, nothing left out.
//!
//! After the first event the host is asked to go on after the last id; before it, from the same record as at first. What cannot pass by itself
//! (the token is refused, the journal is shorter than what was seen) ends it.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::sse::{Message, Parser};
use crate::host_client::{ClientError, HostClient};

/// A stream without even a heartbeat for so long is dead: three of the host's.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Pause before the first attempt to come back.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A stream that comes back.
pub(super) struct Follow<'client> {
    client: &'client HostClient,
    from: Option<u64>,
    last_id: Option<String>,
    body: Option<Incoming>,
    parser: Parser,
    ready: VecDeque<Message>,
    /// None: it has never been open, and the first failure is told at once.
    pause: Option<Duration>,
}

impl<'client> Follow<'client> {
    /// From a record on; None: from now on.
    pub(super) fn new(client: &'client HostClient, from: Option<u64>) -> Self {
        Self { client, from, last_id: None, body: None, parser: Parser::default(), ready: VecDeque::new(), pause: None }
    }

    /// The next message.
    ///
    /// # Errors
    /// What coming back later does not mend.
    pub(super) async fn next(&mut self) -> Result<Message, ClientError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.last_id = Some(message.id.clone());
                return Ok(message);
            }
            match self.read().await {
                Ok(()) => {}
                Err(error) => self.wait_after(error).await?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), ClientError> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let opened = self.client.stream(self.from, self.last_id.as_deref()).await?;
                self.parser = Parser::default();
                self.pause.get_or_insert(PAUSE_MIN);
                self.body.insert(opened)
            }
        };
        let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(self.client.broken(error)),
            Ok(None) => return Err(self.client.broken("the host ended the stream")),
            Err(_) => return Err(self.client.broken(format!("not even a heartbeat for {} s", SILENCE_MAX.as_secs()))),
        };
        if let Ok(bytes) = frame.into_data() {
            let messages = self.parser.take(&bytes).map_err(|problem| self.client.broken(problem))?;
            self.ready.extend(messages);
            self.pause = Some(PAUSE_MIN);
        }
        Ok(())
    }

    async fn wait_after(&mut self, error: ClientError) -> Result<(), ClientError> {
        let Some(pause) = self.pause.filter(|_| error.may_pass()) else { return Err(error) };
        // Half an event is asked for again, whole.
        self.body = None;
        eprintln!("sportello: {error}; trying again in {} ms", pause.as_millis());
        self.pause = Some((pause * 2).min(PAUSE_MAX));
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
