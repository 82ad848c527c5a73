//! The REST API: everything the core knows, under `/api/v1/{tenant}`. One file per resource.
//!
//! ```text
//! request ─► guard (token, role of the route, room) ─► handler ─► rows (read off the async threads) or one command (answered when durable)
//! ```
//!
//! * The role of each route stands in one table ([`crate::access::ROLES`]); a route that is not in it is refused to everybody.
//! * A viewer sees structure, never words: sealed content is opened by [`Caller::open`] alone, which asks for the role first.
//! * What the API does stands in the journal under the token's name.
//! * The OpenAPI document is made from the handlers themselves ([`document`]).

mod cases;
mod channel_view;
mod channels;
mod connectors;
mod contact_effects;
mod contacts;
mod conversations;
mod deliveries;
mod document;
mod effect_queue;
mod effects;
mod interactions;
mod links;
mod people;
pub(crate) mod problem;
mod profiles;
mod replies;
mod request;
mod runs;
mod summary;
mod tokens;
mod vocabulary;
mod workflows;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sportello_core::domain::access::Role;
use sportello_core::ids::{SlotId, TokenId};
use sportello_core::tables::{Key, Table};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{holder, needed_role};
use crate::connectors::Connectors;
use crate::desk::{Desk, Host};
use crate::tenant::Tenant;
use problem::Problem;
pub(crate) use request::Asked;
use request::{Page, Paging, cursor};

/// Where the API of a tenant begins.
pub(crate) const PREFIX: &str = "/api/v1/{tenant}";
/// Requests of one tenant carried out at once; beyond, callers are told to come back.
pub(crate) const REQUESTS_UNDER_WAY_MAX: usize = 256;
/// Live streams of one tenant at once.
pub(crate) const STREAMS_MAX: usize = 64;
/// Summaries of one tenant counted at once; further ones wait for their turn.
const COUNTS_MAX: usize = 1;
/// Components checked and compiled at once, for all tenants together: each takes a processor.
const INSTALLS_MAX: usize = 1;

/// What a handler answers.
pub(crate) type Answer<T> = Result<Json<T>, Problem>;

/// Room for one tenant's requests.
struct Room {
    requests: Semaphore,
    streams: Arc<Semaphore>,
    counting: Arc<Semaphore>,
}

/// What all requests share.
#[derive(Clone)]
struct Api {
    host: Arc<Host>,
    rooms: Arc<BTreeMap<String, Room>>,
    installs: Arc<Semaphore>,
}

/// Who asks, and what they ask of. Made by [`guard`] for every request it lets through.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) desk: Arc<Desk>,
    pub(crate) connectors: Arc<Connectors>,
    pub(crate) installs: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) counting: Arc<Semaphore>,
    pub(crate) stopping: CancellationToken,
    pub(crate) token: TokenId,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// All routes of the API, and the document that describes them.
pub(crate) fn router(host: &Arc<Host>) -> Router {
    let room = || Room {
        requests: Semaphore::new(REQUESTS_UNDER_WAY_MAX),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        counting: Arc::new(Semaphore::new(COUNTS_MAX)),
    };
    let rooms = host.desks().map(|desk| (desk.tenant.name().to_owned(), room())).collect();
    let api = Api { host: Arc::clone(host), rooms: Arc::new(rooms), installs: Arc::new(Semaphore::new(INSTALLS_MAX)) };
    let guarded = routes().route_layer(from_fn_with_state(api, guard));
    let (router, document) = OpenApiRouter::new().nest(PREFIX, guarded).split_for_parts();
    let document: Arc<str> = document::complete(&document).into();
    router
        .route("/api/openapi.json", axum::routing::get(move || document::serve(Arc::clone(&document))))
        .fallback(|request: Request| async move { Problem::no_route(request.uri().path()) })
        .method_not_allowed_fallback(|request: Request| async move {
            Problem::method(format!("{} does not take {}; the Allow header says what it takes", request.uri().path(), request.method()))
        })
}

fn routes() -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(cases::list))
        .routes(routes!(cases::get))
        .routes(routes!(cases::effects))
        .routes(routes!(runs::of_case))
        .routes(routes!(cases::assign))
        .routes(routes!(cases::set_state))
        .routes(routes!(cases::prioritise))
        .routes(routes!(replies::reply))
        .routes(routes!(replies::activity))
        .routes(routes!(replies::post))
        .routes(routes!(conversations::get))
        .routes(routes!(conversations::interactions))
        .routes(routes!(interactions::get))
        .routes(routes!(profiles::get))
        .routes(routes!(profiles::interactions))
        .routes(routes!(profiles::link))
        .routes(routes!(profiles::unlink))
        .routes(routes!(contact_effects::create))
        .routes(routes!(people::list))
        .routes(routes!(people::get, people::erase))
        .routes(routes!(people::history))
        .routes(routes!(contacts::list))
        .routes(routes!(contacts::get, contact_effects::update))
        .routes(routes!(links::get))
        .routes(routes!(effects::list))
        .routes(routes!(effects::get))
        .routes(routes!(effects::decide))
        .routes(routes!(channels::list))
        .routes(routes!(channels::get, channels::configure))
        .routes(routes!(channels::grant))
        .routes(routes!(channels::enable))
        .routes(routes!(channels::disable))
        .routes(routes!(connectors::list, connectors::install))
        .routes(routes!(connectors::retire))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::replay))
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::get, workflows::define))
        .routes(routes!(workflows::retire))
        .routes(routes!(runs::get))
        .routes(routes!(runs::cancel))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::me))
        .routes(routes!(summary::summary))
        .routes(routes!(crate::live::events))
}

