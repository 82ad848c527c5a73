//! Sessions: what a log-in brought, who waits for it, and when it may be tried again.
//!
//! A [`SessionSlot`] belongs to a channel's credential with its present definition and secrets, and lives as long as any generation of the
//! channel uses it: a swap of connectors keeps the session. It is in memory only, but for what the vault keeps, and for the time before which the
//! platform asked not to log in. Its life:
//!
//! ```text
//! empty ──obtain──► logging in ──► live ──401, renew, lifetime──► empty
//!   ▲                   │
//!   └── paused ◄─ failed┘         (1 s, 2 s, 4 s … up to 5 min after a refusal, 10 s after an unreachable server)
//! ```
//!
//! Where the platform says that there were too many log-ins it is waited as after a refusal. Where it says with that, or while it is out of order, how
//! long to wait, it is waited so long at least. That is told as a window of a limit of the account, called after the credential, with nothing
//! left in it: so it holds after a restart, and until it ends the calls that need the log-in are not made.
//!
//! One log-in serves everybody who waits; it runs in a task of its own, so that a call that is cut off does not take it along. Log-ins that
//! succeed are limited too: a connector that renews all the time would look like an attack to the platform.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::HeaderValue;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::call::Caller;
use super::cookie::Jar;
use super::credential::{BoundCredential, Rendered};
use super::failure::Failure;
use super::redact::Redactor;
use super::template::BoundField;
use super::window::Windows;
use crate::Secret;
use crate::call_time::CallTime;
use crate::headroom::HeadroomWindow;

/// The first pause after a failed log-in; it doubles with every further failure.
pub const LOGIN_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause after the platform refused a log-in: platforms slow down or lock whoever keeps trying a wrong password.
pub const LOGIN_PAUSE_AFTER_REFUSAL_MAX: Duration = Duration::from_secs(300);
/// The longest pause a platform may ask for: what it says beyond that is not believed.
pub const LOGIN_PAUSE_ASKED_MAX: Duration = Duration::from_secs(3600);
/// The longest pause after a log-in got no answer, unless the platform asks for a longer one.
pub const LOGIN_PAUSE_UNREACHABLE_MAX: Duration = Duration::from_secs(10);
/// At most so many log-ins of one credential …
pub const LOGINS_MAX: u32 = 6;
/// … in this time, which is that of calls.
pub const LOGINS_PERIOD: Duration = Duration::from_secs(60);
/// Cookie values shorter than this are not redacted: they are flags and numbers, found in innocent places.
const COOKIE_REDACTED_BYTES_MIN: usize = 12;
/// What a caller whose time is over while others log in is told to wait.
const RETRY_WHILE_LOGGING_IN: Duration = Duration::from_secs(1);

/// What a log-in goes by and brings.
pub(super) struct Brought {
    /// The credential's fields: as the operator bound them, or what became of those that rotate.
    pub(super) fields: BTreeMap<String, BoundField>,
    pub(super) captured: BTreeMap<String, Secret>,
}

/// A session that was logged in.
pub(super) struct Session {
    /// The credential's placements, filled.
    pub(super) rendered: Vec<Rendered>,
    /// None: the session keeps no cookies.
    jar: Option<Mutex<Jar>>,
    /// Texts that must not be seen, without the cookies.
    secrets: Vec<Secret>,
    redactor: Mutex<Redactor>,
    pub(super) born: Instant,
    expires: Option<Instant>,
}

impl Session {
    /// Fills the placements with the credential's fields as they are now and what was captured. The error names the placement that cannot be
    /// filled.
    pub(super) fn new(
        credential: &BoundCredential,
        brought: &Brought,
        jar: Option<Jar>,
        lifetime: Option<Duration>,
    ) -> Result<Self, String> {
        let born = Instant::now();
        let expires = lifetime.and_then(|lifetime| born.checked_add(lifetime));
        let rendered = credential.render(&brought.fields, &brought.captured)?;
        let mut secrets: Vec<_> = brought.captured.values().filter(|value| !credential.is_plain(value.expose())).cloned().collect();
        secrets.extend(brought.fields.values().filter_map(|field| match field {
            BoundField::Secret(secret) => Some(secret.clone()),
            BoundField::Plain(_) => None,
        }));
        secrets.extend(rendered.iter().flat_map(|rendered| rendered.secrets.iter().cloned()));
        let session = Self { rendered, jar: jar.map(Mutex::new), secrets, redactor: Mutex::new(Redactor::new([])), born, expires };
        session.rebuild_redactor(credential);
        Ok(session)
    }

