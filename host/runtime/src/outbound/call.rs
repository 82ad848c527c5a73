//! What one call of a guest is handed: the hooks of `wasi:http`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::channel::{ChannelHttp, RETRY_WHEN_BUSY};
use super::client::Caps;
use super::failure::Failure;
use crate::call_time::CallTime;
use crate::headroom::Headroom;

/// Where messages for the operator of the channel go: why a request was refused or failed, and the line of configuration that would change
/// it. At most one per request; no secrets in it.
pub type OperatorNote = Arc<dyn Fn(&str) + Send + Sync>;

/// How long before its call every request ends at the latest: a guest whose platform hangs can still say so, and keeps what else it has found. Of a call
/// that may last less than ten seconds it is a tenth.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A call, as what is sent for it is to know it.
#[derive(Clone)]
pub(super) struct Caller {
    /// For request limits, and for requests that are signed with a time. The guest is told it with every answer.
    pub(super) time: CallTime,
    /// Where it is kept how long a platform asks to wait with a log-in.
    pub(super) headroom: Arc<dyn Headroom>,
}

/// Outgoing HTTP of one call.
pub struct CallHttp {
    channel: Arc<ChannelHttp>,
    caller: Caller,
    /// When the last request is over.
    deadline: Instant,
    note: OperatorNote,
    requests: u32,
    /// Bytes of answers so far.
    received: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
}

impl CallHttp {
    /// The hooks for one call on `channel` that begins now and lasts at most `wall_max`.
    pub fn new(channel: Arc<ChannelHttp>, time: CallTime, headroom: Arc<dyn Headroom>, wall_max: Duration, note: OperatorNote) -> Self {
        let permits = channel.limits.requests_at_once_per_call_max.clamp(1, Semaphore::MAX_PERMITS);
        let deadline = Instant::now() + (wall_max - LAST_WORDS.min(wall_max / 10));
        let (caller, permits) = (Caller { time, headroom }, Arc::new(Semaphore::new(permits)));
        Self { channel, caller, deadline, note, requests: 0, received: Arc::default(), permits }
    }

    /// Requests made so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// The channel's side, for `renew` and redaction.
    pub fn channel(&self) -> &Arc<ChannelHttp> {
        &self.channel
    }
}

impl WasiHttpHooks for CallHttp {
    // The client under us writes the header from the URL it connects to; a guest cannot make the two differ.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_errors: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answer, Error>> + Send> {
        self.requests = self.requests.saturating_add(1);
        let sending = Sending {
            channel: Arc::clone(&self.channel),
            received: Arc::clone(&self.received),
            permits: Arc::clone(&self.permits),
            caller: self.caller.clone(),
            call_deadline: self.deadline,
            number: self.requests,
        };
        let note = Arc::clone(&self.note);
        Box::new(async move {
            let (channel, time) = (Arc::clone(&sending.channel), sending.caller.time.clone());
            let outcome = sending.send(request, options.unwrap_or_default()).await;
            time.tell();
            match outcome {
                Ok(response) => {
                    let body = |bytes| Full::new(bytes).map_err(Error::from).boxed_unsync();
                    let no_errors: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
                    Ok((response.map(body), no_errors))
                }
                Err(failure) => {
                    note(&channel.redact(&failure.to_string()));
                    Err(failure.into_wasi(|text| channel.redact(text)))
                }
            }
        })
    }
}

/// What `wasi:http` wants: the response, and a future for errors after it (there are none, the answer is whole).
type Answer = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// One request on its way.
struct Sending {
    channel: Arc<ChannelHttp>,
    received: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    caller: Caller,
    call_deadline: Instant,
    /// Which request of the call it is, from 1.
    number: u32,
}

impl Sending {
    /// `connect-timeout` and `between-bytes-timeout` of the guest's options are covered by the host's own times; its `first-byte-timeout`
    /// counts if it is shorter.
    async fn send(self, request: Request<WasiBody>, options: RequestOptions) -> Result<Response<Bytes>, Failure> {
        let limits = &self.channel.limits;
        let started = Instant::now();
        let deadline = self.call_deadline.min(started + limits.total_max);
        let headers_deadline = options.first_byte_timeout.and_then(|timeout| started.checked_add(timeout)).unwrap_or(deadline);
        let permit = timeout_at(deadline, self.permits.acquire()).await;
        let request = match &permit {
            Ok(Ok(_)) => self.read(request, deadline).await,
            // Late; or closed, which nobody does.
            Ok(Err(_)) | Err(_) => Err(Failure::Limit {
                after: RETRY_WHEN_BUSY,
                reason: format!("the call has {} requests under way", limits.requests_at_once_per_call_max),
            }),
        };
        let received = self.received.load(Ordering::Relaxed);
        let response_bytes = limits.response_body_bytes_max.min(limits.response_bytes_per_call_max.saturating_sub(received));
        let caps = Caps { deadline, headers_deadline, response_bytes };
        let response = self.channel.answer(request, caps, &self.caller).await?;
        self.received.fetch_add(response.body().len(), Ordering::Relaxed);
        Ok(response)
    }

    /// Reads the guest's request to its end, whatever becomes of it, keeping no more than the cap.
    async fn read(&self, request: Request<WasiBody>, deadline: Instant) -> Result<Request<Bytes>, Failure> {
        let limits = &self.channel.limits;
        let (parts, mut body) = request.into_parts();
        let target = match super::Origin::of(&parts.uri) {
            Ok(origin) => origin.to_string(),
            Err(_) => "an unusable URL".to_owned(),
        };
        let mut kept = BytesMut::new();
        let mut over = false;
        let reading = async {
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame?.into_data() else { continue };
                if over || kept.len() + data.len() > limits.request_body_bytes_max {
                    over = true;
                    kept.clear();
                } else {
                    kept.extend_from_slice(&data);
                }
            }
            Ok::<_, Error>(())
        };
        match timeout_at(deadline, reading).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Failure::Denied(format!("the guest gave up the body of its request to {target}"))),
            Err(_) => {
                return Err(Failure::Denied(format!(
                    "the guest did not finish the body of its request to {target} within {} ms",
                    limits.total_max.as_millis()
                )));
            }
        }
        if self.number > limits.requests_per_call_max {
            return Err(Failure::Denied(format!("more than {} requests in one call", limits.requests_per_call_max)));
        }
        if over {
            return Err(Failure::RequestBody { origin: target, max: limits.request_body_bytes_max });
        }
        Ok(Request::from_parts(parts, kept.freeze()))
    }
}
