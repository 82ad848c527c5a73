//! Lists in pages, newest first, and look-ups by id. [timelines] [lookup]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::problem::{Answer, Problem, not_found, not_shown};
use super::view::{Parameters, VIEW_PARAMETERS, View, check_names};
use super::world::{Person, Post, World};

/// Rows of a page: at least, when nothing is said, at most. [timelines]
const ROWS_MIN: usize = 5;
const ROWS_DEFAULT: usize = 10;
const ROWS_MAX: usize = 100;
/// No page reaches further back than so many posts. [timelines]
const MENTIONS_REACHED: usize = 800;
const OWN_REACHED: usize = 3_200;
/// Ids in one look-up. [lookup]
const IDS_MAX: usize = 100;

const LIST_PARAMETERS: [&str; 5] = ["since_id", "until_id", "start_time", "max_results", "pagination_token"];

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Mentions,
    Own,
}

/// An id as digits.
pub(super) fn id_of(name: &str, text: &str) -> Result<u64, Problem> {
    let is_id = !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    let message = || format!("The `{name}` query parameter value [{text}] is not valid");
    text.parse().ok().filter(|_| is_id).ok_or_else(|| Problem::parameter(name, text, message()))
}

/// `GET /2/users/:id/mentions` and `GET /2/users/:id/tweets`.
pub(super) fn list(world: &World, kind: List, user: &str, parameters: &Parameters, has_partial_error: bool) -> Answer {
    check_names(parameters, &[LIST_PARAMETERS.as_slice(), &VIEW_PARAMETERS].concat())?;
    id_of("id", user)?;
    let view = View::of(parameters)?;
    let page_wanted = PageWanted::of(kind, user, parameters)?;
    let Some(person) = world.person_by_id(user) else {
        return Ok((200, json!({"errors": [not_found("user", "id", user)]})));
    };
    let page = page_wanted.cut(rows(world, kind, person));
    // What is not shown has its place on the page. By which parameter the error names it is not told; that is ours.
    let mut document = view.document(world, &page.posts, "id", has_partial_error);
    document["meta"] = page.meta(world, kind, user);
    Ok((200, document))
}

/// What a list holds as far back as it reaches, newest first.
fn rows<'world>(world: &'world World, kind: List, person: &Person) -> Vec<&'world Post> {
    match kind {
        List::Mentions => {
            let is_meant = |post: &&Post| post.author != person.id && world.names(post, person, false);
            world.listed().filter(is_meant).take(MENTIONS_REACHED).collect()
        }
        List::Own => world.listed().filter(|post| post.author == person.id).take(OWN_REACHED).collect(),
    }
}

/// Where a page begins, by the id of the post it lies beside.
#[derive(Debug, Clone, Copy)]
enum Place {
    OlderThan(u64),
    NewerThan(u64),
}

#[derive(Debug)]
struct PageWanted {
    since: Option<u64>,
    until: Option<u64>,
    start: Option<Timestamp>,
    rows_max: usize,
    place: Option<Place>,
}

struct Page<'world> {
    posts: Vec<&'world Post>,
    has_older: bool,
    has_newer: bool,
}

impl PageWanted {
    fn of(kind: List, user: &str, parameters: &Parameters) -> Result<Self, Problem> {
        let id = |name: &str| parameters.get(name).map(|text| id_of(name, text)).transpose();
        let wrong = |name: &str, message: String| Problem::parameter(name, parameters.get(name).map_or("", String::as_str), message);
        let rows_max = match parameters.get("max_results") {
            None => ROWS_DEFAULT,
            Some(text) => {
                let message = format!("The `max_results` query parameter value [{text}] is not between {ROWS_MIN} and {ROWS_MAX}");
                let number = text.parse().ok().filter(|number| (ROWS_MIN..=ROWS_MAX).contains(number));
                number.ok_or_else(|| wrong("max_results", message))?
            }
        };
        let start = match parameters.get("start_time") {
            None => None,
            Some(text) => {
                let message = format!("The `start_time` query parameter value [{text}] is not a time like 2027-01-31T08:00:00Z");
                Some(text.parse().map_err(|_| wrong("start_time", message))?)
            }
        };
        let place = match parameters.get("pagination_token") {
            None => None,
            Some(token) => {
                let message = format!("The `pagination_token` query parameter value [{token}] is not valid");
                Some(place_of(kind, user, token).ok_or_else(|| wrong("pagination_token", message))?)
            }
        };
        Ok(Self { since: id("since_id")?, until: id("until_id")?, start, rows_max, place })
    }