    /// The `Cookie` header for a request to `path`.
    pub(super) fn cookies(&self, path: &str, now: Instant) -> Option<HeaderValue> {
        self.jar.as_ref().and_then(|jar| lock(jar).header(path, now))
    }

    /// Keeps the cookies of an answer to a request for `path`.
    pub(super) fn take_cookies<'a>(
        &self,
        credential: &BoundCredential,
        headers: impl IntoIterator<Item = &'a HeaderValue>,
        path: &str,
        now: Instant,
    ) {
        let secure = credential.origin.as_ref().is_some_and(super::Origin::is_secure);
        let Some(jar) = &self.jar else { return };
        let changed = lock(jar).take(headers, path, secure, now);
        if changed {
            self.rebuild_redactor(credential);
        }
    }

    /// Finds the session's secrets.
    pub(super) fn redactor(&self) -> Redactor {
        lock(&self.redactor).clone()
    }

    fn rebuild_redactor(&self, credential: &BoundCredential) {
        let jar = self.jar.as_ref().map(lock);
        let cookies = jar.iter().flat_map(|jar| jar.values());
        let cookies = cookies.filter(|value| value.len() >= COOKIE_REDACTED_BYTES_MIN && !credential.is_plain(value));
        let redactor = Redactor::new(self.secrets.iter().map(Secret::expose).chain(cookies));
        *lock(&self.redactor) = redactor;
    }

    fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Why a log-in brought no session. The texts hold no secret.
#[derive(Debug, Clone)]
pub(super) enum LoginFailure {
    /// The platform said no, or said something the recipe does not expect.
    Refused(String),
    /// No answer, or the platform is out of order, and may say for how long: the credential may be good.
    Unreachable(String, Option<Duration>),
    /// The platform has had too many log-ins, and may say how long to wait: the credential may be good.
    TooMany(String, Option<Duration>),
}

impl LoginFailure {
    /// How long the platform asks to wait.
    fn asked(&self) -> Option<Duration> {
        match self {
            Self::Refused(_) => None,
            Self::Unreachable(_, asked) | Self::TooMany(_, asked) => *asked,
        }
    }
}

type Outcome = Result<Arc<Session>, (LoginFailure, Duration)>;

/// Where the session of one credential stands.
pub(super) struct SessionSlot {
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    logins: Windows,
    /// Failures since the last success.
    failures: u32,
    /// Nothing is tried until it is over.
    pause: Option<Pause>,
}

/// The last failure, and how long it is waited for.
struct Pause {
    failure: LoginFailure,
    until: Instant,
    /// The same in the time of calls.
    until_moment: Timestamp,
}

impl Pause {
    fn new(failure: LoginFailure, lasting: Duration, time: &CallTime) -> Self {
        let until_moment = time.now().checked_add(lasting).unwrap_or(Timestamp::MAX);
        Self { failure, until: Instant::now() + lasting, until_moment }
    }

    /// What is left of it. It is over by whichever clock it is over first: that of calls may be moved, forwards by tests and backwards by people.
    fn left(&self, time: &CallTime) -> Duration {
        let by_calls = Duration::try_from(self.until_moment.duration_since(time.now())).unwrap_or_default();
        self.until.saturating_duration_since(Instant::now()).min(by_calls)
    }
}

enum Phase {
    Empty,
    LoggingIn(watch::Receiver<Option<Outcome>>),
    Live(Arc<Session>),
}

impl SessionSlot {
    pub(super) fn new() -> Self {
        let logins = Windows::new([(LOGINS_MAX, LOGINS_PERIOD)]);
        Self { state: Mutex::new(State { phase: Phase::Empty, logins, failures: 0, pause: None }) }
    }

