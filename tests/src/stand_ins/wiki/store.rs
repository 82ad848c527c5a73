//! The stand-in wiki's pages, revisions and recent changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::ApiError;
use super::wikitext::{replace_range, section_range, sections, sign, title_of, with_new_section};

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actor {
    /// 0 for somebody who is not logged in.
    pub(super) id: u64,
    /// The user name, or the address of somebody who is not logged in.
    pub(super) name: String,
    /// Whether edits may be flagged as a bot's.
    pub(super) bot: bool,
    /// Whether deleting is allowed.
    pub(super) admin: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Revision {
    pub(super) id: u64,
    pub(super) parent: u64,
    pub(super) user: String,
    pub(super) user_id: u64,
    pub(super) time: Timestamp,
    pub(super) comment: String,
    pub(super) text: String,
    /// Whether its text is shown to nobody.
    pub(super) is_hidden: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) id: u64,
    pub(super) namespace: i64,
    pub(super) title: String,
    pub(super) redirect_to: Option<String>,
    pub(super) revisions: Vec<Revision>,
}

impl Page {
    /// The newest revision.
    pub(super) fn current(&self) -> &Revision {
        self.revisions.last().expect("a page is made with its first revision and never loses one")
    }
}

/// A row of recent changes with every member the API can show.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) id: u64,
    pub(super) time: Timestamp,
    pub(super) row: Value,
}

/// The base an editor says to have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Revision(u64),
    Time(Timestamp),
}

/// Which part of a page an edit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Section(usize),
    NewSection,
}

/// `action=edit`, already checked for form.
#[derive(Debug, Clone)]
pub(super) struct EditRequest {
    pub(super) title: String,
    pub(super) part: Part,
    pub(super) heading: String,
    pub(super) text: Option<String>,
    pub(super) append: String,
    pub(super) summary: Option<String>,
    pub(super) base: Option<Base>,
    pub(super) create_only: bool,
    pub(super) no_create: bool,
    pub(super) as_bot: bool,
}

/// Everything that is written.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) pages: Vec<Page>,
    pub(super) changes: Vec<Change>,
    last_page: u64,
    last_revision: u64,
    last_change: u64,
    last_log: u64,
}

