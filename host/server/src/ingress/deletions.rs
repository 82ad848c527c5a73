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
use sportello_views::ViewsError;

use crate::desk::Host;
use crate::ingress::take_in::confirmation;
use crate::tenant::Tenant;

/// What a page says.
struct Words {
    language: &'static str,
    title: &'static str,
    done: &'static str,
    under_way: &'static str,
    nothing_kept: &'static str,
    unknown: &'static str,
    cannot_tell: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    title: "Your request for deletion",
    done: "What we kept of you from this network has been deleted. You asked for it on",
    under_way: "What we keep of you from this network is being deleted; look again in a few minutes. You asked for it on",
    nothing_kept: "We keep nothing of you under the id that this network gave us with your request, so there was nothing to delete under it. Networks know \
                   people by several ids: if you have written to us there, write once more that you want to be deleted, and a person sees to it. You \
                   asked for it on",
    unknown: "We know of no request with this code.",
    cannot_tell: "We cannot tell at the moment; look again in a few minutes.",
};
const ITALIAN: Words = Words {
    language: "it",
    title: "La tua richiesta di cancellazione",
    done: "Quanto conservavamo di te da questa rete è stato cancellato. Lo hai chiesto il",
    under_way: "Quanto conserviamo di te da questa rete è in corso di cancellazione; torna a vedere tra qualche minuto. Lo hai chiesto il",
    nothing_kept: "Non conserviamo nulla di te sotto l'identificativo che questa rete ci ha dato con la tua richiesta, quindi non c'era nulla da cancellare. \
                   Le reti conoscono le persone con più identificativi: se lì ci hai scritto, scrivici ancora che vuoi essere cancellato, e se ne occupa \
                   una persona. Lo hai chiesto il",
    unknown: "Non conosciamo richieste con questo codice.",
    cannot_tell: "In questo momento non possiamo dirlo; torna a vedere tra qualche minuto.",
};

/// Answers whoever asks.
pub async fn show(
    State(host): State<Arc<Host>>,
    Path((tenant, channel, code)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = match host.desk(&tenant).zip(ChannelName::new(channel).ok()) {
        Some((desk, channel)) => {
            // It may wait for the disk.
            let looked = tokio::task::spawn_blocking(move || look(&desk.tenant, &channel, &code)).await;
            looked.map_err(|error| error.to_string()).and_then(|found| found.map_err(|error| error.to_string()))
        }
        None => Ok(None),
    };
    if let Err(problem) = &found {
        tracing::error!(tenant, problem, "what became of a request for deletion could not be looked up");
    }
    page(words(&headers), found)
}

/// What became of a request.
enum Standing {
    Done,
    UnderWay,
    /// Nobody was ever seen under the id that was given.
    NothingKept,
}

/// The request with this code and the day it came. None: there is none.
fn look(tenant: &Tenant, channel: &ChannelName, code: &str) -> Result<Option<(Standing, String)>, ViewsError> {
    let Some(request) = tenant.get(&DELETION_REQUESTS, &confirmation(tenant, channel, code))? else { return Ok(None) };
    // A moment that is no date is none we wrote.
    let Ok(at) = jiff::Timestamp::from_millisecond(request.at.0) else { return Ok(None) };
    let standing = match request.profile {
        None => Standing::NothingKept,
        Some(_) if tenant.read(|rows| is_done(rows, &request))? => Standing::Done,
        Some(_) => Standing::UnderWay,
    };
    Ok(Some((standing, at.strftime("%Y-%m-%d").to_string())))
}

fn page<Failure>(words: &Words, found: Result<Option<(Standing, String)>, Failure>) -> Response {
    let (status, text) = match found {
        Ok(Some((Standing::Done, day))) => (StatusCode::OK, format!("{} {day}.", words.done)),
        Ok(Some((Standing::UnderWay, day))) => (StatusCode::OK, format!("{} {day}.", words.under_way)),
        Ok(Some((Standing::NothingKept, day))) => (StatusCode::OK, format!("{} {day}.", words.nothing_kept)),
        Ok(None) => (StatusCode::NOT_FOUND, words.unknown.to_owned()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, words.cannot_tell.to_owned()),
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
    use sportello_core::domain::deletion::DeletionRequest;
    use sportello_core::ids::ProfileId;
    use sportello_core::time::Timestamp;

    use super::*;
    use crate::clock::SystemClock;
    use crate::tenant::TenantOptions;

    #[test]
    fn a_store_that_fails_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let tenant = Tenant::open("demo", folder.path(), &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {}).unwrap();
        let channel = ChannelName::new("town-page").unwrap();
        assert!(look(&tenant, &channel, "a-code").unwrap().is_none());
        tenant.close().unwrap();
        assert!(look(&tenant, &channel, "a-code").is_err());
        let request = DeletionRequest { profile: Some(ProfileId(1)), at: Timestamp(0) };
        assert!(tenant.read(|rows| is_done(rows, &request)).is_err(), "a row that cannot be read is not one that is gone");
    }

    #[test]
    fn what_cannot_be_looked_up_is_not_called_unknown_and_not_called_done() {
        let day = || "2026-11-26".to_owned();
        for (found, status, says) in [
            (Ok(Some((Standing::Done, day()))), StatusCode::OK, "done"),
            (Ok(Some((Standing::UnderWay, day()))), StatusCode::OK, "under way"),
            (Ok(Some((Standing::NothingKept, day()))), StatusCode::OK, "nothing kept"),
            (Ok(None), StatusCode::NOT_FOUND, "unknown"),
            (Err("the disk"), StatusCode::SERVICE_UNAVAILABLE, "cannot tell"),
        ] {
            assert_eq!(page(&ENGLISH, found).status(), status, "{says}");
        }
    }

    #[test]
    fn the_page_is_in_the_first_language_we_have() {
        for (asked, language) in [("it-IT,it;q=0.9,en;q=0.8", "it"), ("de,en;q=0.5,it;q=0.1", "en"), ("fr", "en"), ("", "en")] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, asked.parse().unwrap())]);
            assert_eq!(words(&headers).language, language, "{asked}");
        }
    }
}