    /// The live session, or a new one from `log_in`, which is started at most once for all who wait. `name` is the credential's.
    pub(super) async fn obtain<F>(
        self: &Arc<Self>,
        name: &str,
        caller: &Caller,
        deadline: Instant,
        log_in: impl FnOnce() -> F,
    ) -> Result<Arc<Session>, Failure>
    where
        F: Future<Output = Result<Session, LoginFailure>> + Send + 'static,
    {
        let mut outcome = match self.join_or_start(name, caller, log_in)? {
            Joined::Live(session) => return Ok(session),
            Joined::Waiting(outcome) => outcome,
        };
        let waited = timeout_at(deadline, outcome.wait_for(Option::is_some)).await.map(|settled| settled.map(|settled| settled.clone()));
        let settled = match waited {
            Ok(Ok(settled)) => settled,
            // The task died (it panicked, or the process shuts down): whoever comes next may start another one.
            Ok(Err(_)) => {
                let mut state = lock(&self.state);
                if matches!(&state.phase, Phase::LoggingIn(current) if current.same_channel(&outcome)) {
                    state.phase = Phase::Empty;
                }
                None
            }
            Err(_) => None,
        };
        match settled {
            Some(Ok(session)) => Ok(session),
            Some(Err((failure, pause))) => Err(as_failure(name, &failure, pause)),
            None => Err(Failure::Limit { after: RETRY_WHILE_LOGGING_IN, reason: format!("credential {name}: its log-in is not done yet") }),
        }
    }

    fn join_or_start<F>(self: &Arc<Self>, name: &str, caller: &Caller, log_in: impl FnOnce() -> F) -> Result<Joined, Failure>
    where
        F: Future<Output = Result<Session, LoginFailure>> + Send + 'static,
    {
        let (now, time) = (Instant::now(), &caller.time);
        let mut state = lock(&self.state);
        match &state.phase {
            Phase::Live(session) if !session.is_over(now) => return Ok(Joined::Live(Arc::clone(session))),
            Phase::LoggingIn(outcome) => return Ok(Joined::Waiting(outcome.clone())),
            Phase::Live(_) | Phase::Empty => {}
        }
        let paused = state.pause.as_ref().map(|pause| (pause, pause.left(time)));
        if let Some((pause, left)) = paused.filter(|(_, left)| !left.is_zero()) {
            return Err(as_failure(name, &pause.failure, left));
        }
        let window = format!("log-in {name}");
        caller.headroom.take(&window).map_err(|until| asked_to_wait(name, until, time))?;
        let too_often = |after| Failure::Limit { after, reason: format!("credential {name} logs in too often") };
        state.logins.take(time.now()).map_err(too_often)?;
        let (sender, outcome) = watch::channel(None);
        state.phase = Phase::LoggingIn(outcome.clone());
        drop(state);
        let slot = Arc::clone(self);
        let (running, Caller { time, headroom }) = (log_in(), caller.clone());
        tokio::spawn(async move {
            let settled = slot.settle(running.await, &time);
            if let Err((failure, pause)) = &settled
                && failure.asked().is_some()
                && let Ok(resets_at) = time.now().checked_add(*pause)
            {
                headroom.report(HeadroomWindow { name: window, allowed: None, remaining: 0, resets_at });
            }
            // Nobody may be waiting any more.
            let _ = sender.send(Some(settled));
        });
        Ok(Joined::Waiting(outcome))
    }

    fn settle(&self, outcome: Result<Session, LoginFailure>, time: &CallTime) -> Outcome {
        let mut state = lock(&self.state);
        match outcome {
            Ok(session) => {
                let session = Arc::new(session);
                state.phase = Phase::Live(Arc::clone(&session));
                state.failures = 0;
                state.pause = None;
                Ok(session)
            }
            Err(failure) => {
                state.phase = Phase::Empty;
                let longest = match failure {
                    LoginFailure::Refused(_) | LoginFailure::TooMany(..) => LOGIN_PAUSE_AFTER_REFUSAL_MAX,
                    LoginFailure::Unreachable(..) => LOGIN_PAUSE_UNREACHABLE_MAX,
                };
                let growing = LOGIN_PAUSE_MIN.saturating_mul(1 << state.failures.min(16)).min(longest);
                let pause = growing.max(failure.asked().unwrap_or_default().min(LOGIN_PAUSE_ASKED_MAX));
                state.failures = state.failures.saturating_add(1);
                state.pause = Some(Pause::new(failure.clone(), pause, time));
                Err((failure, pause))
            }
        }
    }

