//! `GET /hooks/{tenant}/{channel}/deletions/{code}`: what became of a request for deletion that came by way of a platform.
//!
//! Who has the code is who asked: it is unguessable, and the answer says nothing but when it was asked for and whether it is done. Platforms show
//! this address to people, so it is a page in their language, Italian or English.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use sportello_core::domain::deletion::{DELETION_REQUESTS, is_done};
use sportello_core::ids::ChannelName;

use crate::desk::Host;
use crate::ingress::take_in::confirmation;

/// What a page says.
struct Words {
    language: &'static str,
    title: &'static str,
    done: &'static str,
    under_way: &'static str,
    unknown: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    title: "Your request for deletion",
    done: "What we kept of you from this network has been deleted. You asked for it on",
    under_way: "What we keep of you from this network is being deleted; look again in a few minutes. You asked for it on",
    unknown: "We know of no request with this code.",
};
const ITALIAN: Words = Words {
    language: "it",
    title: "La tua richiesta di cancellazione",
    done: "Quanto conservavamo di te da questa rete è stato cancellato. Lo hai chiesto il",
    under_way: "Quanto conserviamo di te da questa rete è in corso di cancellazione; torna a vedere tra qualche minuto. Lo hai chiesto il",
    unknown: "Non conosciamo richieste con questo codice.",
};

/// Answers whoever asks.
pub async fn show(
    State(host): State<Arc<Host>>,
    Path((tenant, channel, code)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let words = words(&headers);
    let found = host.desk(&tenant).zip(ChannelName::new(channel).ok()).and_then(|(desk, channel)| {
        let key = confirmation(&desk.tenant, &channel, &code);
        let request = desk.tenant.get(&DELETION_REQUESTS, &key).ok().flatten()?;
        let day = jiff::Timestamp::from_millisecond(request.at.0).ok()?.strftime("%Y-%m-%d").to_string();
        Some((is_done(&*desk.tenant, &request), day))
    });
    let (status, text) = match found {
        Some((true, day)) => (StatusCode::OK, format!("{} {day}.", words.done)),
        Some((false, day)) => (StatusCode::OK, format!("{} {day}.", words.under_way)),
        None => (StatusCode::NOT_FOUND, words.unknown.to_owned()),
    };
    let page = format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\"><title>{}</title>\
         <h1>{}</h1><p>{text}</p></html>\n",
        words.language, words.title, words.title
    );
    (status, [(header::CACHE_CONTROL, "no-store")], Html(page)).into_response()
}

/// The first of the languages a reader asks for that we have; English where there is none.
fn words(headers: &HeaderMap) -> &'static Words {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut languages = asked.split(',').map(|language| language.split(['-', ';']).next().unwrap_or_default().trim());
    languages
        .find_map(|language| match language {
            "it" => Some(&ITALIAN),
            "en" => Some(&ENGLISH),
            _ => None,
        })
        .unwrap_or(&ENGLISH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_in_the_first_language_we_have() {
        for (asked, language) in [("it-IT,it;q=0.9,en;q=0.8", "it"), ("de,en;q=0.5,it;q=0.1", "en"), ("fr", "en"), ("", "en")] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, asked.parse().unwrap())]);
            assert_eq!(words(&headers).language, language, "{asked}");
        }
    }
}
