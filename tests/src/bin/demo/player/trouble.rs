//! What goes wrong around Sportello.

use std::time::Duration;

use sportello_tests::stand_ins::Fault;
use sportello_tests::stand_ins::facebook::RateLimit;

use super::Player;
use crate::Problem;
use crate::ledger::{Deed, FACEBOOK, TWITTER};
use crate::scenario::Trouble;
use crate::screen::Look;

/// What a rate-limited time lasts at least, in real time, however fast the weekend goes by.
const LIMITED_TIME_MIN: Duration = Duration::from_secs(3);
/// Facebook says in whole minutes how long a limit lasts. A shorter one, in a weekend that goes by fast, is told in seconds as a plain 429.
const SHORTEST_TOLD_LIMIT: Duration = Duration::from_secs(60);

impl Player<'_> {
    /// Something goes wrong; gives how long it lasts, where it is a time and not a number of calls.
    pub(super) async fn make_trouble(&mut self, channel: &'static str, trouble: Trouble) -> Result<Option<Duration>, Problem> {
        let network = self.network(channel)?;
        let (name, faults, publishing) = (network.name(), network.faults(), network.publishing());
        let mut lasts = None;
        let told = match trouble {
            Trouble::Forgeries(count) => {
                for number in 0..count {
                    self.ledger.forgeries.push(network.forge(number).await?.status);
                }
                format!("{count} deliveries with a bad signature, as if {name} had sent them")
            }
            Trouble::RateLimit(minutes) => {
                let time = self.speed.map_or(LIMITED_TIME_MIN, |speed| Duration::from_secs_f64(minutes as f64 * 60.0 / speed));
                let time = time.max(LIMITED_TIME_MIN);
                self.limit_rate(channel, time)?;
                lasts = Some(time);
                format!("{name} takes no more answers for {minutes} minutes ({} s here)", time.as_secs())
            }
            Trouble::TokenEnds => {
                network.expire_token();
                format!("the token for {name} ends")
            }
            Trouble::LostAnswers(count) => {
                for number in 0..count {
                    let fault = if number % 2 == 0 { Fault::RefuseAfterEffect { status: 502 } } else { Fault::BrokenBody };
                    self.ledger.lost.push((channel, faults.arm(fault, &publishing, 1)));
                }
                format!("{name} posts {} and loses the receipt", counted(count, "answer"))
            }
            Trouble::ServerErrors(count) => {
                faults.arm(Fault::Refuse { status: 503, retry_after_s: None }, &publishing, count);
                format!("{name} fails {} with 503", counted(count, "time"))
            }
            Trouble::TimeOuts(count) => match &self.stage.crm_faults {
                Some(faults) => {
                    faults.arm(Fault::HoldAfter, &["model.ir.note.create"], count);
                    format!("the CRM writes {} without answering in time", counted(count, "note"))
                }
                None => "(the real CRM answers in time)".to_owned(),
            },
            Trouble::UnknownField => {
                network.unknown_event();
                self.ledger.note(channel, None, Deed::Created);
                format!("an update from {name} of a kind nobody has documented")
            }
            Trouble::WikiSessionsEnd => {
                self.stage.wiki.expire_sessions().await?;
                "the wiki forgets who the bot is".to_owned()
            }
            Trouble::CrmSessionsEnd => {
                self.stage.crm.expire_sessions().await?;
                "the CRM ends all sessions".to_owned()
            }
        };
        self.screen.say(&self.screen.look(&format!("           ! {told}"), Look::Faint));
        Ok(lasts)
    }

    /// X says to the second when its limit ends. LinkedIn says nothing of that, and Facebook minutes: their limits are told as a gateway before
    /// them would.
    fn limit_rate(&mut self, channel: &'static str, time: Duration) -> Result<(), Problem> {
        let network = self.network(channel)?;
        if channel == TWITTER {
            network.limit_rate(time);
        } else if channel == FACEBOOK && time >= SHORTEST_TOLD_LIMIT {
            self.stage.facebook.limit_rate(RateLimit::BusinessUseCase, time);
        } else {
            let retry_after_s = u32::try_from(time.as_secs()).ok();
            let handle = network.faults().arm(Fault::Refuse { status: 429, retry_after_s }, &network.publishing(), usize::MAX);
            self.ledger.limits.push((channel, handle.clone()));
            // By itself: what people do meanwhile on a real wiki takes its time, and who was told to come again then may.
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                handle.disarm();
            });
        }
        Ok(())
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
