//! Recent changes, from a cursor on, as interactions.
//!
//! Each edit is one interaction, `rev:<revision>`: a `post` where it opened a thread, a `comment` where it added words to one, a `page-edit` where
//! it changed words. Edits that only take away, move or rename say nothing and are left out. A deleted page deletes the interactions of it, a revision
//! whose text is hidden its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use sportello_sdk::poll::Page;
use sportello_sdk::{Context, Error, Interaction, Profile, cursor, diagnostics, time};

use crate::addition::{Addition, Kind, addition};
use crate::api::{self, Purpose, Trouble};
use crate::cursor::Cursor;
use crate::known::{Known, PAGES_PER_CALL_MAX};
use crate::thread::cut;
use crate::{Settings, find, revisions};

/// Bytes of wikitext compared in one call; what is over is left to the next one.
const BYTES_PER_CALL_MAX: u64 = 4 << 20;
/// The contract's limit of an interaction's text, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The contract's limit of the interactions of one call.
const INTERACTIONS_MAX: usize = 1_000;

/// What every row has.
#[derive(Deserialize)]
struct Place {
    rcid: u64,
    timestamp: String,
}

/// A row of recent changes.
#[derive(Default, Deserialize)]
struct Row {
    /// Empty where the row can't be read.
    #[serde(rename = "type")]
    kind: String,
    rcid: u64,
    timestamp: String,
    /// Left out where an administrator hid it.
    #[serde(default)]
    title: String,
    #[serde(default)]
    pageid: u64,
    #[serde(default)]
    revid: u64,
    #[serde(default)]
    old_revid: u64,
    #[serde(default)]
    oldlen: u64,
    #[serde(default)]
    newlen: u64,
    user: Option<String>,
    #[serde(default)]
    userid: u64,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    minor: bool,
    logtype: Option<String>,
    logaction: Option<String>,
    #[serde(default)]
    logparams: Value,
}

impl Row {
    fn read(raw: &Value) -> Result<Self, Error> {
        if let Ok(row) = Self::deserialize(raw) {
            return Ok(row);
        }
        // One row that is strange must not keep back all that come after it.
        let Place { rcid, timestamp } =
            Place::deserialize(raw).map_err(|error| api::unexpected(&format!("row of recent changes ({error})")))?;
        let title = raw["title"].as_str().unwrap_or_default().to_owned();
        Ok(Self { rcid, timestamp, title, ..Self::default() })
    }

    fn is_understood(&self) -> bool {
        matches!(self.kind.as_str(), "edit" | "new" | "log")
    }

    fn is_edit(&self) -> bool {
        matches!(self.kind.as_str(), "edit" | "new")
    }

    fn is_page_deletion(&self) -> bool {
        self.logtype.as_deref() == Some("delete") && matches!(self.logaction.as_deref(), Some("delete" | "delete_redir"))
    }