    fn cut<'world>(&self, mut rows: Vec<&'world Post>) -> Page<'world> {
        rows.retain(|post| self.since.is_none_or(|since| post.id > since) && self.until.is_none_or(|until| post.id < until));
        rows.retain(|post| self.start.is_none_or(|start| post.created >= start));
        let (from, to) = match self.place {
            None => (0, self.rows_max),
            Some(Place::OlderThan(id)) => {
                let from = rows.partition_point(|post| post.id >= id);
                (from, from + self.rows_max)
            }
            Some(Place::NewerThan(id)) => {
                let to = rows.partition_point(|post| post.id > id);
                (to.saturating_sub(self.rows_max), to)
            }
        };
        let to = to.min(rows.len());
        Page { posts: rows[from.min(to)..to].to_vec(), has_older: to < rows.len(), has_newer: self.place.is_some() && from > 0 }
    }
}

impl Page<'_> {
    fn meta(&self, world: &World, kind: List, user: &str) -> Value {
        let shown: Vec<&&Post> = self.posts.iter().filter(|post| !world.is_hidden(&post.author)).collect();
        let mut meta = json!({"result_count": shown.len()});
        if let (Some(newest), Some(oldest)) = (shown.first(), shown.last()) {
            meta["newest_id"] = json!(newest.id.to_string());
            meta["oldest_id"] = json!(oldest.id.to_string());
        }
        if let (Some(newest), Some(oldest)) = (self.posts.first(), self.posts.last()) {
            if self.has_older {
                meta["next_token"] = json!(token(kind, user, Place::OlderThan(oldest.id)));
            }
            if self.has_newer {
                meta["previous_token"] = json!(token(kind, user, Place::NewerThan(newest.id)));
            }
        }
        meta
    }
}

/// A token serves for the list it came with only.
fn token(kind: List, user: &str, place: Place) -> String {
    URL_SAFE_NO_PAD.encode(match place {
        Place::OlderThan(id) => format!("{kind:?} {user} older {id}"),
        Place::NewerThan(id) => format!("{kind:?} {user} newer {id}"),
    })
}

fn place_of(kind: List, user: &str, token: &str) -> Option<Place> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (direction, id) = text.strip_prefix(&format!("{kind:?} {user} "))?.split_once(' ')?;
    let id = id.parse().ok()?;
    Some(if direction == "older" { Place::OlderThan(id) } else { Place::NewerThan(id) })
}

/// `GET /2/tweets`.
pub(super) fn look_up(world: &World, parameters: &Parameters, has_partial_error: bool) -> Answer {
    check_names(parameters, &[["ids"].as_slice(), &VIEW_PARAMETERS].concat())?;
    let view = View::of(parameters)?;
    let wrong = |text: &str, message: &str| Problem::parameter("ids", text, message);
    let text = parameters.get("ids").ok_or_else(|| wrong("", "The `ids` query parameter can not be empty"))?;
    let ids = text.split(',').map(|id| id_of("ids", id)).collect::<Result<Vec<u64>, _>>()?;
    if ids.len() > IDS_MAX {
        return Err(wrong(text, &format!("The number of values in the `ids` query parameter list is not between 1 and {IDS_MAX}")));
    }
    let found: Vec<&Post> = ids.iter().filter_map(|id| world.post_by_id(*id)).collect();
    let missing = ids.iter().filter(|id| world.post_by_id(**id).is_none()).map(|id| not_found("tweet", "ids", &id.to_string()));
    let mut document = view.document(world, &found, "ids", has_partial_error);
    let mut errors: Vec<Value> = missing.collect();
    errors.extend(document.get("errors").and_then(Value::as_array).cloned().unwrap_or_default());
    if !errors.is_empty() {
        document["errors"] = json!(errors);
    }
    Ok((200, document))
}

/// `GET /2/tweets/:id`: what is missing is an error with HTTP 200. [errors]
pub(super) fn look_up_one(world: &World, id: &str, parameters: &Parameters, has_partial_error: bool) -> Answer {
    check_names(parameters, &VIEW_PARAMETERS)?;
    let view = View::of(parameters)?;
    let Some(post) = world.post_by_id(id_of("id", id)?) else {
        return Ok((200, json!({"errors": [not_found("tweet", "id", id)]})));
    };
    if world.is_hidden(&post.author) {
        return Ok((200, json!({"errors": [not_shown("tweet", "id", id)]})));
    }
    let mut document = view.document(world, &[post], "id", has_partial_error);
    document["data"] = view.post(world, post);
    Ok((200, document))
}

/// `GET /2/users/me`.
pub(super) fn me(world: &World, parameters: &Parameters) -> Answer {
    check_names(parameters, &["user.fields"])?;
    Ok((200, json!({"data": View::of(parameters)?.user(world.company())})))
}
