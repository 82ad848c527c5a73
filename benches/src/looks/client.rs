//! A plain client: hyper's, which keeps its connections, and nothing else.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::recorded::Asked;
use crate::Problem;

pub(super) struct Client {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    base_url: String,
}

impl Client {
    /// For the server at `http://address:port`.
    pub(super) fn of(base_url: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: legacy::Client::builder(TokioExecutor::new()).build(connector), base_url }
    }

    /// One request, and the whole answer.
    pub(super) async fn exchange(&self, asked: &Asked) -> Result<Response<Bytes>, Problem> {
        let mut request = Request::builder()
            .method(&asked.method)
            .uri(format!("{}{}", self.base_url, asked.target))
            .body(Full::new(asked.body.clone()))?;
        *request.headers_mut() = asked.headers.clone();
        let (parts, body) = self.client.request(request).await?.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }

    /// One request after the other, and their answers.
    pub(super) async fn exchange_all(&self, asked: &[Asked]) -> Result<Vec<Response<Bytes>>, Problem> {
        let mut answers = Vec::with_capacity(asked.len());
        for asked in asked {
            answers.push(self.exchange(asked).await?);
        }
        Ok(answers)
    }
}
