//! Replay: what a journal costs to read back, beside what it cost to write.
//!
//! A real tenant takes in comments of 512 bytes, each by somebody new on a thread of its own. Then, in turns: *apply-only* reads its journal,
//! decodes every record and applies every event to rows in memory; *append* makes the same records durable: seals as many bytes under new keys,
//! encodes the events, appends to a fresh journal, and waits for the disk after every 512. At the end the views are thrown away and the tenant is opened: that is a rebuild with views, reported.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sportello_core::commands::{Arrival, Author, ConfigureChannel, Ingest, ProfileNews};
use sportello_core::domain::channel::ChannelSettings;
use sportello_core::domain::interaction::{Change, INTERACTIONS};
use sportello_core::domain::profile::Identified;
use sportello_core::event::Event as CoreEvent;
use sportello_core::ids::{ChannelName, InteractionId};
use sportello_core::tables::{RowChange, Rows, Value};
use sportello_core::time::Timestamp;
use sportello_journal::{Journal as _, JournalOptions, KeySlots, SEAL_OVERHEAD_BYTES, SegmentJournal, Sequence, SlotOptions};
use sportello_rows::Shelves;
use sportello_server::clock::SystemClock;
use sportello_server::tenant::content::ProfileContent;
use sportello_server::tenant::{Event, Target, Tenant, TenantError, TenantOptions, encode, read_ahead, replay};

use crate::append::ITEM_BYTES;
use crate::measured::Measured;
use crate::samples::{Paired, median};
use crate::{Plan, Problem};

const FLOOR: f64 = 1.0;
/// Records appended before the disk is waited for.
const BATCH: usize = 512;
/// Comments taken in at the same time while the journal is made.
const TAKEN_IN_AT_ONCE: u64 = 256;

pub(crate) async fn run(plan: &Plan) -> Result<Vec<Measured>, Problem> {
    let (comments, rounds) = if plan.quick { (10_000, 5) } else { (100_000, 10) };
    let folder = tempfile::Builder::new().prefix("bench-replay-").tempdir_in(&plan.folder)?;
    let tenant_folder = folder.path().join("tenant");
    take_in(&tenant_folder, comments).await?;
    tokio::task::spawn_blocking(move || {
        let (journal, _) = SegmentJournal::open(&tenant_folder.join("journal"), JournalOptions::default())?;
        let mut records: Vec<Vec<Event>> = Vec::new();
        for record in read_ahead(journal.read(Sequence::new(1))?)? {
            records.push(record?.1.events.into_iter().collect::<Result<_, _>>()?);
        }
        let mut paired = Paired::default();
        let mut rows = MemoryRows::default();
        for round in 0..=rounds {
            let applied = apply_only(&journal, &mut rows, comments)?;
            let fresh = folder.path().join(format!("append-{round}"));
            let appended = append(&fresh, &records)?;
            std::fs::remove_dir_all(&fresh)?;
            // Round 0 warms up: from then on the journal is read from memory.
            if round > 0 {
                paired.push(applied, appended);
            }
        }
        journal.close()?;
        drop(journal);
        let rebuilt = rebuild(&tenant_folder)?;
        let per_second = |seconds: f64| records.len() as f64 / seconds;
        let note = format!("{} records of a real tenant; sealed, encoded and appended in batches of {BATCH}", records.len());
        let row = Measured::reported("replay-apply-only", per_second(median(&paired.ours)), "records/s", note);
        Ok(vec![
            row.against_paired(per_second(median(&paired.reference)), paired.ratio(), FLOOR),
            Measured::reported("replay-with-views", per_second(rebuilt.as_secs_f64()), "records/s", "a tenant opened without its views"),
        ])
    })
    .await?
}

