//! Who may be reached, and what a guest may say.

use super::*;

#[tokio::test]
async fn a_host_not_granted_is_refused_with_the_line_that_would_grant_it() {
    let server = Server::start(|_| ok("never")).await;
    let mut setup = Setup::for_server(&server);
    setup.origins.clear();
    let channel = setup.build();
    let mut call = Call::new(&channel);
    assert_denied(&call.get(&server.url("/secret-path")).await);
    let note = call.notes().concat();
    let line = format!("origins = [\"{}\"]", server.url(""));
    assert!(note.contains("acme/test") && note.ends_with(&line), "{note}");
    assert!(!note.contains("secret-path"), "{note}");
    assert_eq!(server.connections(), 0);
    assert_eq!(channel.counters().refused, 1);

    // The line, taken at its word, allows the request.
    setup.origins = vec![Origin::parse(&server.url("")).unwrap()];
    assert_eq!(get(&setup.build(), &server.url("/")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_grant_alone_does_not_allow_what_the_connector_never_declared() {
    let server = Server::start(|_| ok("never")).await;
    let mut setup = Setup::for_server(&server);
    setup.manifest.origins = vec![contract::Origin::Fixed("https://api.example.com".into())];
    let mut call = Call::new(&setup.build());
    assert_denied(&call.get(&server.url("/")).await);
    assert!(call.notes().concat().contains("declares (https://api.example.com)"), "{:?}", call.notes());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_origin_in_the_settings_is_the_one_the_operator_wrote() {
    let server = Server::start(|_| ok("hello")).await;
    let mut setup = Setup::for_server(&server);
    setup.manifest.origins = vec![contract::Origin::Setting("/base-url".into()), contract::Origin::Setting("/unused".into())];
    setup.settings = json!({"base-url": server.url("/w/api.php")});
    assert_eq!(get(&setup.build(), &server.url("/")).await.unwrap().body, "hello");
}

#[tokio::test]
async fn another_port_or_scheme_is_another_origin() {
    let server = Server::start(|_| ok("hello")).await;
    let other = Server::start(|_| ok("never")).await;
    let channel = Setup::for_server(&server).build();
    assert_denied(&get(&channel, &other.url("/")).await);
    assert_denied(&get(&channel, &server.url("/").replace("http:", "https:")).await);
    assert_denied(&get(&channel, &format!("http://user@{}/", server.address)).await);
    assert_eq!(other.connections() + server.connections(), 0);
}

#[tokio::test]
async fn a_private_address_is_refused_even_when_a_granted_name_resolves_to_it() {
    let server = Server::start(|_| ok("never")).await;
    let port = server.address.port();
    for (name, address) in
        [("evil.example.com", "127.0.0.1"), ("mapped.example.com", "::ffff:127.0.0.1"), ("unspecified.example.com", "0.0.0.0")]
    {
        let origin = format!("http://{name}:{port}");
        let mut setup = Setup { outbound: outbound(&[(name, address)]), allow_private_network: false, ..Setup::new(&[&origin]) };
        let mut call = Call::new(&setup.build());
        let outcome = call.get(&origin).await;
        assert!(matches!(outcome, Err(Error::DestinationIpProhibited)), "{name}: {outcome:?}");
        let note = call.notes().concat();
        if name == "unspecified.example.com" {
            assert!(note.contains("no connector may reach"), "{note}");
            // Not even with the grant.
            setup.allow_private_network = true;
            assert!(matches!(get(&setup.build(), &origin).await, Err(Error::DestinationIpProhibited)));
        } else {
            assert!(note.ends_with("private-network = true"), "{note}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn of_several_addresses_the_allowed_ones_are_tried_in_turn() {
    let server = Server::start(|_| ok("hello")).await;
    let origin = format!("http://many.example.com:{}", server.address.port());
    // One that is never allowed, one where nobody listens, the right one.
    let names = outbound(&[("many.example.com", "169.254.169.254,127.0.0.2,127.0.0.1")]);
    let setup = Setup { outbound: names, ..Setup::new(&[&origin]) };
    assert_eq!(get(&setup.build(), &origin).await.unwrap().body, "hello");
}

#[tokio::test]
async fn of_a_name_with_endless_addresses_only_the_first_are_tried() {
    let server = Server::start(|_| ok("hello")).await;
    let origin = format!("http://many.example.com:{}", server.address.port());
    // Nobody listens on the others.
    for (dead, answers) in [(7, true), (8, false)] {
        let addresses: Vec<_> = (2..2 + dead).map(|last| format!("127.0.0.{last}")).chain(["127.0.0.1".to_owned()]).collect();
        let setup = Setup { outbound: outbound(&[("many.example.com", &addresses.join(","))]), ..Setup::new(&[&origin]) };
        assert_eq!(get(&setup.build(), &origin).await.is_ok(), answers, "after {dead} dead ones");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_address_written_as_the_host_is_judged_like_a_name() {
    let server = Server::start(|_| ok("never")).await;
    let setup = Setup { allow_private_network: false, ..Setup::for_server(&server) };
    let outcome = get(&setup.build(), &server.url("/")).await;
    assert!(matches!(outcome, Err(Error::DestinationIpProhibited)), "{outcome:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_connection_opened_under_a_grant_serves_no_channel_without_it() {
    let server = Server::start(|_| ok("hello")).await;
    let granted = Setup::for_server(&server);
    assert_eq!(get(&granted.build(), &server.url("/")).await.unwrap().status, 200);
    let without = Setup { allow_private_network: false, ..granted };
    let outcome = get(&without.build(), &server.url("/")).await;
    assert!(matches!(outcome, Err(Error::DestinationIpProhibited)), "{outcome:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(|_| ok("never")).await;
    let target = elsewhere.url("/metadata");
    let location = target.clone();
    let server = Server::start(move |_| Response::builder().status(302).header("location", &location).body(Body::empty()).unwrap()).await;
    let channel = Setup::for_server(&server).build();
    let got = get(&channel, &server.url("/")).await.unwrap();
    assert_eq!((got.status, got.header("location")), (302, target.as_str()));
    // And a guest that follows it by itself meets the same list.
    assert_denied(&get(&channel, &target).await);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_guest_cannot_set_authorization() {
    let server = Server::start(|_| ok("never")).await;
    let channel = Setup::for_server(&server).build();
    for header in ["authorization", "cookie", "proxy-authorization", "proxy-anything", "host", "connection", "upgrade", "expect"] {
        let mut call = Call::new(&channel);
        assert_denied(&call.send(Request::get(server.url("/")).header(header, "x"), "").await);
        assert!(call.notes().concat().contains(&format!("header {header}")), "{:?}", call.notes());
    }
    for method in ["TRACE", "CONNECT"] {
        assert_denied(&Call::new(&channel).send(Request::builder().method(method).uri(server.url("/")), "").await);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_a_guest_asks_is_what_the_server_sees() {
    let server = Server::start(|_| Response::builder().status(418).header("x-answer", "yes").body("short".into()).unwrap()).await;
    let channel = Setup::for_server(&server).build();
    let request =
        Request::put(server.url("/a%20b?c=d%26")).header("x-ask", "1").header("accept-encoding", "gzip").header("content-length", "5");
    let got = Call::new(&channel).send(request, "hello").await.unwrap();
    assert_eq!((got.status, got.header("x-answer"), got.body.as_str()), (418, "yes", "short"));
    let seen = server.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str(), seen.body()), ("PUT", "/a%20b?c=d%26", "hello"));
    assert_eq!((seen.header("x-ask"), seen.header("accept-encoding")), ("1", "identity"));
    assert_eq!((seen.header("host"), seen.header("content-length")), (server.address.to_string().as_str(), "5"));
    assert!(seen.header("user-agent").starts_with("sportello/"));
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_read_to_its_end() {
    let server = Server::start(|_| ok("never")).await;
    let mut setup = Setup::for_server(&server);
    setup.origins.clear();
    let (sender, body) = tokio::sync::mpsc::channel::<Result<http_body::Frame<Bytes>, Error>>(1);
    let body = http_body_util::StreamBody::new(futures_util::stream::unfold(body, async |mut body| Some((body.recv().await?, body))));
    let request = Request::post(server.url("/")).body(BodyExt::boxed_unsync(body)).unwrap();
    let mut call = Call::new(&setup.build());
    let answer = tokio::spawn(call.begin(request));
    for _ in 0..100 {
        sender.send(Ok(http_body::Frame::data(Bytes::from_static(&[7; 1000])))).await.expect("the host stopped reading the guest's body");
    }
    drop(sender);
    assert_denied(&answer.await.unwrap());
}

#[tokio::test]
async fn failures_before_anything_was_sent_are_told_from_later_ones() {
    // A port nobody listens on, a name nobody knows, a server that is not TLS.
    let gone = Server::start(|_| ok("never")).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let tls = gone.url("").replace("http:", "https:");
    let channel = Setup::new(&[&closed, "http://unknown.example.com", &tls]).build();
    let refused = get(&channel, &closed).await;
    assert!(matches!(refused, Err(Error::ConnectionRefused)), "{refused:?}");
    let unknown = get(&channel, "http://unknown.example.com").await;
    assert!(matches!(unknown, Err(Error::DnsError { .. })), "{unknown:?}");
    let not_tls = get(&channel, &tls).await;
    assert!(matches!(not_tls, Err(Error::TlsProtocolError)), "{not_tls:?}");
    assert_eq!(gone.seen().len(), 0);
}
