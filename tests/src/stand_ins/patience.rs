//! Whether who was told to come again later does come later.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Tests move the clock by a minute, also while somebody is making a call: who counts from the call's beginning may be early by that, and what was under
/// way when it was told, and could not know, late. So of waits up to two minutes nothing is judged.
const SLACK: SignedDuration = SignedDuration::from_mins(1);
/// So many are shown.
const SHOWN_MAX: usize = 20;

/// What was told, and who came too early.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// By kind of request; the empty one is all of them.
    told: BTreeMap<String, Told>,
    too_early: Vec<String>,
}

/// Not to come before.
#[derive(Debug)]
struct Told {
    at: Timestamp,
    until: Timestamp,
    /// What was asked.
    request: String,
}

impl Patience {
    /// A request comes: `METHOD /path?query`, a line break, the body.
    pub(super) fn comes(&mut self, request: &str, now: Timestamp) {
        let kind = kind_of(request);
        let told = ["", &kind].into_iter().filter_map(|kind| self.told.get(kind));
        let is_early = |told: &&Told| told.at + SLACK < now && now < told.until - SLACK;
        if let Some(Told { at, until, request: told, .. }) = told.into_iter().find(is_early) {
            self.too_early.push(format!("{} at {now}, told at {at} ({told}) to wait until {until}", shown(request)));
        }
    }

    /// It was answered with these headers, and whoever asked has the whole answer.
    pub(super) fn answered(&mut self, request: &str, headers: &HeaderMap, now: Timestamp) {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| header(name).and_then(|value| value.parse::<i64>().ok());
        let mut tell = |kind: String, until: Timestamp| {
            self.told.insert(kind, Told { at: now, until, request: shown(request) });
        };
        if let Some(seconds) = number("retry-after") {
            tell(kind_of(request), now + SignedDuration::from_secs(seconds));
        }
        if let (Some(0), Some(second)) = (number("x-rate-limit-remaining"), number("x-rate-limit-reset")) {
            tell(kind_of(request), Timestamp::from_second(second).unwrap_or(now));
        }
        let minutes = header("x-business-use-case-usage").map_or(0, minutes_to_wait);
        if minutes > 0 {
            tell(String::new(), now + SignedDuration::from_mins(minutes));
        }
    }

    /// Whoever asked was stopped, perhaps before it heard what was answered at this moment.
    pub(super) fn is_cut_off(&mut self, now: Timestamp) {
        self.told.retain(|_, told| told.at < now);
    }

    /// The first of those that came too early, and when.
    pub(super) fn too_early(&self) -> &[String] {
        &self.too_early[..self.too_early.len().min(SHOWN_MAX)]
    }
}

/// Its beginning.
fn shown(request: &str) -> String {
    request.lines().next().unwrap_or_default().chars().take(120).collect()
}

/// The longest that one of the page's shares names.
fn minutes_to_wait(usage: &str) -> i64 {
    let usage: Value = serde_json::from_str(usage).unwrap_or_default();
    let shares = usage.as_object().into_iter().flatten().filter_map(|(_, shares)| shares.as_array()).flatten();
    shares.filter_map(|share| share["estimated_time_to_regain_access"].as_i64()).max().unwrap_or_default()
}

/// The method and the path without ids; where all calls have one path, what the call does.
fn kind_of(request: &str) -> String {
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let (method, uri) = line.split_once(' ').unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let is_id = |part: &&str| part.contains(|letter: char| letter.is_ascii_digit()) && part.len() > 3;
    let path: Vec<&str> = path.split('/').filter(|part| !is_id(part)).collect();
    let action = query.split('&').chain(body.split('&')).find(|part| part.starts_with("action="));
    format!("{method} {} {}", path.join("/"), action.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).expect("a time")
    }

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn who_comes_before_the_time_that_was_told_is_counted() {
        let mut patience = Patience::default();
        patience.answered("GET /rest/posts/urn%3Ali%3A7001?count=1\n", &headers(&[("retry-after", "300")]), at(0));
        for (request, minute) in [("GET /rest/posts/urn%3Ali%3A7002\n", 1), ("POST /rest/posts\n", 3), ("GET /rest/posts\n", 4)] {
            patience.comes(request, at(minute));
        }
        assert!(patience.too_early().is_empty(), "{:?}", patience.too_early());
        patience.comes("GET /rest/posts/urn%3Ali%3A7002\n", at(3));
        assert_eq!(patience.too_early().len(), 1);
        patience.is_cut_off(at(0));
        patience.comes("GET /rest/posts\n", at(3));
        assert_eq!(patience.too_early().len(), 1, "nobody heard it");
    }

    #[test]
    fn each_platform_says_in_its_own_way_how_long_to_wait() {
        let usage = r#"{"104":[{"call_count":100,"estimated_time_to_regain_access":7}]}"#;
        let told = [
            ("POST /api.php\naction=edit&title=x", vec![("retry-after", "600")]),
            ("GET /2/users/1499874563210987655/mentions\n", vec![("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1700000600")]),
            ("POST /v21.0/1_2/comments\n", vec![("x-business-use-case-usage", usage)]),
        ];
        for (request, all) in told {
            let mut patience = Patience::default();
            patience.answered(request, &headers(&all), at(0));
            patience.comes(request, at(2));
            assert_eq!(patience.too_early().len(), 1, "{request}");
        }
    }
}