/// Fills a tenant as the ingress does.
async fn take_in(folder: &Path, comments: u64) -> Result<(), Problem> {
    let tenant = Tenant::open("bench", folder, &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {})?;
    let channel = ChannelName::new("facebook-page")?;
    let settings = ChannelSettings {
        connector: "facebook".to_owned(),
        settings: "{}".to_owned(),
        origins: Vec::new(),
        private_network: false,
        folders: Vec::new(),
        secrets: BTreeMap::new(),
        poll_ms: None,
        policy: None,
        enabled: true,
    };
    tenant.submit("bench", ConfigureChannel { channel: channel.clone(), settings }).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TAKEN_IN_AT_ONCE {
        let (tenant, channel) = (Arc::clone(&tenant), channel.clone());
        tasks.spawn(async move {
            for number in (task..comments).step_by(TAKEN_IN_AT_ONCE as usize) {
                let ingest = comment(&tenant, &channel, number)?;
                tenant.submit("channel:facebook-page", ingest).await?;
            }
            Ok::<_, Problem>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    tokio::task::spawn_blocking(move || tenant.close()).await??;
    Ok(())
}

fn comment(tenant: &Tenant, channel: &ChannelName, number: u64) -> Result<Ingest, Problem> {
    let (id, user) = (format!("77001122_{number}"), format!("24680{number}"));
    let profile = tenant.profile_of("facebook", &user)?;
    let identifiers = vec![("facebook.id".to_owned(), user.clone())];
    let content =
        ProfileContent { id: user.clone(), display_name: Some(format!("Ada Bianchi {number}")), identifiers, ..ProfileContent::default() };
    let identifier = tenant.identifier_of("facebook.id", &user)?;
    let news = ProfileNews {
        sealed: tenant.seal(profile.slot(), &content)?,
        identifiers: vec![Identified { scheme: "facebook.id".to_owned(), identifier }],
        replaces: None,
    };
    let slot = tenant.new_slot()?;
    // As JSON two quotes longer: what is sealed has the bytes it says.
    let sealed = tenant.seal(slot, &"a".repeat(ITEM_BYTES - 2))?;
    let arrival = Arrival {
        identity: tenant.fingerprint("interaction", &[channel.as_str(), &id, ""]),
        subject: tenant.subject_of(channel, &id)?,
        names_author: false,
        change: Change::Created,
        kind: "comment".to_owned(),
        author: Some(Author { profile, news: Some(news) }),
        conversation: tenant.conversation_of(channel, &id)?,
        own: false,
        effect_key: None,
        private: false,
        summons: false,
        in_reply_to: None,
        occurred_at: tenant.now(),
        slot,
        sealed,
    };
    Ok(Ingest { channel: channel.clone(), arrivals: vec![arrival], cursor: None, state_writes: Vec::new(), replayed: None, known: 0 })
}

/// Rows in memory.
#[derive(Default)]
struct MemoryRows(Shelves<Option<Value>>);

impl Rows for MemoryRows {
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.0.get(&sportello_rows::place(table, key)).cloned().flatten()
    }
}

impl Target for MemoryRows {
    fn take(&mut self, _: RangeInclusive<u64>, changes: Vec<RowChange>) -> Result<(), TenantError> {
        for (place, value) in changes {
            self.0.put(&place, value);
        }
        Ok(())
    }
}

fn apply_only(journal: &SegmentJournal, rows: &mut MemoryRows, comments: u64) -> Result<Duration, Problem> {
    *rows = MemoryRows::default();
    let started = Instant::now();
    replay(read_ahead(journal.read(Sequence::new(1))?)?, rows)?;
    let elapsed = started.elapsed();
    let last = INTERACTIONS.get(rows, &InteractionId(comments));
    if last.is_none() || INTERACTIONS.get(rows, &InteractionId(comments + 1)).is_some() {
        return Err(format!("after the replay there are not {comments} interactions").into());
    }
    Ok(elapsed)
}

fn append(folder: &Path, records: &[Vec<Event>]) -> Result<Duration, Problem> {
    std::fs::create_dir(folder)?;
    let slots = Arc::new(KeySlots::open(&folder.join("keys.slots"), SlotOptions::default())?);
    let options = JournalOptions { before_write: Some(slots.before_write()), ..JournalOptions::default() };
    let (journal, _) = SegmentJournal::open(&folder.join("journal"), options)?;
    let words = [b'a'; 4 * ITEM_BYTES];
    let started = Instant::now();
    for batch in records.chunks(BATCH) {
        let mut last = journal.durable();
        for events in batch {
            // What a tenant seals for these events: as many items, as long.
            for sealed in events.iter().filter_map(sealed_bytes) {
                let slot = slots.allocate()?;
                std::hint::black_box(slots.seal(slot, &slot.0.to_le_bytes(), &words[..sealed.saturating_sub(SEAL_OVERHEAD_BYTES)])?);
            }
            last = journal.append(&encode(Timestamp(1_795_000_000_000), "channel:facebook-page", events))?;
        }
        journal.wait_durable(last)?;
    }
    let elapsed = started.elapsed();
    journal.close()?;
    Ok(elapsed)
}

/// The length of what is sealed in an event.
fn sealed_bytes(event: &Event) -> Option<usize> {
    match event {
        Event::Core(CoreEvent::InteractionReceived(event)) => Some(event.sealed.len()),
        Event::Core(CoreEvent::ProfileSeen(event)) => Some(event.sealed.len()),
        _ => None,
    }
}

/// The time to open a tenant whose views are gone.
fn rebuild(folder: &Path) -> Result<Duration, Problem> {
    std::fs::remove_dir_all(folder.join("views"))?;
    let started = Instant::now();
    let tenant = Tenant::open("bench", folder, &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {})?;
    let elapsed = started.elapsed();
    tenant.close()?;
    Ok(elapsed)
}
