//! A post: a section of its own at the end of the page that the settings name, signed, with the effect's key in a comment nobody sees.
//!
//! A first line that is short is the heading of what stands below it; otherwise the heading is the effect's subject, or how the words begin.

use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Receipt};

use crate::find::{self, marker};
use crate::publish::{ATTEMPTS_MAX, conflict, edit, may_be_repeated, page_now, receipt};
use crate::{Settings, words};

/// Characters of a heading that we make.
const HEADING_CHARACTERS_MAX: usize = 100;

pub(crate) fn publish(context: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
    let settings = &context.settings;
    let title = page_of(settings, effect)?;
    let (heading, body) =
        heading_and_body(effect).ok_or_else(|| Error::reject(format!("effect {}: there is nothing to say", effect.key)))?;
    let text = format!("{} ~~~~{}", body.join("\n\n"), marker(effect));
    for _ in 0..ATTEMPTS_MAX {
        let page = page_now(settings, title)?
            .ok_or_else(|| Error::reject(format!("effect {}: there is no page {title} on the wiki: make it first", effect.key)))?;
        if page.text.contains(&marker(effect)) {
            return find::receipt(settings, effect, &page);
        }
        match edit(settings, &page, &[("section", "new"), ("sectiontitle", &heading), ("text", &text)]) {
            Ok(edit) => return receipt(settings, &page, Some(&words::readable(&heading)), &edit),
            Err(trouble) => may_be_repeated(trouble)?,
        }
    }
    Err(conflict(effect))
}

pub(crate) fn presence(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    find::presence(&context.settings, effect, page_of(&context.settings, effect)?)
}

fn page_of<'settings>(settings: &'settings Settings, effect: &Effect) -> Result<&'settings str, Error> {
    settings
        .post_page
        .as_deref()
        .ok_or_else(|| Error::reject(format!("effect {}: enter the page that posts go to in the setting `post-page`", effect.key)))
}

/// As wikitext. None: there is nothing to say.
fn heading_and_body(effect: &Effect) -> Option<(String, Vec<String>)> {
    let lines = words::as_wikitext(&effect.text);
    let first = effect.text.lines().map(str::trim).find(|line| !line.is_empty())?;
    match (&effect.subject, lines.split_first()?) {
        (None, (heading, rest)) if !rest.is_empty() && beginning(first) == first => Some((heading.clone(), rest.to_vec())),
        (subject, _) => {
            let heading = subject.as_deref().map(str::trim).filter(|subject| !subject.is_empty()).unwrap_or(first);
            Some((words::as_wikitext(&beginning(heading)).join(" "), lines))
        }
    }
}

/// What of a line makes a heading: all of it, or its first words.
fn beginning(line: &str) -> String {
    let Some((end, _)) = line.char_indices().nth(HEADING_CHARACTERS_MAX) else { return line.to_owned() };
    let end = line[..end].rfind(char::is_whitespace).unwrap_or(end);
    format!("{}…", line[..end].trim_end())
}
