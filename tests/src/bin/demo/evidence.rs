//! What Sportello holds, read from its files: a copy of the tenant's journal and keys, so that nothing of the original changes, opened by
//! the host's own code. The views are not copied: what is read here was rebuilt from the journal.

use std::path::Path;
use std::sync::Arc;

use sportello_core::domain::access::Role;
use sportello_core::domain::case::{CASES, Case};
use sportello_core::domain::contact::{CONTACTS, Contact};
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::delivery::{DELIVERIES, Delivery, DeliveryState};
use sportello_core::domain::effect::{EFFECTS, Effect};
use sportello_core::domain::interaction::{Change, INTERACTIONS, Interaction};
use sportello_core::domain::person::{Standing, standing};
use sportello_core::domain::profile::{PROFILES, Profile};
use sportello_core::ids::ChannelName;
use sportello_core::tables::{Key, Table};
use sportello_server::access::create_token;
use sportello_server::clock::SystemClock;
use sportello_server::tenant::{Tenant, TenantOptions};
use sportello_tests::kept::openable;
use sportello_views::Direction;

use crate::Problem;
use crate::ledger::Deed;

/// Rows read of each table: far more than a weekend has.
const ROWS_MAX: usize = 1_000_000;

/// A tenant's contents.
pub(crate) struct Evidence {
    tenant: Arc<Tenant>,
    // Goes when the evidence does.
    _copy: tempfile::TempDir,
    pub(crate) interactions: Vec<Interaction>,
    pub(crate) cases: Vec<Case>,
    pub(crate) effects: Vec<Effect>,
    profiles: Vec<Profile>,
    contacts: Vec<Contact>,
    /// What could not be taken in when it came.
    pub(crate) set_aside: Vec<Delivery>,
}

impl Evidence {
    /// How many deliveries are still set aside, or were given up.
    pub(crate) fn not_taken_in(&self) -> usize {
        self.set_aside.iter().filter(|delivery| delivery.state != DeliveryState::Replayed).count()
    }

    /// Reads the tenant kept in `folder`. Blocks.
    pub(crate) fn read(name: &str, folder: &Path) -> Result<Self, Problem> {
        let copy = tempfile::tempdir()?;
        for part in ["keys.slots", "journal"] {
            copy_all(&folder.join(part), &copy.path().join(part))?;
        }
        let tenant = Tenant::open(name, copy.path(), &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {})?;
        Ok(Self {
            interactions: rows(&tenant, &INTERACTIONS)?,
            profiles: rows(&tenant, &PROFILES)?,
            contacts: rows(&tenant, &CONTACTS)?,
            cases: rows(&tenant, &CASES)?,
            effects: rows(&tenant, &EFFECTS)?,
            set_aside: rows(&tenant, &DELIVERIES)?,
            tenant,
            _copy: copy,
        })
    }

    /// How often a thing of the platform's id was taken in as this deed. By the keyed hash of the id: the words may have been withdrawn.
    pub(crate) fn times_taken(&self, channel: &str, native_id: &str, deed: Deed) -> usize {
        let subject = ChannelName::new(channel).ok().and_then(|channel| self.tenant.subject_of(&channel, native_id).ok());
        let change = match deed {
            Deed::Created => Change::Created,
            Deed::Edited => Change::Edited,
            Deed::Deleted => Change::Deleted,
        };
        self.interactions.iter().filter(|row| Some(row.subject) == subject && row.change == change).count()
    }

    /// Interactions taken in on a channel.
    pub(crate) fn taken_on(&self, channel: &str) -> usize {
        self.interactions.iter().filter(|row| row.channel.as_str() == channel).count()
    }

    /// The case of a conversation.
    pub(crate) fn case_of(&self, channel: &str, key: &str) -> Result<Option<Case>, Problem> {
        let conversation = self.tenant.conversation_of(&ChannelName::new(channel)?, key)?;
        let case = self.tenant.get(&CONVERSATIONS, &conversation)?.and_then(|row| row.case);
        Ok(case.map(|case| self.tenant.get(&CASES, &case)).transpose()?.flatten())
    }

    /// Whether a case is of somebody who has been forgotten.
    pub(crate) fn is_of_somebody_forgotten(&self, case: &Case) -> Result<bool, Problem> {
        let profile = case.profile.map(|profile| self.tenant.get(&PROFILES, &profile)).transpose()?.flatten();
        Ok(profile.is_some_and(|profile| profile.erased))
    }

    /// Profiles of people, seen on a channel.
    pub(crate) fn profiles_on(&self, channel: &str) -> impl Iterator<Item = &Profile> {
        self.profiles.iter().filter(move |profile| profile.channel.as_str() == channel && !profile.own)
    }

    /// Whether a contact of the CRM says the same of itself.
    pub(crate) fn shares_an_identifier(&self, profile: &Profile) -> bool {
        let mut contacts = self.contacts.iter().flat_map(|contact| &contact.identifiers);
        contacts.any(|identified| profile.identifiers.contains(identified))
    }

    /// Everything sealed that can still be opened, as JSON.
    pub(crate) fn openable(&self) -> Vec<String> {
        openable(&self.tenant)
    }

    /// Profiles by what their people are to the company.
    pub(crate) fn standing(&self, wanted: Standing) -> usize {
        self.profiles.iter().filter(|profile| standing(profile) == wanted).count()
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        // A copy that goes with its folder.
        let _ = self.tenant.close();
    }
}

/// Makes a token for whoever wants to look around, before the host starts; gives its secret.
pub(crate) async fn make_token(name: &str, folder: &Path) -> Result<String, Problem> {
    let tenant = Tenant::open(name, folder, &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {})?;
    let made = create_token(&tenant, "demo", "demo", Role::Admin).await?;
    tokio::task::spawn_blocking(move || tenant.close()).await??;
    Ok(made.secret)
}

fn rows<K: Key + ?Sized, V: serde::Serialize + serde::de::DeserializeOwned>(
    tenant: &Tenant,
    table: &Table<K, V>,
) -> Result<Vec<V>, Problem> {
    Ok(tenant.list(table, &[], None, Direction::Forward, ROWS_MAX)?.into_iter().map(|(_, row)| row).collect())
}

fn copy_all(from: &Path, to: &Path) -> Result<(), Problem> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    if from.metadata().map_err(failed)?.is_file() {
        std::fs::copy(from, to).map_err(failed)?;
        return Ok(());
    }
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        copy_all(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}
