//! Which fields and which neighbours of a post a call asks for, and the document that shows them.
//! <https://docs.x.com/x-api/fundamentals/fields> and `…/expansions`

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields::{
    POST_DEFAULT, POST_FIELDS, POST_FIELDS_NOT_MODELLED, USER_DEFAULT, USER_FIELDS, USER_FIELDS_NOT_MODELLED, post_row, user_row,
};
use super::problem::{Problem, not_found, not_shown};
use super::world::{Person, Post, Reference, World};

/// The query's parameters, each at most once.
pub(super) type Parameters = BTreeMap<String, String>;

/// The parameters of every call that shows posts.
pub(super) const VIEW_PARAMETERS: [&str; 3] = ["tweet.fields", "user.fields", "expansions"];
/// What the platform knows and the stand-in does not.
const PARAMETERS_NOT_MODELLED: &[&str] = &["media.fields", "poll.fields", "place.fields", "end_time", "exclude"];
const EXPANSIONS: &[&str] = &[
    "author_id",
    "referenced_tweets.id",
    "referenced_tweets.id.author_id",
    "in_reply_to_user_id",
    "entities.mentions.username",
    "edit_history_tweet_ids",
];
const EXPANSIONS_NOT_MODELLED: &[&str] = &[
    "article.cover_media",
    "article.media_entities",
    "attachments.media_keys",
    "attachments.media_source_tweet",
    "attachments.poll_ids",
    "geo.place_id",
    "pinned_tweet_id",
];

/// Refuses a parameter nobody knows, and says of one the platform knows that it is not modelled.
pub(super) fn check_names(parameters: &Parameters, modelled: &[&str]) -> Result<(), Problem> {
    for (name, value) in parameters {
        if PARAMETERS_NOT_MODELLED.contains(&name.as_str()) {
            return Err(Problem::not_modelled(&format!("the parameter {name}")));
        }
        if !modelled.contains(&name.as_str()) {
            let known = modelled.join(",");
            return Err(Problem::parameter(name, value, format!("The query parameter [{name}] is not one of [{known}]")));
        }
    }
    Ok(())
}

/// The words of a list with commas.
fn words(parameters: &Parameters, name: &str, modelled: &[&str], not_modelled: &[&str]) -> Result<Vec<String>, Problem> {
    let Some(list) = parameters.get(name) else { return Ok(Vec::new()) };
    for word in list.split(',') {
        if not_modelled.contains(&word) {
            return Err(Problem::not_modelled(&format!("{word} in {name}")));
        }
        if !modelled.contains(&word) {
            let known = modelled.join(",");
            return Err(Problem::parameter(name, list, format!("The `{name}` query parameter value [{word}] is not one of [{known}]")));
        }
    }
    Ok(list.split(',').map(str::to_owned).collect())
}

/// What is shown.
#[derive(Debug)]
pub(super) struct View {
    post_fields: Vec<String>,
    user_fields: Vec<String>,
    expansions: Vec<String>,
}

impl View {
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Problem> {
        let asked = words(parameters, "tweet.fields", POST_FIELDS, POST_FIELDS_NOT_MODELLED)?;
        let expansions = words(parameters, "expansions", EXPANSIONS, EXPANSIONS_NOT_MODELLED)?;
        // An expansion brings the field that names what is expanded.
        let implied = expansions.iter().map(|name| name.split('.').next().unwrap_or(name).to_owned());
        let post_fields = POST_DEFAULT.iter().map(|name| (*name).to_owned()).chain(asked).chain(implied).collect();
        let asked = words(parameters, "user.fields", USER_FIELDS, USER_FIELDS_NOT_MODELLED)?;
        let user_fields = USER_DEFAULT.iter().map(|name| (*name).to_owned()).chain(asked).collect();
        Ok(Self { post_fields, user_fields, expansions })
    }

    pub(super) fn user(&self, person: &Person) -> Value {
        Value::Object(user_row(person, &self.user_fields))
    }

    pub(super) fn post(&self, world: &World, post: &Post) -> Value {
        Value::Object(post_row(world, post, &self.post_fields))
    }

    /// `includes` of these posts, and the rows of `errors` for what is named in them and gone.
    pub(super) fn neighbours(&self, world: &World, posts: &[&Post]) -> (Option<Value>, Vec<Value>) {
        let mut users: Vec<&Person> = Vec::new();
        let mut tweets: Vec<&Post> = Vec::new();
        let mut errors = Vec::new();
        let asks = |name: &str| self.expansions.iter().any(|asked| asked == name);
        for post in posts {
            let mut ids: Vec<String> = Vec::new();
            if asks("author_id") {
                ids.push(post.author.clone());
            }
            if asks("in_reply_to_user_id") {
                ids.extend(post.replied_to.as_ref().map(|target| target.author.clone()));
            }
            if asks("entities.mentions.username") {
                ids.extend(world.mentions(&post.text).into_iter().map(|mention| mention.person.id));
            }
            let references = [&post.replied_to, &post.quoted, &post.reposted];
            for Reference { post: id, author } in references.into_iter().flatten() {
                match world.post_by_id(*id) {
                    Some(_) if world.is_hidden(author) => {
                        errors.extend(asks("referenced_tweets.id").then(|| not_shown("tweet", "referenced_tweets.id", &id.to_string())));
                    }
                    Some(found) if asks("referenced_tweets.id") || asks("referenced_tweets.id.author_id") => {
                        tweets.push(found);
                        ids.extend(asks("referenced_tweets.id.author_id").then(|| author.clone()));
                    }
                    None if asks("referenced_tweets.id") => errors.push(not_found("tweet", "referenced_tweets.id", &id.to_string())),
                    _ => {}
                }
            }
            if asks("edit_history_tweet_ids") {
                tweets.extend(world.chain(post).iter().filter_map(|id| world.post_by_id(*id)));
            }
            users.extend(ids.iter().filter(|id| !world.is_hidden(id)).filter_map(|id| world.person_by_id(id)));
        }
        let mut includes = Map::new();
        let mut seen = std::collections::BTreeSet::new();
        users.retain(|person| seen.insert(person.id.clone()));
        tweets.retain(|post| seen.insert(post.id.to_string()));
        if !users.is_empty() {
            includes.insert("users".to_owned(), users.into_iter().map(|person| self.user(person)).collect());
        }
        if !tweets.is_empty() {
            includes.insert("tweets".to_owned(), tweets.into_iter().map(|post| self.post(world, post)).collect());
        }
        (Some(includes).filter(|includes| !includes.is_empty()).map(Value::Object), errors)
    }

    /// A list of posts, with `includes` and `errors` where there are any; of no post there is no `data`. Posts that are not shown are among the errors,
    /// by `parameter`.
    pub(super) fn document(&self, world: &World, posts: &[&Post], parameter: &str, has_partial_error: bool) -> Value {
        let mut document = Map::new();
        let (hidden, posts): (Vec<&Post>, Vec<&Post>) = posts.iter().partition(|post| world.is_hidden(&post.author));
        if !posts.is_empty() {
            document.insert("data".to_owned(), posts.iter().map(|post| self.post(world, post)).collect());
        }
        let (includes, mut errors) = self.neighbours(world, &posts);
        errors.extend(hidden.iter().map(|post| not_shown("tweet", parameter, &post.id.to_string())));
        document.extend(includes.map(|includes| ("includes".to_owned(), includes)));
        if has_partial_error {
            errors.push(not_found("user", "entities.mentions.username", "gone_since"));
        }
        if !errors.is_empty() {
            document.insert("errors".to_owned(), json!(errors));
        }
        Value::Object(document)
    }
}