impl Store {
    pub(super) fn page(&self, title: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.title == title)
    }

    pub(super) fn page_mut(&mut self, title: &str) -> Option<&mut Page> {
        self.pages.iter_mut().find(|page| page.title == title)
    }

    /// Makes an edit and gives the `edit` member of the reply.
    pub(super) fn edit(&mut self, request: &EditRequest, actor: &Actor, now: Timestamp) -> Result<Value, ApiError> {
        let Some((namespace, title)) = title_of(&request.title) else {
            return Err(ApiError::new("invalidtitle", format!("Bad title \"{}\".", request.title)));
        };
        let existing = self.page(&title).cloned();
        if existing.is_some() && request.create_only {
            return Err(ApiError::new("articleexists", "The article you tried to create has been created already."));
        }
        if existing.is_none() && request.no_create {
            return Err(ApiError::new("missingtitle", "The page you specified doesn't exist."));
        }
        let text = new_text(request, existing.as_ref(), actor, now)?;
        let summary = request.summary.clone().unwrap_or_else(|| match (request.part, request.heading.trim()) {
            // The automatic summary of a new section.
            (Part::NewSection, heading) if !heading.is_empty() => format!("/* {heading} */ new section"),
            _ => String::new(),
        });
        if let Some(page) = existing.as_ref().filter(|page| page.current().text == text) {
            return Ok(json!({"result": "Success", "pageid": page.id, "title": title, "contentmodel": "wikitext", "nochange": true}));
        }
        let is_new = existing.is_none();
        if is_new {
            self.last_page += 1;
            self.pages.push(Page { id: self.last_page, namespace, title: title.clone(), redirect_to: None, revisions: Vec::new() });
        }
        let old = existing.as_ref().map(Page::current);
        let (old_id, old_length) = old.map_or((0, 0), |old| (old.id, old.text.len()));
        let (page_id, revision) = self.add_revision(&title, old_id, actor, now, &summary, &text);
        self.add_change(now, json!({
            "type": if is_new { "new" } else { "edit" }, "ns": namespace, "title": title, "pageid": page_id, "revid": revision, "old_revid": old_id,
            "user": actor.name, "userid": actor.id, "bot": request.as_bot && actor.bot, "new": is_new, "minor": false,
            "oldlen": old_length, "newlen": text.len(), "comment": summary, "tags": [],
        }), actor);
        let mut done = json!({
            "result": "Success", "pageid": page_id, "title": title, "contentmodel": "wikitext", "oldrevid": old_id, "newrevid": revision,
            "newtimestamp": stamp(now),
        });
        if is_new {
            done["new"] = json!(true);
        }
        Ok(done)
    }

    /// Deletes a page. Its rows of edits leave recent changes; a row of the deletion enters.
    pub(super) fn delete(&mut self, title: &str, reason: &str, actor: &Actor, now: Timestamp) -> Result<Value, ApiError> {
        if !actor.admin {
            return Err(ApiError::new(
                "permissiondenied",
                "The action you have requested is limited to users in the group: Administrators.",
            ));
        }
        let page = self.take_page(title)?;
        self.changes.retain(|change| change.row["pageid"] != json!(page.id) || change.row["type"] == "log");
        let log = self.add_log(now, &page, 0, reason, json!({"logtype": "delete", "logaction": "delete", "logparams": {}}), actor);
        Ok(json!({"title": page.title, "reason": reason, "logid": log}))
    }

    /// Hides the text of revisions of one page. Measured: the last revision of a page is left as it is, beside a success; a row of the log names those that
    /// were hidden, and the rows of their edits stay.
    pub(super) fn hide(&mut self, ids: &[u64], reason: &str, actor: &Actor, now: Timestamp) -> Result<Value, ApiError> {
        if !actor.admin {
            return Err(ApiError::new("permissiondenied", "You don't have permission to delete revisions."));
        }
        let is_meant = |page: &&mut Page| page.revisions.iter().any(|revision| ids.contains(&revision.id));
        let page = self.pages.iter_mut().find(is_meant).ok_or_else(|| ApiError::new("nosuchrevid", "There is no such revision."))?;
        let last = page.current().id;
        let mut hidden = Vec::new();
        let mut items = Vec::new();
        for revision in page.revisions.iter_mut().filter(|revision| ids.contains(&revision.id)) {
            if revision.id != last && !revision.is_hidden {
                revision.is_hidden = true;
                hidden.push(revision.id);
            }
            items.push(json!({"status": "Success", "id": revision.id, "texthidden": revision.is_hidden}));
        }
        let page = page.clone();
        if !hidden.is_empty() {
            let what = |content: bool| json!({"bitmask": u8::from(content), "content": content, "comment": false, "user": false, "restricted": false});
            let params = json!({"type": "revision", "ids": hidden, "old": what(false), "new": what(true)});
            self.add_log(now, &page, 0, reason, json!({"logtype": "delete", "logaction": "revision", "logparams": params}), actor);
        }
        Ok(json!({"status": "Success", "target": page.title, "items": items}))
    }

    /// Moves a page and leaves a redirect, which is a page of its own but no row of recent changes. Old rows keep the old title.
    pub(super) fn rename(&mut self, from: &str, to: &str, reason: &str, actor: &Actor, now: Timestamp) -> Result<Value, ApiError> {
        let Some((namespace, target)) = title_of(to) else {
            return Err(ApiError::new("invalidtitle", format!("Bad title \"{to}\".")));
        };
        if self.page(&target).is_some() {
            return Err(ApiError::new("articleexists", "A page of that name already exists, or the name you have chosen is not valid."));
        }
        let old = self.take_page(from)?;
        let text = old.current().text.clone();
        let parent = old.current().id;
        self.pages.push(Page { namespace, title: target.clone(), ..old.clone() });
        let comment = format!("moved page [[{}]] to [[{target}]]: {reason}", old.title);
        let (_, revision) = self.add_revision(&target, parent, actor, now, &comment, &text);
        self.last_page += 1;
        let redirect = Page { id: self.last_page, redirect_to: Some(target.clone()), revisions: Vec::new(), ..old.clone() };
        self.pages.push(redirect);
        self.add_revision(&old.title, 0, actor, now, &comment, &format!("#REDIRECT [[{target}]]"));
        let params = json!({"target_ns": namespace, "target_title": target, "suppressredirect": false});
        self.add_log(now, &old, revision, reason, json!({"logtype": "move", "logaction": "move", "logparams": params}), actor);
        Ok(json!({"from": old.title, "to": target, "reason": reason, "redirectcreated": true, "moveoverredirect": false}))
    }

    fn take_page(&mut self, title: &str) -> Result<Page, ApiError> {
        let missing = || ApiError::new("missingtitle", "The page you specified doesn't exist.");
        let (_, title) = title_of(title).ok_or_else(missing)?;
        let position = self.pages.iter().position(|page| page.title == title).ok_or_else(missing)?;
        Ok(self.pages.remove(position))
    }

    fn add_revision(&mut self, title: &str, parent: u64, actor: &Actor, now: Timestamp, comment: &str, text: &str) -> (u64, u64) {
        self.last_revision += 1;
        let revision = Revision {
            id: self.last_revision,
            parent,
            user: actor.name.clone(),
            user_id: actor.id,
            time: now,
            comment: comment.to_owned(),
            text: text.to_owned(),
            is_hidden: false,
        };
        let page = self.page_mut(title).expect("the caller made the page or found it under this lock");
        page.revisions.push(revision);
        (page.id, self.last_revision)
    }

    fn add_log(&mut self, now: Timestamp, page: &Page, revision: u64, reason: &str, log: Value, actor: &Actor) -> u64 {
        self.last_log += 1;
        let mut row = json!({
            "type": "log", "ns": page.namespace, "title": page.title, "pageid": page.id, "revid": revision, "old_revid": 0, "user": actor.name,
            "userid": actor.id, "bot": false, "new": false, "minor": false, "oldlen": 0, "newlen": 0, "comment": reason, "logid": self.last_log,
        });
        for (name, value) in log.as_object().into_iter().flatten() {
            row[name] = value.clone();
        }
        row["tags"] = json!([]);
        self.add_change(now, row, actor);
        self.last_log
    }

    fn add_change(&mut self, now: Timestamp, mut row: Value, actor: &Actor) {
        self.last_change += 1;
        row["rcid"] = json!(self.last_change);
        row["timestamp"] = json!(stamp(now));
        if actor.id == 0 {
            row["anon"] = json!(true);
        }
        self.changes.push(Change { id: self.last_change, time: now, row });
    }
}