    /// The revisions whose text an administrator hid; empty where it is another row, or only who wrote them was hidden.
    /// <https://www.mediawiki.org/wiki/Help:RevisionDelete>
    fn hidden_revisions(&self) -> Vec<u64> {
        let is_of_revisions = self.logtype.as_deref() == Some("delete")
            && self.logaction.as_deref() == Some("revision")
            && self.logparams["type"] == "revision";
        let ids = self.logparams["ids"].as_array().filter(|_| is_of_revisions && self.logparams["new"]["content"] == true);
        ids.into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    fn at_ms(&self) -> Result<i64, Error> {
        time::milliseconds(&self.timestamp).ok_or_else(|| api::unexpected("timestamp of a recent change"))
    }

    /// The row as the wiki writes a place to go on from: this row is the first of the next page.
    fn place(&self) -> String {
        let digits: String = self.timestamp.chars().filter(char::is_ascii_digit).take(14).collect();
        format!("{digits}|{}", self.rcid)
    }
}

pub(crate) fn poll(context: &Context<Settings>, cursor: Option<&str>) -> Result<Page, Error> {
    let settings = &context.settings;
    let Some(cursor) = cursor else {
        let cursor = Cursor::from(first_moment_ms(settings)?);
        // With a moment to start from there may be something to read already.
        return Ok(Page::new([], Some(cursor::written(&cursor)?), settings.since.is_some()));
    };
    let cursor: Cursor = cursor::read(cursor)?;
    let Listed { rows, next, at_ms } = match listed(settings, &cursor) {
        // The row was deleted meanwhile, or the wiki was upgraded and writes it otherwise: by time we find our place again.
        Err(trouble) if trouble.is("badcontinue") => return Ok(Page::new([], Some(cursor::written(&cursor.without_next())?), true)),
        outcome => outcome.map_err(|trouble| trouble.meaning(Purpose::Look))?,
    };
    let (mut rows, mut next) = share_of_call(&cursor, rows, next)?;
    let (interactions, told) = interactions(settings, &rows.iter().map(|(_, row, raw)| (row, raw)).collect::<Vec<_>>())?;
    if let Some((_, row, _)) = rows.get(told) {
        next = Some(row.place());
        rows.truncate(told);
    }
    let more = next.is_some();
    let places: Vec<_> = rows.iter().map(|(at_ms, row, _)| (*at_ms, row.rcid)).collect();
    let cursor = cursor.behind(&places, at_ms, next, settings.overlap_seconds);
    Ok(Page::new(interactions, Some(cursor::written(&cursor)?), more))
}

/// Where the first poll starts: as the settings say, or now by the wiki's own clock. Asking also tells whether the log-in works.
fn first_moment_ms(settings: &Settings) -> Result<i64, Error> {
    if let Some(since) = &settings.since {
        return time::milliseconds(since).ok_or_else(|| Error::reject(format!("the setting `since` ({since}) is no moment")));
    }
    let asked = [("action", "query"), ("meta", "userinfo"), ("curtimestamp", "1")];
    let reply = api::look(settings, &asked).map_err(|trouble| trouble.meaning(Purpose::Look))?;
    if let Some(name) = reply["query"]["userinfo"]["name"].as_str().filter(|name| !settings.is_bot(name)) {
        diagnostics::warning!(
            "the credential logs in as {name}, but the setting `bot` names somebody else: answers would not be known as own"
        );
    }
    reply["curtimestamp"].as_str().and_then(time::milliseconds).ok_or_else(|| api::unexpected("curtimestamp"))
}

/// A page of recent changes.
struct Listed {
    rows: Vec<Value>,
    /// The row to go on with.
    next: Option<String>,
    /// When it was read, by the wiki's clock; by ours where the wiki does not say.
    at_ms: i64,
}

fn listed(settings: &Settings, cursor: &Cursor) -> Result<Listed, Trouble> {
    let namespaces: Vec<_> = settings.namespaces.iter().map(u32::to_string).collect();
    let (namespaces, limit, start) = (namespaces.join("|"), settings.page_rows.to_string(), cursor.start(settings.overlap_seconds));
    let mut asked = vec![
        ("action", "query"),
        ("list", "recentchanges"),
        ("rcprop", "title|ids|sizes|flags|user|userid|timestamp|comment|loginfo|tags"),
        ("rcdir", "newer"),
        ("rctype", "edit|new|log"),
        ("rcnamespace", &namespaces),
        ("rclimit", &limit),
        ("curtimestamp", "1"),
    ];
    match cursor.next() {
        Some(next) => asked.extend([("rccontinue", next), ("continue", "-||")]),
        None => asked.push(("rcstart", &start)),
    }
    let mut reply = api::look(settings, &asked)?;
    let Value::Array(rows) = reply["query"]["recentchanges"].take() else {
        return Err(api::unexpected("list of recent changes").into());
    };
    let at = reply["curtimestamp"].as_str().map_or_else(time::now, str::to_owned);
    let at_ms = time::milliseconds(&at).ok_or_else(|| api::unexpected("curtimestamp"))?;
    Ok(Listed { rows, next: reply["continue"]["rccontinue"].as_str().map(str::to_owned), at_ms })
}

type Read = (i64, Row, Value);

/// The rows that are new and fit into one call, and where to go on.
fn share_of_call(cursor: &Cursor, rows: Vec<Value>, next: Option<String>) -> Result<(Vec<Read>, Option<String>), Error> {
    let mut share: Vec<Read> = Vec::new();
    let mut pages = BTreeSet::new();
    let mut bytes = 0;
    for raw in rows {
        let row = Row::read(&raw)?;
        let at_ms = row.at_ms()?;
        if cursor.has_read(at_ms, row.rcid) {
            continue;
        }
        bytes += if row.is_edit() { row.oldlen + row.newlen } else { 0 };
        pages.insert(row.pageid);
        if !share.is_empty() && (bytes > BYTES_PER_CALL_MAX || pages.len() > PAGES_PER_CALL_MAX) {
            return Ok((share, Some(row.place())));
        }
        share.push((at_ms, row, raw));
    }
    Ok((share, next))
}

/// What the rows say, and how many of them were told: one whose interactions do not fit any more is left to the next call, with all behind it.
fn interactions(settings: &Settings, rows: &[(&Row, &Value)]) -> Result<(Vec<Interaction>, usize), Error> {
    // A row without a title is one whose title an administrator hid, or one that nobody understands.
    let is_followed = |row: &Row| if row.title.is_empty() { !row.is_understood() } else { settings.follows(&row.title) };
    let mut wanted = BTreeMap::new();
    for (row, _) in rows.iter().filter(|(row, _)| row.is_edit() && is_followed(row)) {
        wanted.insert(row.revid, row.newlen);
        if row.old_revid != 0 {
            wanted.insert(row.old_revid, row.oldlen);
        }
    }
    let texts = revisions::texts(settings, &wanted).map_err(|trouble| trouble.meaning(Purpose::Look))?;
    let mut known = Known::default();
    let mut interactions = Vec::new();
    for (number, (row, raw)) in rows.iter().enumerate() {
        let mut said = Vec::new();
        if is_followed(row) && !row.is_understood() {
            said.push(not_understood(format!("rc:{}", row.rcid), row, raw));
        } else if is_followed(row) && row.is_edit() {
            said.extend(edit(settings, row, raw, &texts));
        } else if row.is_understood() {
            let taken_back = taken_back(&mut known, row, is_followed(row))?;
            said.extend(taken_back.into_iter().map(|revision| deletion(settings, row, revision)));
        }
        if interactions.len() + said.len() > INTERACTIONS_MAX {
            known.keep()?;
            return Ok((interactions, number));
        }
        if row.is_page_deletion() {
            known.forget(row.pageid)?;
        } else if row.is_edit() && !said.is_empty() {
            known.remember(row.pageid, row.revid)?;
        }
        interactions.extend(said);
    }
    known.keep()?;
    Ok((interactions, rows.len()))
}

/// The revisions that a row of the log takes back, at most as many as a call may tell. A page that was moved away since has another title, or one
/// that is not followed: what was reported of it is known by its number.
fn taken_back(known: &mut Known, row: &Row, is_followed: bool) -> Result<Vec<u64>, Error> {
    if row.is_page_deletion() {
        return known.of(row.pageid);
    }
    let mut hidden = row.hidden_revisions();
    if !hidden.is_empty() && (!is_followed || hidden.len() > INTERACTIONS_MAX) {
        let reported = known.of(row.pageid)?;
        hidden.retain(|revision| reported.contains(revision));
    }
    Ok(hidden)
}

fn edit(settings: &Settings, row: &Row, raw: &Value, texts: &BTreeMap<u64, String>) -> Option<Interaction> {
    // Without its text a revision was deleted or hidden since: the wiki itself does not show any more what was said.
    let new = texts.get(&row.revid)?;
    let old = match (row.old_revid, texts.get(&row.old_revid)) {
        (0, _) => "",
        (_, Some(old)) => old,
        // Nobody can tell what was added: the whole page would be taken for this author's words.
        (_, None) => return Some(by_whom(settings, row, not_understood(format!("rev:{}", row.revid), row, raw))),
    };
    let Addition { thread, kind, text } = addition(old, new, row.user.as_deref())?;
    let kind = match kind {
        Kind::Thread => "post",
        Kind::Comment => "comment",
        Kind::Change => "page-edit",
    };
    let interaction = Interaction::new(format!("rev:{}", row.revid), kind, row.timestamp.as_str(), thread.key(&row.title))
        .conversation_title(thread.title(&row.title))
        .conversation_url(settings.page_url(&row.title, thread.heading.as_deref()))
        .text(cut(&text, TEXT_BYTES_MAX))
        .attribute("page", row.title.as_str())
        .attribute("revision", row.revid.to_string())
        .raw_text(raw.to_string());
    let mut interaction = by_whom(settings, row, interaction);
    if interaction.own
        && let Some(key) = find::key_added(old, new)
    {
        interaction = interaction.effect_key(key);
    }
    if let Some(language) = &settings.language {
        interaction = interaction.language(language.as_str());
    }
    for (is_flagged, flag) in [(row.minor, "minor"), (row.bot, "bot")] {
        if is_flagged {
            interaction = interaction.attribute(flag, "true");
        }
    }
    Some(interaction)
}

fn by_whom(settings: &Settings, row: &Row, interaction: Interaction) -> Interaction {
    let Some(user) = row.user.as_deref() else { return interaction };
    let interaction = interaction.own(settings.is_bot(user));
    if row.userid == 0 {
        return interaction;
    }
    let profile = Profile::new(row.userid.to_string()).handle(user).display_name(user);
    interaction.author(profile.url(settings.page_url(&format!("User:{user}"), None)))
}

/// A row of a kind that nobody knows, or an edit that cannot be compared with what was there before: somebody may have said something.
fn not_understood(id: String, row: &Row, raw: &Value) -> Interaction {
    let key = if row.title.is_empty() { id.clone() } else { row.title.clone() };
    Interaction::new(id, "page-edit", row.timestamp.as_str(), key).attribute("not-understood", "true").raw_text(raw.to_string())
}

fn deletion(settings: &Settings, row: &Row, revision: u64) -> Interaction {
    // In which thread the words stood went with them; the interaction they belong to is known by its id.
    Interaction::new(format!("rev:{revision}"), "comment", row.timestamp.as_str(), row.title.as_str())
        .deleted("deleted")
        .conversation_title(row.title.as_str())
        .conversation_url(settings.page_url(&row.title, None))
}
