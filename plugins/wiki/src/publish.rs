//! A reply: appended to its section, signed, with the effect's key in a comment nobody sees.
//!
//! ```wikitext
//! :We are working on it. [[User:ConnectorBot|ConnectorBot]] ([[User talk:ConnectorBot|talk]]) 11:25, 22 November 2026 (UTC)<!-- sportello run-1-reply-1 -->
//! ```
//! The page is read right before the edit, and its revision goes with the edit: whoever else changes the same section meanwhile makes the wiki
//! refuse ours (`editconflict`), and then it is done again with what the page says now. What carries the key already is not done twice.

use std::time::Duration;

use serde_json::Value;
use sportello_sdk::{Context, Effect, Error, Receipt, time};

use crate::api::{self, Purpose, Trouble, unexpected};
use crate::find::{self, marker};
use crate::thread::{self, Thread, page_of, threads};
use crate::{Settings, words};

/// How often an edit is made in one call while others edit the same section.
pub(crate) const ATTEMPTS_MAX: usize = 4;
/// How long to leave a section alone that others keep editing.
const CONFLICT_PAUSE: Duration = Duration::from_secs(10);
/// The contract takes longer texts; a summary of MediaWiki holds 500 characters, and a long heading is no help.
const SUMMARY_HEADING_BYTES_MAX: usize = 200;

/// A page as it was read right now.
pub(crate) struct PageNow {
    /// As the wiki writes it; after a move not what was asked for.
    pub(crate) title: String,
    pub(crate) revision: u64,
    pub(crate) text: String,
    /// The token of the present session.
    token: String,
    /// By the wiki's clock.
    read_at: String,
}

pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let settings = &context.settings;
    let key = effect.conversation_key()?;
    let lines = words::as_wikitext(&effect.text);
    if lines.is_empty() {
        return Err(Error::reject(format!("effect {}: there is nothing to say", effect.key)));
    }
    let lines: Vec<_> = lines.iter().map(|line| format!(":{line}")).collect();
    let appended = format!("\n\n{} ~~~~{}", lines.join("\n"), marker(effect));

    for _ in 0..ATTEMPTS_MAX {
        let page = page_now(settings, page_of(key))?
            .ok_or_else(|| Error::reject(format!("effect {}: the page is gone from the wiki; nobody can be answered there", effect.key)))?;
        if page.text.contains(&marker(effect)) {
            return find::receipt(settings, effect, &page);
        }
        let found = threads(&page.text);
        let thread = found.iter().find(|thread| thread.name.key(page_of(key)) == key).ok_or_else(|| {
            Error::reject(format!("effect {}: its section is gone from the page, or has another heading now", effect.key))
        })?;
        let Some(section) = section_of(settings, &page, thread)? else { continue };
        match append(settings, &page, thread, &section, &appended) {
            Ok(edit) if edit["nochange"] == true => {
                // The text is what it was, so it holds what we wanted to add. Where it does not, somebody took it out in between.
                let now = page_now(settings, &page.title)?.filter(|now| now.text.contains(&marker(effect)));
                return now.map_or_else(|| Err(conflict(effect)), |now| find::receipt(settings, effect, &now));
            }
            Ok(edit) => return receipt(settings, &page, thread.name.heading.as_deref(), &edit),
            Err(trouble) => may_be_repeated(trouble)?,
        }
    }
    Err(conflict(effect))
}

/// Ok: somebody else was faster, or the session is another one now, so the page and the token are to be read again.
pub(crate) fn may_be_repeated(trouble: Trouble) -> Result<(), Error> {
    if ["editconflict", "nosuchsection", "badtoken"].iter().any(|code| trouble.is(code)) {
        return Ok(());
    }
    if trouble.is("assertuserfailed") {
        return api::log_in_anew();
    }
    Err(trouble.meaning(Purpose::Edit))
}

pub(crate) fn conflict(effect: &Effect) -> Error {
    Error::retry(
        CONFLICT_PAUSE,
        format!("effect {}: others edited the same section {ATTEMPTS_MAX} times in a row; nothing was changed", effect.key),
    )
}

/// A page with its text, and what an edit of it needs; None if there is no such page. Redirects are followed, as after a move.
pub(crate) fn page_now(settings: &Settings, title: &str) -> Result<Option<PageNow>, Error> {
    let asked = [
        ("action", "query"),
        ("meta", "tokens"),
        ("prop", "revisions"),
        ("titles", title),
        ("redirects", "1"),
        ("rvprop", "ids|timestamp|content"),
        ("rvslots", "main"),
        ("curtimestamp", "1"),
    ];
    let reply = match api::look(settings, &asked) {
        Err(trouble) if trouble.is("invalidtitle") => return Ok(None),
        outcome => outcome.map_err(|trouble| trouble.meaning(Purpose::Look))?,
    };
    let page = &reply["query"]["pages"][0];
    if page["missing"] == true || page["invalid"] == true {
        return Ok(None);
    }
    let revision = &page["revisions"][0];
    let text = |value: &Value, what: &str| value.as_str().map(str::to_owned).ok_or_else(|| unexpected(what));
    Ok(Some(PageNow {
        title: text(&page["title"], "page title")?,
        revision: revision["revid"].as_u64().ok_or_else(|| unexpected("revision"))?,
        text: text(&revision["slots"]["main"]["content"], "page text")?,
        token: text(&reply["query"]["tokens"]["csrftoken"], "csrftoken")?,
        read_at: text(&reply["curtimestamp"], "curtimestamp")?,
    }))
}