/// A time as the API writes it: whole seconds, UTC.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn new_text(request: &EditRequest, existing: Option<&Page>, actor: &Actor, now: Timestamp) -> Result<String, ApiError> {
    let current = existing.map_or("", |page| page.current().text.as_str());
    let signed = |text: &str| sign(text, &actor.name, now);
    match request.part {
        // A new thread never conflicts.
        Part::NewSection => Ok(with_new_section(current, &request.heading, &signed(request.text.as_deref().unwrap_or(&request.append)))),
        Part::Whole => {
            if let Some(base) = stale_base(request, existing)?
                && base.text != current
            {
                // The real one also tries to merge here; refusing is the stricter half of what it does.
                return Err(conflict());
            }
            Ok(signed(&request.text.clone().unwrap_or_else(|| format!("{current}{}", request.append))).trim_end().to_owned())
        }
        Part::Section(index) => {
            let no_section = || ApiError::new("nosuchsection", format!("There is no section {index}."));
            let page = existing.ok_or_else(no_section)?;
            let base = stale_base(request, existing)?.map_or(current, |base| base.text.as_str());
            let range = section_range(base, index).ok_or_else(no_section)?;
            let seen = base[range.0..range.1].trim_end();
            // What changed elsewhere on the page is merged: the section is looked for as it was seen.
            let place = same_section(&page.current().text, seen, index).ok_or_else(conflict)?;
            let text = request.text.clone().unwrap_or_else(|| format!("{seen}{}", request.append));
            Ok(replace_range(current, place, &signed(&text)))
        }
    }
}

fn conflict() -> ApiError {
    ApiError::new("editconflict", "Edit conflict.")
}

/// The revision the editor saw, when it is not the newest.
fn stale_base<'a>(request: &EditRequest, existing: Option<&'a Page>) -> Result<Option<&'a Revision>, ApiError> {
    let (Some(page), Some(base)) = (existing, request.base) else {
        return Ok(None);
    };
    let seen = match base {
        Base::Revision(id) => page.revisions.iter().find(|revision| revision.id == id),
        Base::Time(time) => page.revisions.iter().rev().find(|revision| stamp(revision.time) <= stamp(time)),
    };
    match (seen, base) {
        (Some(seen), _) => Ok((seen.id != page.current().id).then_some(seen)),
        (None, Base::Revision(id)) => Err(ApiError::new("nosuchrevid", format!("There is no revision with ID {id}."))),
        (None, Base::Time(_)) => Err(conflict()),
    }
}

fn same_section(text: &str, seen: &str, index: usize) -> Option<(usize, usize)> {
    let is_same = |range: &(usize, usize)| text[range.0..range.1].trim_end() == seen;
    section_range(text, index).filter(is_same).or_else(|| {
        let mut same = (1..=sections(text).len()).filter_map(|index| section_range(text, index)).filter(is_same);
        let first = same.next();
        first.filter(|_| same.next().is_none())
    })
}
