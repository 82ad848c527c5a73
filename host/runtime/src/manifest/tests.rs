use super::*;
use crate::contract::*;

/// A manifest with one of everything, from which each test spoils one thing.
pub(crate) fn sound() -> Manifest {
    Manifest {
        name: "example".into(),
        version: "1.2.0".into(),
        kind: ConnectorKind::Channel,
        network: "example".into(),
        summary: "An example".into(),
        configuration_schema: r#"{"type":"object","properties":{"base-url":{"type":"string","format":"uri"}}}"#.into(),
        origins: vec![Origin::Fixed("https://api.example.com".into()), Origin::Setting("/base-url".into())],
        folders: vec![Folder { name: "drop".into(), setting: "/folder".into() }],
        credentials: vec![
            Credential {
                name: "app-secret".into(),
                purpose: "Signs deliveries".into(),
                fields: vec!["secret".into()],
                origin: None,
                placements: vec![],
                session: None,
                signing: None,
                optional: false,
                sign: true,
            },
            Credential {
                name: "bot".into(),
                purpose: "Logs in".into(),
                fields: vec!["user".into(), "password".into()],
                origin: Some(Origin::Setting("/base-url".into())),
                placements: vec![Placement {
                    place: Place::Header("x-token".into()),
                    prefix: String::new(),
                    template: "${token}".into(),
                    encoding: Encoding::Plain,
                }],
                session: Some(Session {
                    origin: None,
                    steps: vec![LoginStep {
                        method: "POST".into(),
                        path: "/login".into(),
                        placements: vec![],
                        body: LoginBody::Form(vec![("password".into(), "${password}".into())]),
                        captures: vec![Capture { name: "token".into(), pointer: "/token".into() }],
                        expect: vec![Expectation { pointer: "/result".into(), equals: "ok".into() }],
                    }],
                    cookies: true,
                    lifetime_seconds: 0,
                    lifetime_capture: None,
                    rotates: vec![],
                    rotation_lifetime_capture: None,
                    retry_at_header: None,
                }),
                signing: None,
                optional: false,
                sign: false,
            },
        ],
        signatures: vec![Signature {
            carrier: Carrier::Header("x-signature".into()),
            prefix: String::new(),
            prefix_optional: false,
            mac: Mac::HmacSha256,
            digest_text: DigestText::Hex,
            signed_prefix: String::new(),
            credential: "app-secret".into(),
        }],
        actions: vec![Action { name: "reply".into(), idempotency: Idempotency::Findable, settling_seconds: 5 }],
        request_limits: vec![RequestLimit { requests: 10, seconds: 1 }],
        poll_seconds: 60,
        state_version: 1,
        policy: NetworkPolicy {
            retention: vec![Retention { class: "content".into(), hours: 24 }],
            link: LinkPermission::Evidence,
            reply: ReplyPermission::Always,
            recheck_hours: 24,
        },
    }
}

fn all() -> Capabilities {
    Capabilities { webhook: true, poll: true, publish: true, find: true, recheck: true, crm: true, configuration: true }
}

#[test]
fn a_sound_manifest_passes() {
    check(&sound(), all()).unwrap();
}

