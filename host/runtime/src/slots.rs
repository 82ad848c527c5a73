//! Which calls may run now: permits for the pool's slots, of which challenges have some of their own.
//!
//! A permit is a slot, whatever the connector needs (see the pool in `engine.rs`). A call takes one of its channel's share first, so that who waits
//! for that holds nothing of the pool.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::call::CallFailure;
use crate::limits::EngineLimits;

/// What a call is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Answering a challenge.
    Challenge,
    /// Everything else.
    Work,
}

/// Slots that a call waits for, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// The whole pool's.
    Pool(u32),
    /// One channel's share of it.
    Channel(u32),
    /// Those for challenges.
    Challenges(u32),
    /// One channel's share of these.
    ChannelChallenges(u32),
}

impl Slots {
    fn count(self) -> u32 {
        match self {
            Self::Pool(count) | Self::Channel(count) | Self::Challenges(count) | Self::ChannelChallenges(count) => count,
        }
    }

    /// The limit that says how many there are.
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::Pool(_) => "calls_max",
            Self::Channel(_) => "channel_calls_max",
            Self::Challenges(_) => "challenges_max",
            Self::ChannelChallenges(_) => "channel_challenges_max",
        }
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(count) => write!(formatter, "{count} slots for calls"),
            Self::Channel(count) => write!(formatter, "{count} slots for calls of this channel"),
            Self::Challenges(count) => write!(formatter, "{count} slots for challenges"),
            Self::ChannelChallenges(count) => write!(formatter, "{count} slots for challenges of this channel"),
        }
    }
}

/// The permits for some slots.
struct Permits {
    semaphore: Arc<Semaphore>,
    slots: Slots,
}

impl Permits {
    fn new(slots: Slots) -> Self {
        Self { semaphore: Arc::new(Semaphore::new(slots.count() as usize)), slots }
    }
}

/// The permits of the whole pool, or of a channel.
pub(crate) struct Places {
    work: Permits,
    challenges: Permits,
}

impl Places {
    /// All of the pool.
    pub(crate) fn of_pool(limits: &EngineLimits) -> Self {
        Self { work: Permits::new(Slots::Pool(limits.calls_max)), challenges: Permits::new(Slots::Challenges(limits.challenges_max)) }
    }

    /// A channel's share.
    pub(crate) fn of_channel(limits: &EngineLimits) -> Self {
        let share = |of_channel: u32, all: u32| of_channel.clamp(1, all.max(1));
        Self {
            work: Permits::new(Slots::Channel(share(limits.channel_calls_max, limits.calls_max))),
            challenges: Permits::new(Slots::ChannelChallenges(share(limits.channel_challenges_max, limits.challenges_max))),
        }
    }

    async fn one(&self, errand: Errand, deadline: Instant, wait_max: Duration) -> Result<OwnedSemaphorePermit, CallFailure> {
        let permits = match errand {
            Errand::Work => &self.work,
            Errand::Challenge => &self.challenges,
        };
        match tokio::time::timeout_at(deadline.into(), Arc::clone(&permits.semaphore).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            // Late; or closed, which nobody does.
            Ok(Err(_)) | Err(_) => Err(CallFailure::Busy { slots: permits.slots, waited: wait_max }),
        }
    }

    /// Those for everything but challenges that nobody holds now.
    pub(crate) fn free(&self) -> usize {
        self.work.semaphore.available_permits()
    }
}

/// What a call holds from its begin to its end.
pub(crate) struct Held {
    _of_share: Option<OwnedSemaphorePermit>,
    _of_pool: OwnedSemaphorePermit,
}

/// A slot of the pool, and of the share where there is one, after `wait_max` at most.
pub(crate) async fn hold(pool: &Places, share: Option<&Places>, errand: Errand, wait_max: Duration) -> Result<Held, CallFailure> {
    let deadline = Instant::now() + wait_max;
    let of_share = match share {
        Some(share) => Some(share.one(errand, deadline, wait_max).await?),
        None => None,
    };
    Ok(Held { _of_share: of_share, _of_pool: pool.one(errand, deadline, wait_max).await? })
}
