//! What the host puts into requests, and what it takes out of answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{Encoding, Place};

use super::*;
use crate::outbound::REDACTED;

const PASSWORD: &str = "correct horse & \"battery\" + €";

fn basic(server: &Server) -> Credential {
    let placement = placement(Place::Header("authorization".into()), "Basic ", "${user}:${password}", Encoding::Base64);
    Credential { placements: vec![placement], ..credential(server, &["user", "password"]) }
}

fn token_in(server: &Server, place: Place) -> Credential {
    Credential { placements: vec![placement(place, "", "${token}", Encoding::Plain)], ..credential(server, &["token"]) }
}

#[tokio::test]
async fn a_header_is_filled_by_the_host() {
    let server = Server::start(|_| ok("hello")).await;
    let channel = Setup::for_server(&server).with(basic(&server), &["sportello", PASSWORD]).build();
    get(&channel, &server.url("/")).await.unwrap();
    let expected = format!("Basic {}", STANDARD.encode(format!("sportello:{PASSWORD}")));
    assert_eq!(server.seen()[0].header("authorization"), expected);
}

#[tokio::test]
async fn a_query_parameter_is_filled_and_escaped() {
    let server = Server::start(|_| ok("hello")).await;
    let channel = Setup::for_server(&server).with(token_in(&server, Place::Query("access_token".into())), &[PASSWORD]).build();
    for path in ["/feed", "/feed?limit=5"] {
        get(&channel, &server.url(path)).await.unwrap();
    }
    for seen in server.seen() {
        let pairs: Vec<_> = form_urlencoded::parse(seen.uri.query().unwrap().as_bytes()).into_owned().collect();
        assert_eq!(pairs.last().unwrap(), &("access_token".to_owned(), PASSWORD.to_owned()), "{}", seen.uri);
    }
}

#[tokio::test]
async fn form_field_is_substituted_and_escaped() {
    let server = Server::start(|_| ok("hello")).await;
    let channel = Setup::for_server(&server).with(token_in(&server, Place::Form("token".into())), &[PASSWORD]).build();
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let guests = "title=Caff%C3%A8&text=a+b";
    let request = || Request::post(server.url("/")).header("content-type", form).header("content-length", guests.len());
    Call::new(&channel).send(request(), guests).await.unwrap();
    Call::new(&channel).send(Request::post(server.url("/")).header("content-type", "application/json"), "{}").await.unwrap();
    let seen = server.seen();
    let body = seen[0].body();
    assert!(body.starts_with(&format!("{guests}&token=")), "{body}");
    let pairs: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(pairs[2], ("token".to_owned(), PASSWORD.to_owned()));
    assert_eq!(pairs.len(), 3);
    assert_eq!(seen[0].header("content-length"), body.len().to_string());
    // Other bodies are none of its business.
    assert_eq!(seen[1].body(), "{}");
}