#[test]
fn each_spoilt_part_is_refused_where_it_stands() {
    type Spoil = (&'static str, &'static str, fn(&mut Manifest));
    let cases: &[Spoil] = &[
        ("name", "Example", |manifest| manifest.name = "Example".into()),
        ("version", "1.2", |manifest| manifest.version = "1.2".into()),
        ("origins[0]", "path", |manifest| manifest.origins[0] = Origin::Fixed("https://a.example/v1".into())),
        ("origins[1]", "begins with `/`", |manifest| manifest.origins[1] = Origin::Setting("base-url".into())),
        ("folders", "is not a name", |manifest| manifest.folders[0].name = "../etc".into()),
        ("folders[drop]", "begins with `/`", |manifest| manifest.folders[0].setting = "folder".into()),
        ("credentials[bot]", "declared twice", |manifest| manifest.credentials[0].name = "bot".into()),
        ("credentials[bot].session.steps[0]", "${pasword}", |manifest| {
            let session = manifest.credentials[1].session.as_mut().unwrap();
            session.steps[0].body = LoginBody::Json(r#"{"p":"${pasword}"}"#.into());
        }),
        ("credentials[bot].placements[0]", "known there", |manifest| {
            manifest.credentials[1].session = None;
        }),
        ("credentials[bot].placements[0]", "no header", |manifest| {
            manifest.credentials[1].placements[0].place = Place::Header("host".into());
        }),
        ("credentials[bot]", "no origin", |manifest| manifest.credentials[1].origin = None),
        ("credentials[bot]", "exactly one field", |manifest| manifest.credentials[1].sign = true),
        ("credentials[bot].session", "wrong one", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().origin = Some(Origin::Fixed("https://login.example".into()));
        }),
        ("credentials[bot].session.steps[0]", "does not rotate", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().steps[0].captures[0].name = "password".into();
        }),
        ("credentials[bot].session.rotates", "twice", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().rotates.extend(["password".to_owned(), "password".to_owned()]);
        }),
        ("credentials[bot].session.rotates", "no field", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().rotates.push("token".into());
        }),
        ("credentials[bot].session", "no step captures password", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().rotates.push("password".into());
        }),
        ("credentials[bot].session", "no step captures expires-in", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().lifetime_capture = Some("expires-in".into());
        }),
        ("credentials[bot].session.rotation-lifetime-capture", "one field that rotates, and 0 do", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().rotation_lifetime_capture = Some("token".into());
        }),
        ("credentials[bot].session.retry-at-header", "no name of a header", |manifest| {
            manifest.credentials[1].session.as_mut().unwrap().retry_at_header = Some("x y".into());
        }),
        ("credentials[bot]", "consumer-key, consumer-secret, token, token-secret", |manifest| {
            manifest.credentials[1].signing = Some(RequestSigning::Oauth1HmacSha1);
        }),
        ("signatures[0].credential", "declared: app-secret, bot", |manifest| manifest.signatures[0].credential = "secret".into()),
        ("signatures[0].credential", "exactly one field", |manifest| manifest.signatures[0].credential = "bot".into()),
        ("signatures[0].carrier", "no header name", |manifest| manifest.signatures[0].carrier = Carrier::Header("x y".into())),
        ("signatures[1]", "same place", |manifest| {
            let again = manifest.signatures[0].clone();
            manifest.signatures.push(again);
        }),
        ("request-limits[0]", "at least 1", |manifest| manifest.request_limits[0].seconds = 0),
        ("policy.retention", "profile, content and raw", |manifest| {
            manifest.policy.retention[0].class = "all".into();
        }),
        ("policy.recheck-hours", "at least 1", |manifest| manifest.policy.recheck_hours = 0),
        ("configuration-schema", "not JSON", |manifest| manifest.configuration_schema = "{".into()),
        ("configuration-schema", "no JSON Schema", |manifest| {
            manifest.configuration_schema = r#"{"type":"strin"}"#.into();
        }),
        ("configuration-schema", "no JSON Schema", |manifest| {
            manifest.configuration_schema = r#"{"$ref":"https://example.com/schema.json"}"#.into();
        }),
    ];
    for (place, problem, spoil) in cases {
        let mut manifest = sound();
        spoil(&mut manifest);
        let fault = check(&manifest, all()).expect_err(problem);
        assert_eq!(&fault.place, place, "{fault}");
        assert!(fault.problem.contains(problem), "{fault}");
    }
}

#[test]
fn an_action_needs_the_exports_that_carry_it_out() {
    let without_find = Capabilities { find: false, ..all() };
    assert_eq!(check(&sound(), without_find).unwrap_err().place, "actions[reply]");
    let without_publish = Capabilities { publish: false, ..all() };
    assert_eq!(check(&sound(), without_publish).unwrap_err().place, "actions[reply]");
}