/// Lets a request through if its token is in force for the tenant, its role is enough for the route, and there is room.
async fn guard(State(api): State<Api>, path: MatchedPath, named: RawPathParams, mut request: Request, next: Next) -> Response {
    let tenant = named.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value.to_owned()).unwrap_or_default();
    // Whether there is such a tenant is nobody's business without a token of it.
    let (Some(desk), Some(room)) = (api.host.desk(&tenant), api.rooms.get(&tenant)) else {
        return Problem::unauthorized().into_response();
    };
    let holder = match holder(&desk.tenant, request.headers()) {
        Ok(Some(holder)) => holder,
        Ok(None) => return Problem::unauthorized().into_response(),
        Err(error) => return Problem::from(error).into_response(),
    };
    let route = path.as_str().strip_prefix(PREFIX).unwrap_or_default();
    let Some(needed) = needed_role(request.method(), route) else {
        return Problem::no_route(request.uri().path()).into_response();
    };
    if holder.role < needed {
        return Problem::needs_role(&holder.name, holder.role, needed).into_response();
    }
    let Ok(_place) = room.requests.try_acquire() else {
        let detail = format!("{REQUESTS_UNDER_WAY_MAX} requests of this tenant are under way; try again in a second");
        return Problem::overloaded(detail).into_response();
    };
    request.extensions_mut().insert(Caller {
        desk,
        connectors: Arc::clone(&api.host.connectors),
        installs: Arc::clone(&api.installs),
        streams: Arc::clone(&room.streams),
        counting: Arc::clone(&room.counting),
        stopping: api.host.stopping(),
        token: holder.token,
        name: holder.name,
        role: holder.role,
    });
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}

impl Caller {
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.desk.tenant
    }

    /// Whether the role may see what people, and connectors about them, say.
    pub(crate) fn reads_words(&self) -> bool {
        self.role >= Role::Agent
    }

    /// Opens sealed content, where the role may see words. None: it may not, or there is nothing to be seen any more.
    pub(crate) fn open<C: DeserializeOwned>(&self, slot: SlotId, sealed: &[u8]) -> Option<C> {
        if !self.reads_words() {
            return None;
        }
        self.open_for_the_host(slot, sealed)
    }

    /// Opens sealed content that the answer does not show.
    pub(crate) fn open_for_the_host<C: DeserializeOwned>(&self, slot: SlotId, sealed: &[u8]) -> Option<C> {
        self.tenant().open_sealed(slot, sealed).unwrap_or_else(|error| {
            tracing::error!(tenant = self.tenant().name(), slot = slot.0, %error, "sealed content cannot be opened");
            None
        })
    }

    /// One row, or the problem that it is not there.
    pub(crate) fn row<K, V>(&self, table: &Table<K, V>, key: &K, what: &str) -> Result<V, Problem>
    where
        K: Key + std::fmt::Display + ?Sized,
        V: Serialize + DeserializeOwned,
    {
        self.tenant().get(table, key)?.ok_or_else(|| Problem::not_found(what, key))
    }

    /// One page of the rows under `prefix`; `item` makes of each what is shown, or leaves it out.
    pub(crate) fn page<K, V, T>(
        &self,
        table: &Table<K, V>,
        prefix: &[u8],
        paging: &Paging,
        mut item: impl FnMut(&[u8], V) -> Result<Option<T>, Problem>,
    ) -> Result<Page<T>, Problem>
    where
        K: Key + ?Sized,
        V: Serialize + DeserializeOwned,
    {
        let limit = paging.limit()?;
        let after = paging.after(prefix)?;
        let mut rows = self.tenant().list(table, prefix, after.as_deref(), paging.direction(), limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(key, _)| cursor(key));
        let mut items = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            items.extend(item(&key, row)?);
        }
        Ok(Page { items, next })
    }
}

/// Does something on a thread that may wait for the disk.
pub(crate) async fn off_thread<T: Send + 'static>(
    caller: Caller,
    work: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(move || work(&caller)).await.map_err(|error| Problem::internal(&error))?
}

/// Reads rows on a thread that may wait for the disk, and answers with what they make.
pub(crate) async fn reading<T: Send + 'static>(
    caller: Caller,
    read: impl FnOnce(&Caller) -> Result<T, Problem> + Send + 'static,
) -> Answer<T> {
    off_thread(caller, read).await.map(Json)
}

/// The number at the end of a key.
pub(crate) fn number(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
