//! Stand-ins: servers of our own making that are as strict as the platforms they stand in for.
//!
//! [`facebook`], [`twitter`] and [`linkedin`] stand in for platforms nobody can run at home. [`wiki`] and [`crm`] are used only where the
//! real servers are not installed, and pass the same tests as those. Each rule names where it was learnt: measured on the real server, or
//! the platform's documentation. What a stand-in does not model it refuses, so that nobody mistakes a gap for an answer: with HTTP 501 and words of
//! its own; Facebook's as the platform refuses everything, with HTTP 400, which says "the stand-in does not model" of a parameter and is the platform's
//! own "Unknown path components" of a path.

pub mod crm;
pub mod facebook;
pub mod faults;
pub mod linkedin;
mod patience;
mod replies;
pub mod twitter;
pub mod webhook;
pub mod wiki;

pub use faults::{Fault, FaultHandle, Faults, SPENDS, TROUBLES};
pub use replies::Reply;
pub use webhook::{Counts, DeliveryPlan, DeliveryReport};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::{Form, Router};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// A router being served on loopback; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Serving {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Serving {
    /// Serves `router` behind `faults` on a free loopback port.
    pub(crate) async fn start(router: Router, faults: Faults) -> Result<Self> {
        Self::start_at(0, router, faults).await
    }

    /// Serves `router` behind `faults` on this loopback port; 0: a free one.
    pub(crate) async fn start_at(port: u16, router: Router, faults: Faults) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(Error::io("binding a loopback port"))?;
        let address = listener.local_addr().map_err(Error::io("binding a loopback port"))?;
        let router = router.layer(axum::middleware::from_fn_with_state(faults, faults::apply));
        let task = tokio::spawn(async move {
            // axum's serve ends only with the process or by the abort in Drop.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// So much of a platform's time.
pub(crate) fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).expect("tests move a clock by less than 292 billion years")
}

/// `count` random bytes as lower-case hexadecimal digits.
pub(crate) fn random_hex(count: usize) -> String {
    (0..count).map(|_| format!("{:02x}", fastrand::u8(..))).collect()
}

/// The fields of a form body, or `None` when it is none.
pub(crate) async fn form_fields(body: Bytes) -> Option<BTreeMap<String, String>> {
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded").body(Body::from(body)).ok()?;
    Form::<BTreeMap<String, String>>::from_request(request, &()).await.ok().map(|form| form.0)
}