/// What MediaWiki calls this section in that revision. None: the revision is gone, the page must be read again.
fn section_of(settings: &Settings, page: &PageNow, thread: &Thread<'_>) -> Result<Option<String>, Error> {
    let Some(heading) = &thread.name.heading else { return Ok(Some("0".into())) };
    let revision = page.revision.to_string();
    let asked = [("action", "parse"), ("oldid", revision.as_str()), ("prop", "sections")];
    let reply = match api::look(settings, &asked) {
        Err(Trouble::Api(error)) if matches!(error.code.as_str(), "nosuchrevid" | "missingtitle") => return Ok(None),
        outcome => outcome.map_err(|trouble| trouble.meaning(Purpose::Look))?,
    };
    let sections = reply["parse"]["sections"].as_array().ok_or_else(|| unexpected("list of sections"))?;
    // Sections of templates shown on the page have an index like `T-1`: they are edited elsewhere.
    let sections: Vec<_> = sections.iter().filter(|section| index(section).is_some()).collect();
    let ours = thread::headings(&page.text);
    let same_shape = ours.len() == sections.len()
        && ours.iter().zip(&sections).all(|(ours, theirs)| theirs["level"].as_str() == Some(ours.level.to_string().as_str()));
    if same_shape {
        return Ok(sections.get(thread.section - 1).and_then(|section| index(section)).map(str::to_owned));
    }
    // The wiki sees other headings than we do (a template makes one, say): it is known by what it shows, if only one shows that.
    let shown = words::readable(heading);
    let mut alike = sections.iter().filter(|section| section["line"].as_str().is_some_and(|line| plain(line) == shown));
    match (alike.next().and_then(|section| index(section)), alike.next()) {
        (Some(index), None) => Ok(Some(index.to_owned())),
        _ => Err(Error::reject("the section can't be told apart from others on its page")),
    }
}

fn index(section: &Value) -> Option<&str> {
    section["index"].as_str().filter(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A heading as the wiki shows it, as text.
fn plain(html: &str) -> String {
    const ENTITIES: [(&str, &str); 6] = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#039;", "'"), ("&#160;", " "), ("&amp;", "&")];
    let text = ENTITIES.iter().fold(words::without_tags(html), |text, (entity, letter)| text.replace(entity, letter));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn append(settings: &Settings, page: &PageNow, thread: &Thread<'_>, section: &str, appended: &str) -> Result<Value, Trouble> {
    let heading = thread
        .name
        .heading
        .as_deref()
        .map_or_else(String::new, |heading| format!("/* {} */ ", thread::cut(&words::readable(heading), SUMMARY_HEADING_BYTES_MAX)));
    let summary = format!("{heading}reply");
    edit(settings, page, &[("section", section), ("appendtext", appended), ("summary", &summary)])
}

/// Edits a page that was read right now.
pub(crate) fn edit(settings: &Settings, page: &PageNow, what: &[(&str, &str)]) -> Result<Value, Trouble> {
    let base = page.revision.to_string();
    let everywhere = [
        ("action", "edit"),
        ("title", page.title.as_str()),
        ("baserevid", &base),
        ("starttimestamp", &page.read_at),
        ("nocreate", "1"),
        ("bot", "1"),
        ("token", &page.token),
    ];
    let mut reply = api::edit(settings, &[&everywhere, what].concat())?;
    Ok(reply["edit"].take())
}

/// What an edit below this heading came to.
pub(crate) fn receipt(settings: &Settings, page: &PageNow, heading: Option<&str>, edit: &Value) -> Result<Receipt, Error> {
    match (edit["result"].as_str(), edit["newrevid"].as_u64()) {
        (Some("Success"), Some(revision)) => {
            let receipt = Receipt::new(format!("rev:{revision}")).url(settings.page_url(&page.title, heading));
            Ok(match edit["newtimestamp"].as_str().and_then(time::normalise) {
                Some(at) => receipt.at(at),
                None => receipt,
            })
        }
        // A filter or a captcha of an extension: the wiki says so without an error, and has not kept the edit.
        (Some("Failure"), _) => Err(Error::reject(format!("the wiki refused the edit: {edit}"))),
        _ => Err(Error::uncertain(format!("the wiki's answer to an edit is neither success nor failure: {edit}"))),
    }
}
