//! The sending side on wasi:http.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

use super::{Failure, Request, Response};

/// How much is read or written at once.
const CHUNK_BYTES: u64 = 64 << 10;

pub(super) fn send(request: &Request) -> Result<Response, Failure> {
    let headers: Vec<(String, Vec<u8>)> = request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let fields = Fields::from_list(&headers).map_err(|error| Failure::Invalid(format!("a header can't be sent: {error:?}")))?;
    let outgoing = OutgoingRequest::new(fields);

    let Some((scheme, authority, _)) = request.parts() else {
        return Err(Failure::Invalid(format!("`{}` is no absolute URL", request.url)));
    };
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => return Err(Failure::Invalid(format!("the scheme `{other}` can't be sent, only http and https"))),
    };
    let url = request.url();
    let mut path = url.find(authority).map_or("", |at| &url[at + authority.len()..]).to_owned();
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    let invalid = |what: &'static str| move |()| Failure::Invalid(format!("the {what} can't be sent"));
    outgoing.set_method(&method(&request.method)).map_err(invalid("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(invalid("scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(invalid("host"))?;
    outgoing.set_path_with_query(Some(&path)).map_err(invalid("path"))?;

    let options = RequestOptions::new();
    if let Some(timeout) = request.timeout {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // A host that can't keep a time-out of ours still has its own.
        let _ = options.set_first_byte_timeout(Some(timeout_ns));
        let _ = options.set_between_bytes_timeout(Some(timeout_ns));
    }

    // A request without a body never opens one: nothing is left to be drained.
    let body = if request.body.is_empty() { None } else { Some(outgoing.body().map_err(invalid("body"))?) };
    let answer = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| failure(&code))?;
    // A platform may answer, or the host refuse, before the body is written: what the answer says counts, not that writing failed.
    let written = body.map_or(Ok(()), |body| write(body, &request.body));

    answer.subscribe().block();
    let incoming = match answer.get() {
        Some(Ok(Ok(incoming))) => incoming,
        Some(Ok(Err(code))) => return Err(failure(&code)),
        _ => return Err(written.err().unwrap_or_else(|| Failure::Interrupted("the answer never came".into()))),
    };

    let status = incoming.status();
    let headers = incoming
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = match incoming.consume() {
        Ok(body) => read(body, request.response_bytes_max)?,
        Err(()) => Vec::new(),
    };
    Ok(Response { status, headers, body, ..Response::default() })
}

fn write(body: OutgoingBody, mut bytes: &[u8]) -> Result<(), Failure> {
    let stream = body.write().map_err(|()| Failure::Invalid("the body can't be written".into()))?;
    let ready = stream.subscribe();
    while !bytes.is_empty() {
        ready.block();
        let permitted = stream.check_write().map_err(interrupted)?.min(CHUNK_BYTES);
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(permitted).unwrap_or(usize::MAX)));
        stream.write(now).map_err(interrupted)?;
        bytes = later;
    }
    stream.blocking_flush().map_err(interrupted)?;
    // Children of the body: they go before it does.
    drop(ready);
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| failure(&code))
}

/// Reads up to one byte more than `bytes_max`, which is how the caller sees that there was more.
fn read(body: IncomingBody, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let stream = body.stream().map_err(|()| Failure::Interrupted("the answer's body can't be read".into()))?;
    while bytes.len() <= bytes_max {
        match stream.blocking_read(CHUNK_BYTES) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(interrupted(error)),
        }
    }
    Ok(bytes)
}

/// Once a stream is open, whatever breaks may have broken after the platform acted, unless the host says that it is of another kind.
fn interrupted(error: StreamError) -> Failure {
    match error {
        StreamError::Closed => Failure::Interrupted("the connection was closed".into()),
        StreamError::LastOperationFailed(error) => match http_error_code(&error) {
            Some(code) => match failure(&code) {
                Failure::NotSent(reason) => Failure::Interrupted(reason),
                other => other,
            },
            None => Failure::Interrupted(error.to_debug_string()),
        },
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn failure(code: &ErrorCode) -> Failure {
    match code {
        ErrorCode::HttpRequestDenied => Failure::Denied("not granted".into()),
        ErrorCode::DestinationIpProhibited => Failure::Denied("its address is in a range that is not granted".into()),
        ErrorCode::InternalError(Some(reason)) if reason.starts_with("credential") => Failure::Credential(reason.clone()),
        ErrorCode::InternalError(Some(reason)) if reason.starts_with("limit") => Failure::Limit(reason.clone()),
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => Failure::NotSent(format!("{code:?}")),
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_)
        | ErrorCode::ConfigurationError => Failure::Invalid(format!("{code:?}")),
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::LoopDetected => Failure::Unusable(format!("{code:?}")),
        _ => Failure::Interrupted(format!("{code:?}")),
    }
}