#[tokio::test]
async fn a_guests_own_value_in_the_place_of_a_credential_is_refused() {
    let server = Server::start(|_| ok("never")).await;
    let channel = |place| Setup::for_server(&server).with(token_in(&server, place), &["long-enough"]).build();
    let header = channel(Place::Header("x-api-key".into()));
    assert_denied(&Call::new(&header).send(Request::get(server.url("/")).header("x-api-key", "mine"), "").await);
    let query = channel(Place::Query("key".into()));
    assert_denied(&get(&query, &server.url("/?a=b&k%65y=mine")).await);
    let form = channel(Place::Form("key".into()));
    let request = Request::post(server.url("/")).header("content-type", "application/x-www-form-urlencoded");
    let mut call = Call::new(&form);
    assert_denied(&call.send(request, "k%65y=mine").await);
    assert!(call.notes().concat().contains("form field key"), "{:?}", call.notes());
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_request_that_names_a_credential_carries_no_other_of_its_origin() {
    let server = Server::start(|_| ok("hello")).await;
    let app = Credential { name: "app".into(), optional: true, ..token_in(&server, Place::Query("key".into())) };
    let setup = Setup::for_server(&server).with(basic(&server), &["sportello", PASSWORD]);
    let asks = async |setup: &Setup, named: &[&str]| {
        let request = named.iter().fold(Request::get(server.url("/")), |request, name| request.header("sportello-credential", *name));
        Call::new(&setup.build()).send(request, "").await
    };
    assert_denied(&asks(&setup, &["app"]).await);
    let both = setup.clone().with(app, &["the-apps-own-token"]);
    assert_denied(&asks(&both, &["nobodys"]).await);
    assert_eq!(server.seen().len(), 0, "nothing is sent without the credential that was meant");
    for named in [&["app"][..], &["bot"], &[]] {
        asks(&both, named).await.unwrap();
        let seen = server.seen().pop().unwrap();
        let carried = (seen.headers.contains_key("authorization"), seen.uri.query().is_some());
        assert_eq!(carried, (named != ["app"], named != ["bot"]), "{named:?}");
        assert!(!seen.headers.contains_key("sportello-credential"), "it is nobody else's business");
    }
}

#[tokio::test]
async fn a_secret_echoed_by_the_server_reaches_no_guest() {
    // The server gives back all it got: in a header, in the body, as JSON, in base64.
    let server = Server::start(|seen| {
        let authorization = seen.header("authorization").to_owned();
        let decoded = STANDARD.decode(authorization.trim_start_matches("Basic ")).unwrap();
        let decoded = String::from_utf8(decoded).unwrap();
        let password = decoded.split_once(':').unwrap().1;
        let escaped: String = form_urlencoded::byte_serialize(password.as_bytes()).collect();
        let encoded = STANDARD.encode(format!("[{password}]"));
        let body =
            json!({"headers": authorization, "plain": decoded, "nested": {"password": password}, "base64": encoded, "query": escaped});
        Response::builder()
            .header("x-echo", &authorization)
            .header("location", format!("/next?password={escaped}"))
            .body(format!("{body}\n{password}").into())
            .unwrap()
    })
    .await;
    let channel = Setup::for_server(&server).with(basic(&server), &["sportello", PASSWORD]).build();
    let got = get(&channel, &server.url("/")).await.unwrap();
    let everything = format!("{:?} {}", got.headers, got.body);
    let escaped: String = form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    for form in [
        PASSWORD,
        "horse",
        "battery",
        &STANDARD.encode(PASSWORD),
        &STANDARD.encode(format!("sportello:{PASSWORD}")),
        // The middle of any base64 the password is in.
        &STANDARD.encode(PASSWORD)[8..16],
        &STANDARD.encode(format!("[{PASSWORD}]"))[8..16],
        &escaped,
    ] {
        assert!(!everything.contains(form), "{form:?} reached the guest: {everything}");
    }
    assert_eq!(got.body.matches(REDACTED).count(), 6, "{}", got.body);
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    assert!(!channel.redact(&format!("the guest says {PASSWORD}")).contains("horse"));
}

#[tokio::test]
async fn a_plain_field_is_no_secret() {
    let server = Server::start(|_| ok("written by SportelloBot, password: [see above]")).await;
    let mut setup = Setup::for_server(&server).with(basic(&server), &["SportelloBot", PASSWORD]);
    assert!(get(&setup.build(), &server.url("/")).await.unwrap().body.contains(REDACTED));
    setup.secrets.get_mut("bot").unwrap().insert("user".into(), BoundField::Plain("SportelloBot".into()));
    assert!(get(&setup.build(), &server.url("/")).await.unwrap().body.contains("SportelloBot"));
}

#[tokio::test]
async fn an_encoded_answer_is_refused() {
    let gzip = || Bytes::from_static(&[0x1f, 0x8b, 8, 0]);
    let server = Server::start(move |_| Response::builder().header("content-encoding", "gzip").body(gzip().into()).unwrap()).await;
    let outcome = get(&Setup::for_server(&server).build(), &server.url("/")).await;
    assert!(matches!(&outcome, Err(Error::HttpResponseContentCoding(Some(coding))) if coding == "gzip"), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_is_only_called_gzip_is_taken_as_it_is() {
    let quoted = format!("you sent {PASSWORD}");
    let server = Server::start(move |_| Response::builder().header("content-encoding", "gzip").body(quoted.clone().into()).unwrap()).await;
    let channel = Setup::for_server(&server).with(basic(&server), &["sportello", PASSWORD]).build();
    let got = get(&channel, &server.url("/")).await.unwrap();
    assert_eq!((got.header("content-encoding"), got.body.as_str()), ("", format!("you sent {REDACTED}").as_str()));
}

#[tokio::test]
async fn halves_of_an_answer_cannot_be_asked_for_where_a_credential_is_sent() {
    let server = Server::start(|_| ok("hello")).await;
    let range = || Request::get(server.url("/")).header("range", "bytes=0-3");
    let channel = Setup::for_server(&server).with(basic(&server), &["sportello", PASSWORD]).build();
    assert_denied(&Call::new(&channel).send(range(), "").await);
    assert_eq!(Call::new(&Setup::for_server(&server).build()).send(range(), "").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_credential_goes_to_its_own_origin_only() {
    let own = Server::start(|_| ok("hello")).await;
    let other = Server::start(|_| ok("hello")).await;
    let channel = Setup::new(&[&own.url(""), &other.url("")]).with(basic(&own), &["sportello", PASSWORD]).build();
    get(&channel, &own.url("/")).await.unwrap();
    get(&channel, &other.url("/")).await.unwrap();
    assert_ne!(own.seen()[0].header("authorization"), "");
    assert_eq!(other.seen()[0].header("authorization"), "");
}

#[tokio::test]
async fn without_its_secret_nothing_is_sent() {
    let server = Server::start(|_| ok("never")).await;
    let channel = Setup::for_server(&server).with(basic(&server), &["sportello"]).build();
    let text = internal_error(get(&channel, &server.url("/")).await);
    assert!(text.starts_with("credential bot: not bound") && text.contains("password"), "{text}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_manifest_that_does_not_fit_is_refused_when_the_channel_is_built() {
    let server = Server::start(|_| ok("never")).await;
    let refusal = |credential: Credential, secrets: &[&str]| {
        Setup::for_server(&server).with(credential, secrets).try_build().err().expect("it was accepted").to_string()
    };
    let header = |name: &str| token_in(&server, Place::Header(name.into()));
    assert!(refusal(header("x-key"), &["short"]).contains("shorter than"));
    assert!(refusal(header("x-key"), &["line\nbreak"]).contains("characters a header cannot have"));
    assert!(refusal(header("host"), &["long-enough"]).contains("cannot be filled"));
    assert!(refusal(header("not a name"), &["long-enough"]).contains("not the name of a header"));
    let mut typo = basic(&server);
    typo.placements[0].template = "${pasword}".into();
    assert!(refusal(typo, &["sportello", PASSWORD]).contains("known are: user, password"));
    let mut elsewhere = header("x-key");
    elsewhere.origin = Some(contract::Origin::Fixed("https://api.example.com".into()));
    assert!(refusal(elsewhere, &["long-enough"]).contains("not among the connector's origins"));
    let mut homeless = header("x-key");
    homeless.origin = None;
    assert!(refusal(homeless, &["long-enough"]).contains("no origin"));
    let mut setup = Setup::for_server(&server).with(header("x-key"), &["long-enough"]);
    setup.secrets.get_mut("bot").unwrap().insert("tokken".into(), Secret::new("long-enough").into());
    let text = setup.try_build().err().unwrap().to_string();
    assert!(text.contains("tokken") && !text.contains("long-enough"), "{text}");
}

#[tokio::test]
async fn what_is_optional_and_not_bound_is_as_if_it_were_not_declared() {
    let server = Server::start(|_| ok("hello")).await;
    let mut setup = Setup::for_server(&server);
    setup.manifest.credentials.push(Credential { optional: true, ..basic(&server) });
    get(&setup.build(), &server.url("/")).await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), "");
    let bound = Setup::for_server(&server).with(Credential { optional: true, ..basic(&server) }, &["sportello", PASSWORD]).build();
    get(&bound, &server.url("/")).await.unwrap();
    assert!(server.seen()[1].header("authorization").starts_with("Basic "));
}

#[tokio::test]
async fn two_credentials_for_one_header_are_refused_when_the_channel_is_built() {
    let server = Server::start(|_| ok("hello")).await;
    let token = Credential { name: "token".into(), ..token_in(&server, Place::Header("authorization".into())) };
    let setup = Setup::for_server(&server).with(basic(&server), &["sportello", PASSWORD]).with(token, &["a-long-token"]);
    let error = setup.try_build().map(|_| ()).unwrap_err().to_string();
    assert_eq!(error, "credential token: it fills the header authorization, and so does credential bot: bind only one of them");
}

/// RFC 5849: the server computes the same signature from what it received.
#[tokio::test]
async fn a_request_is_signed_by_oauth_1_as_it_goes_out() {
    let server = Server::start(|_| ok("hello")).await;
    let signs = Credential {
        signing: Some(contract::RequestSigning::Oauth1HmacSha1),
        ..credential(&server, &["consumer-key", "consumer-secret", "token", "token-secret"])
    };
    let channel = Setup::for_server(&server).with(signs, &["the-key", "the-secret", "the-token", "the-token-secret"]).build();
    let form = Request::post(server.url("/2/post?expansions=a%2Cb")).header("content-type", "application/x-www-form-urlencoded");
    Call::new(&channel).send(form, "text=Caff%C3%A8+%26+latte").await.unwrap();
    let json = Request::post(server.url("/2/post")).header("content-type", "application/json");
    Call::new(&channel).send(json, "{\"text\":\"x\"}").await.unwrap();

    let mut nonces = Vec::new();
    for (seen, parameters) in server.seen().iter().zip([&[("expansions", "a,b"), ("text", "Caffè & latte")][..], &[]]) {
        let header = seen.header("authorization").strip_prefix("OAuth ").unwrap();
        let given: BTreeMap<String, String> = header
            .split(", ")
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| {
                (name.to_owned(), percent_encoding::percent_decode_str(value.trim_matches('"')).decode_utf8().unwrap().into_owned())
            })
            .collect();
        assert_eq!(given["oauth_timestamp"], CLOCK.as_second().to_string(), "signed as of the call's time");
        let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, crate::outbound::template::RESERVED).to_string();
        let of_header = given.iter().filter(|(name, _)| *name != "oauth_signature").map(|(name, value)| (name.as_str(), value.as_str()));
        let mut all: Vec<String> =
            of_header.chain(parameters.iter().copied()).map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        all.sort();
        let base = format!("POST&{}&{}", encoded(&server.url("/2/post")), encoded(&all.join("&")));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"the-secret&the-token-secret");
        assert_eq!(given["oauth_signature"], STANDARD.encode(ring::hmac::sign(&key, base.as_bytes())));
        nonces.push(given["oauth_nonce"].clone());
    }
    assert_ne!(nonces[0], nonces[1]);
}
