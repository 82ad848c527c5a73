//! What the stand-in wiki can be asked: `action=query` and `action=parse`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::call::{ANONYMOUS_TOKEN, ApiError, Call, SESSION_COOKIE};
use super::store::{Change, Page, Revision, stamp};
use super::wikitext::{heading_shown, section_range, sections, title_of};
use super::{Inside, Session, keep_session};

/// Rows a list gives by default, and an ordinary account at most; of whole texts fewer.
const ROWS_DEFAULT: usize = 10;
const ROWS_MAX: usize = 500;
const TEXTS_MAX: usize = 50;
/// The lists with limits: module and parameter.
const LIMITS: [(&str, &str); 3] = [("recentchanges", "rclimit"), ("usercontribs", "uclimit"), ("revisions", "rvlimit")];

type Reply = std::result::Result<Value, ApiError>;
/// Where to go on: the parameter's name and its value.
type Resume = Option<(&'static str, String)>;
/// Rows, and where to go on.
type Rows<Shown> = std::result::Result<(Shown, Resume), ApiError>;

pub(super) fn query(inside: &mut Inside, call: &mut Call) -> Reply {
    let mut reply = Map::new();
    let mut found = Map::new();
    let mut resume = None;
    let asked = |name: &str| call.list(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let (metas, lists) = (asked("meta"), asked("list"));
    for meta in metas {
        match meta.as_str() {
            "tokens" => found.insert("tokens".to_owned(), tokens(inside, call)?),
            "userinfo" => found.insert("userinfo".to_owned(), user_info(inside, call)),
            "siteinfo" => found.insert("general".to_owned(), json!({"mainpage": "Main Page", "sitename": "Sportello Test Wiki", "generator": "MediaWiki 1.39.17", "time": stamp(inside.now())})),
            other => return Err(ApiError::new("badvalue", format!("Unrecognized value for parameter \"meta\": {other}."))),
        };
    }
    for list in lists {
        let (rows, next) = match list.as_str() {
            "recentchanges" => recent_changes(inside, call)?,
            "usercontribs" => contributions(inside, call)?,
            other => return Err(ApiError::new("badvalue", format!("Unrecognized value for parameter \"list\": {other}."))),
        };
        found.insert(list, rows);
        resume = next;
    }
    if call.flag("titles") || call.flag("revids") {
        let (pages, next) = revisions_of_pages(inside, call)?;
        for (name, value) in pages {
            found.insert(name, value);
        }
        resume = resume.or(next);
    }
    // Measured: `batchcomplete` stands beside the `continue` of lists, but not beside that of revisions.
    if resume.as_ref().is_none_or(|(name, _): &(&str, String)| *name != "rvcontinue") {
        reply.insert("batchcomplete".to_owned(), json!(true));
    }
    if let Some((name, value)) = resume {
        let rest = if name == "rvcontinue" { "||" } else { "-||" };
        reply.insert("continue".to_owned(), json!({name: value, "continue": rest}));
    }
    if call.flag("curtimestamp") {
        reply.insert("curtimestamp".to_owned(), json!(stamp(inside.now())));
    }
    for (module, name) in LIMITS {
        let (_, warnings) = limited(call, name)?;
        if !warnings.is_empty() {
            let warnings = json!({module: {"warnings": warnings.join("\n")}});
            reply.insert("warnings".to_owned(), warnings);
        }
    }
    reply.insert("query".to_owned(), Value::Object(found));
    Ok(Value::Object(reply))
}

fn tokens(inside: &mut Inside, call: &mut Call) -> Reply {
    match call.get("type").unwrap_or("csrf") {
        "csrf" => Ok(json!({"csrftoken": if call.actor.id == 0 { ANONYMOUS_TOKEN } else { &call.csrf_token }})),
        "login" => {
            let held = call.session.as_ref().and_then(|id| inside.sessions.get(id));
            let token = match held {
                Some(session) => session.login_token.clone(),
                None => {
                    let session = Session::new(None);
                    let token = session.login_token.clone();
                    call.set_cookie = Some(keep_session(inside, SESSION_COOKIE, session));
                    token
                }
            };
            Ok(json!({"logintoken": token}))
        }
        other => Err(ApiError::new("badvalue", format!("Unrecognized value for parameter \"type\": {other}."))),
    }
}

fn user_info(inside: &Inside, call: &Call) -> Value {
    let mut info = json!({"id": call.actor.id, "name": call.actor.name});
    if call.actor.id == 0 {
        info["anon"] = json!(true);
    }
    if call.list("uiprop").contains(&"hasmsg") {
        info["messages"] = json!(inside.people.get(&call.actor.name).is_some_and(|person| person.unread));
    }
    if call.list("uiprop").contains(&"groups") {
        info["groups"] = if call.actor.bot { json!(["bot", "*", "user", "autoconfirmed"]) } else { json!(["*"]) };
    }
    info
}

fn limit_of(call: &Call, name: &str) -> std::result::Result<usize, ApiError> {
    Ok(limited(call, name)?.0)
}

/// How many rows are given, and the warnings where the call asked for more than may be, or for none.
fn limited(call: &Call, name: &str) -> std::result::Result<(usize, Vec<String>), ApiError> {
    let gives_texts = name == "rvlimit" && call.list("rvprop").contains(&"content");
    let maxima = [Some(ROWS_MAX), gives_texts.then_some(TEXTS_MAX)].into_iter().flatten().map(|limit| call.at_most(limit));
    let mut rows = match call.get(name) {
        None => i64::try_from(ROWS_DEFAULT).unwrap_or(i64::MAX),
        Some("max") => return Ok((maxima.min().unwrap_or(ROWS_MAX), Vec::new())),
        Some(text) => {
            text.parse().map_err(|_| ApiError::new("badinteger", format!("Invalid value \"{text}\" for integer parameter \"{name}\".")))?
        }
    };
    let mut warnings = Vec::new();
    for rows_max in maxima {
        let within = rows.clamp(1, i64::try_from(rows_max).unwrap_or(i64::MAX));
        if within != rows {
            let shown = if rows_max < 1_000 { rows_max.to_string() } else { format!("{},{:03}", rows_max / 1_000, rows_max % 1_000) };
            warnings.push(format!("The value \"{rows}\" for parameter \"{name}\" must be between 1 and {shown}."));
        }
        rows = within;
    }
    Ok((usize::try_from(rows).unwrap_or(1), warnings))
}

fn time_of(call: &Call, name: &str) -> std::result::Result<Option<String>, ApiError> {
    let bad = |text: &str| ApiError::new("badtimestamp", format!("Invalid value \"{text}\" for timestamp parameter \"{name}\"."));
    call.get(name).map(|text| text.parse::<Timestamp>().map(stamp).map_err(|_| bad(text))).transpose()
}

/// `20261122112537|4`: the row to go on with, which is the first of the next page.
fn place_of(text: &str) -> std::result::Result<(String, u64), ApiError> {
    let bad = || ApiError::new("badcontinue", "Invalid continue param. You should pass the original value returned by the previous query.");
    let (time, id) = text.split_once('|').ok_or_else(bad)?;
    if time.len() != 14 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    Ok((time.to_owned(), id.parse().map_err(|_| bad())?))
}

fn short_stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%S").to_string()
}

fn recent_changes(inside: &Inside, call: &Call) -> Rows<Value> {
    let newer = call.get("rcdir") == Some("newer");
    let (types, spaces, shows) = (call.list("rctype"), call.list("rcnamespace"), call.list("rcshow"));
    let (start, end) = (time_of(call, "rcstart")?, time_of(call, "rcend")?);
    let place = call.get("rccontinue").map(place_of).transpose()?;
    let is_wanted = |change: &&Change| {
        let row = &change.row;
        let time = stamp(change.time);
        let (earliest, latest) = if newer { (&start, &end) } else { (&end, &start) };
        let is_in_time = earliest.as_ref().is_none_or(|earliest| time >= *earliest) && latest.as_ref().is_none_or(|latest| time <= *latest);
        let is_reached = place.as_ref().is_none_or(|place| {
            let here = (short_stamp(change.time), change.id);
            if newer { here >= *place } else { here <= *place }
        });
        let shows_it = shows.iter().all(|show| match *show {
            "bot" => row["bot"] == true,
            "!bot" => row["bot"] != true,
            "anon" => row["userid"] == 0,
            "!anon" => row["userid"] != 0,
            _ => true,
        });
        is_in_time
            && is_reached
            && shows_it
            && (types.is_empty() || types.contains(&row["type"].as_str().unwrap_or_default()))
            && (spaces.is_empty() || spaces.contains(&row["ns"].to_string().as_str()))
            && call.get("rcuser").is_none_or(|user| row["user"] == user)
            && call.get("rcexcludeuser").is_none_or(|user| row["user"] != user)
    };
    let mut rows: Vec<&Change> = inside.store.changes.iter().filter(is_wanted).collect();
    rows.sort_by_key(|change| (short_stamp(change.time), change.id));
    if !newer {
        rows.reverse();
    }
    let limit = limit_of(call, "rclimit")?;
    let resume = rows.get(limit).map(|next| ("rccontinue", format!("{}|{}", short_stamp(next.time), next.id)));
    let properties = if call.flag("rcprop") { call.list("rcprop") } else { vec!["title", "timestamp", "ids"] };
    let shown = rows.iter().take(limit).map(|change| row_shown(&change.row, &properties)).collect();
    Ok((Value::Array(shown), resume))
}

/// Only the members that were asked for, in the order of the real one.
fn row_shown(row: &Value, properties: &[&str]) -> Value {
    const MEMBERS: &[(&str, &str)] = &[
        ("type", ""),
        ("ns", "title"),
        ("title", "title"),
        ("pageid", "ids"),
        ("revid", "ids"),
        ("old_revid", "ids"),
        ("rcid", "ids"),
        ("user", "user"),
        ("userid", "userid"),
        ("anon", "user"),
        ("bot", "flags"),
        ("new", "flags"),
        ("minor", "flags"),
        ("oldlen", "sizes"),
        ("newlen", "sizes"),
        ("timestamp", "timestamp"),
        ("comment", "comment"),
        ("logid", "loginfo"),
        ("logtype", "loginfo"),
        ("logaction", "loginfo"),
        ("logparams", "loginfo"),
        ("tags", "tags"),
    ];
    let wanted = MEMBERS.iter().filter(|(_, property)| property.is_empty() || properties.contains(property));
    Value::Object(wanted.filter_map(|(name, _)| Some(((*name).to_owned(), row.get(name)?.clone()))).collect())
}

fn contributions(inside: &Inside, call: &Call) -> Rows<Value> {
    let user = call.required("ucuser")?;
    let newer = call.get("ucdir") == Some("newer");
    let spaces = call.list("ucnamespace");
    let place = call.get("uccontinue").map(place_of).transpose()?;
    let mut rows: Vec<(&Page, &Revision)> = inside
        .store
        .pages
        .iter()
        .filter(|page| spaces.is_empty() || spaces.contains(&page.namespace.to_string().as_str()))
        .flat_map(|page| page.revisions.iter().map(move |revision| (page, revision)))
        .filter(|(_, revision)| revision.user == user)
        .filter(|(_, revision)| {
            place.as_ref().is_none_or(|place| {
                let here = (short_stamp(revision.time), revision.id);
                if newer { here >= *place } else { here <= *place }
            })
        })
        .collect();
    rows.sort_by_key(|(_, revision)| (short_stamp(revision.time), revision.id));
    if !newer {
        rows.reverse();
    }
    let limit = limit_of(call, "uclimit")?;
    let resume = rows.get(limit).map(|(_, next)| ("uccontinue", format!("{}|{}", short_stamp(next.time), next.id)));
    let shown = rows.iter().take(limit).map(|(page, revision)| {
        json!({
            "userid": revision.user_id, "user": revision.user, "pageid": page.id, "revid": revision.id, "parentid": revision.parent,
            "ns": page.namespace, "title": page.title, "timestamp": stamp(revision.time), "comment": revision.comment,
        })
    });
    Ok((Value::Array(shown.collect()), resume))
}

fn revisions_of_pages(inside: &Inside, call: &Call) -> Rows<Vec<(String, Value)>> {
    let mut found = Vec::new();
    let (mut pages, mut redirects, mut resume) = (Vec::new(), Vec::new(), None);
    let (titles, revisions) = (call.named("titles")?, call.named("revids")?);
    if call.flag("rvlimit") && (titles.len() > 1 || !revisions.is_empty()) {
        return Err(ApiError::new("invalidparammix", "The \"rvlimit\" parameter may only be used on a single page."));
    }
    for title in titles.into_iter().filter(|title| !title.is_empty()) {
        let Some((namespace, title)) = title_of(title) else {
            return Err(ApiError::new("invalidtitle", format!("Bad title \"{title}\".")));
        };
        let page = inside.store.page(&title);
        let target = page.and_then(|page| page.redirect_to.clone()).filter(|_| call.flag("redirects"));
        let page = target.as_ref().map_or(page, |target| inside.store.page(target));
        if let Some(target) = target {
            redirects.push(json!({"from": title, "to": target}));
        }
        pages.push(match page {
            Some(page) => {
                let (revisions, next) = revisions_shown(page, call)?;
                resume = resume.or(next);
                page_shown(page, revisions)
            }
            None => json!({"ns": namespace, "title": title, "missing": true}),
        });
    }
    let mut bad = Map::new();
    for id in revisions {
        let number: u64 =
            id.parse().map_err(|_| ApiError::new("badinteger", format!("Invalid value \"{id}\" for integer parameter \"revids\".")))?;
        let hit = inside.store.pages.iter().find_map(|page| Some((page, page.revisions.iter().find(|revision| revision.id == number)?)));
        match hit {
            Some((page, revision)) => {
                let shown = revision_shown(revision, call)?;
                // Revisions of one page come together.
                match pages.iter_mut().find(|shown: &&mut Value| shown["pageid"] == json!(page.id)) {
                    Some(Value::Object(known)) => {
                        if let Some(Value::Array(revisions)) = known.get_mut("revisions") {
                            revisions.push(shown);
                        }
                    }
                    _ => pages.push(page_shown(page, vec![shown])),
                }
            }
            None => {
                bad.insert(id.to_owned(), json!({"revid": number, "missing": true}));
            }
        }
    }
    if !redirects.is_empty() {
        found.push(("redirects".to_owned(), Value::Array(redirects)));
    }
    if !bad.is_empty() {
        found.push(("badrevids".to_owned(), Value::Object(bad)));
    }
    if !pages.is_empty() {
        found.push(("pages".to_owned(), Value::Array(pages)));
    }
    Ok((found, resume))
}

fn page_shown(page: &Page, revisions: Vec<Value>) -> Value {
    let mut shown = json!({"pageid": page.id, "ns": page.namespace, "title": page.title});
    if !revisions.is_empty() {
        shown["revisions"] = Value::Array(revisions);
    }
    shown
}

fn revisions_shown(page: &Page, call: &Call) -> Rows<Vec<Value>> {
    if !call.list("prop").contains(&"revisions") {
        return Ok((Vec::new(), None));
    }
    if !call.flag("rvlimit") {
        return Ok((vec![revision_shown(page.current(), call)?], None));
    }
    let newer = call.get("rvdir") == Some("newer");
    let place = call.get("rvcontinue").map(place_of).transpose()?;
    let mut rows: Vec<&Revision> = page.revisions.iter().collect();
    if !newer {
        rows.reverse();
    }
    rows.retain(|revision| place.as_ref().is_none_or(|(_, id)| if newer { revision.id >= *id } else { revision.id <= *id }));
    let limit = limit_of(call, "rvlimit")?;
    let resume = rows.get(limit).map(|next| ("rvcontinue", format!("{}|{}", short_stamp(next.time), next.id)));
    let shown = rows.iter().take(limit).map(|revision| revision_shown(revision, call)).collect::<std::result::Result<_, _>>()?;
    Ok((shown, resume))
}

fn revision_shown(revision: &Revision, call: &Call) -> Reply {
    let properties = if call.flag("rvprop") { call.list("rvprop") } else { vec!["ids", "timestamp", "flags", "comment", "user"] };
    let mut shown = Map::new();
    let mut put = |property: &str, name: &str, value: Value| {
        if properties.contains(&property) {
            shown.insert(name.to_owned(), value);
        }
    };
    put("ids", "revid", json!(revision.id));
    put("ids", "parentid", json!(revision.parent));
    put("flags", "minor", json!(false));
    put("user", "user", json!(revision.user));
    put("userid", "userid", json!(revision.user_id));
    put("timestamp", "timestamp", json!(stamp(revision.time)));
    put("tags", "tags", json!([]));
    put("comment", "comment", json!(revision.comment));
    if properties.contains(&"content") {
        if call.get("rvslots") != Some("main") {
            return Err(ApiError::new("missingparam", "The stand-in models content only with rvslots=main."));
        }
        if revision.is_hidden {
            shown.insert("slots".to_owned(), json!({"main": {"texthidden": true}}));
            return Ok(Value::Object(shown));
        }
        let text = match call.get("rvsection") {
            None => Some(revision.text.clone()),
            Some(index) => index
                .parse()
                .ok()
                .and_then(|index| section_range(&revision.text, index))
                .map(|(from, to)| revision.text[from..to].trim_end().to_owned()),
        };
        // Measured: a missing section is no error here, but a flag.
        let slot = text.map_or_else(
            || json!({"nosuchsection": true}),
            |text| json!({"contentmodel": "wikitext", "contentformat": "text/x-wiki", "content": text}),
        );
        shown.insert("slots".to_owned(), json!({"main": slot}));
    }
    Ok(Value::Object(shown))
}

pub(super) fn parse(inside: &Inside, call: &Call) -> Reply {
    let missing = || ApiError::new("missingtitle", "The page you specified doesn't exist.");
    let (page, revision) = match call.get("oldid") {
        Some(id) => {
            let hit = inside
                .store
                .pages
                .iter()
                .find_map(|page| Some((page, page.revisions.iter().find(|revision| revision.id.to_string() == id)?)));
            hit.ok_or_else(|| ApiError::new("nosuchrevid", format!("There is no revision with ID {id}.")))?
        }
        None => {
            let page = title_of(call.required("page")?).and_then(|(_, title)| inside.store.page(&title)).ok_or_else(missing)?;
            (page, page.current())
        }
    };
    let text = match call.get("section") {
        None => revision.text.as_str(),
        Some(index) => {
            let range = index.parse().ok().and_then(|index| section_range(&revision.text, index));
            let (from, to) =
                range.ok_or_else(|| ApiError::new("nosuchsection", format!("There is no section {index} in {}.", page.title)))?;
            revision.text[from..to].trim_end()
        }
    };
    let mut reply = json!({"title": page.title, "pageid": page.id});
    let properties = call.list("prop");
    if properties.contains(&"revid") {
        reply["revid"] = json!(revision.id);
    }
    if properties.contains(&"sections") {
        reply["sections"] = sections_shown(text, &page.title);
        reply["showtoc"] = json!(sections(text).len() > 3);
    }
    if properties.contains(&"wikitext") {
        reply["wikitext"] = json!(text);
    }
    Ok(json!({"parse": reply}))
}

fn sections_shown(text: &str, title: &str) -> Value {
    let mut anchors: Vec<String> = Vec::new();
    let mut numbers: Vec<usize> = Vec::new();
    let mut levels: Vec<usize> = Vec::new();
    let mut rows = Vec::new();
    // Measured: what is called `byteoffset` counts characters.
    for (position, section) in sections(text).into_iter().enumerate() {
        // Depth in the table of contents: as many open headings of a higher level as there are, plus this one.
        while levels.last().is_some_and(|level| *level >= section.level) {
            levels.pop();
        }
        levels.push(section.level);
        numbers.resize(levels.len(), 0);
        if let Some(last) = numbers.last_mut() {
            *last += 1;
        }
        let (line, anchor) = heading_shown(&section.heading);
        let same = anchors.iter().filter(|known| **known == anchor).count();
        let unique = if same == 0 { anchor.clone() } else { format!("{anchor}_{}", same + 1) };
        anchors.push(anchor);
        rows.push(json!({
            "toclevel": levels.len(), "level": section.level.to_string(), "line": line,
            "number": numbers.iter().map(usize::to_string).collect::<Vec<_>>().join("."), "index": (position + 1).to_string(),
            "fromtitle": title.replace(' ', "_"), "byteoffset": text[..section.from].chars().count(), "anchor": unique,
        }));
    }
    Value::Array(rows)
}