    /// Gives `session` up if it is still the current one: of many calls that find it expired, one drops it.
    pub(super) fn drop_session(&self, session: &Arc<Session>) {
        let mut state = lock(&self.state);
        if matches!(&state.phase, Phase::Live(current) if Arc::ptr_eq(current, session)) {
            state.phase = Phase::Empty;
        }
    }

    /// Gives the current session up, whichever it is. A log-in under way is left alone: it brings a new one.
    pub(super) fn renew(&self) {
        let mut state = lock(&self.state);
        if matches!(state.phase, Phase::Live(_)) {
            state.phase = Phase::Empty;
        }
    }

    /// How it stands.
    pub(super) fn standing(&self) -> SessionStanding {
        let now = Instant::now();
        let state = lock(&self.state);
        match (&state.phase, &state.pause) {
            (Phase::Live(session), _) if !session.is_over(now) => {
                SessionStanding::Live { expires_in: session.expires.map(|expires| expires - now) }
            }
            (Phase::LoggingIn(_), _) => SessionStanding::LoggingIn,
            (_, Some(Pause { failure, until, .. })) => SessionStanding::Failed {
                refused: matches!(failure, LoginFailure::Refused(_)),
                reason: match failure {
                    LoginFailure::Refused(reason) | LoginFailure::Unreachable(reason, _) | LoginFailure::TooMany(reason, _) => {
                        reason.clone()
                    }
                },
                retry_in: until.saturating_duration_since(now),
            },
            (Phase::Live(_) | Phase::Empty, None) => SessionStanding::Idle,
        }
    }

    /// The current session without logging in.
    pub(super) fn current(&self) -> Option<Arc<Session>> {
        match &lock(&self.state).phase {
            Phase::Live(session) => Some(Arc::clone(session)),
            _ => None,
        }
    }
}

/// How a session stands. Texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionStanding {
    /// Nobody has logged in yet, or the session ended; the next request will log in.
    Idle,
    /// A log-in is under way.
    LoggingIn,
    /// It is in use.
    Live {
        /// How long still; None: until the platform says otherwise.
        expires_in: Option<Duration>,
    },
    /// The last log-in brought none.
    Failed {
        /// Whether the platform said no: then the credential does not work. Otherwise it could not be asked.
        refused: bool,
        /// Why.
        reason: String,
        /// When the next is tried at the earliest.
        retry_in: Duration,
    },
}

enum Joined {
    Live(Arc<Session>),
    Waiting(watch::Receiver<Option<Outcome>>),
}

fn as_failure(name: &str, failure: &LoginFailure, pause: Duration) -> Failure {
    match failure {
        LoginFailure::Refused(reason) => Failure::Credential {
            credential: name.to_owned(),
            reason: format!("{reason} (the next log-in is tried in {} s at the earliest)", pause.as_secs_f32().ceil()),
        },
        LoginFailure::Unreachable(reason, _) | LoginFailure::TooMany(reason, _) => {
            Failure::Limit { after: pause, reason: format!("credential {name}: {reason}") }
        }
    }
}

/// The pause that a platform asked of the process before this one, or that is not over by its own clock yet.
fn asked_to_wait(name: &str, until: Timestamp, time: &CallTime) -> Failure {
    let after = Duration::try_from(until.duration_since(time.now())).unwrap_or_default();
    Failure::Limit { after, reason: format!("credential {name}: the platform asked to wait with its log-in until {until}") }
}

/// A panic while one of these locks was held leaves nothing half done: every change under them is one assignment or a whole value.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
