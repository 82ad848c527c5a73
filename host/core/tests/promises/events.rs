use sportello_core::domain::case::CaseOpened;
use sportello_core::domain::effect::EffectStarted;
use sportello_core::event::{Event, EventError, split_raw};
use sportello_core::ids::{CaseId, ChannelName, ConversationId, EffectId, ProfileId};

/// Stored events never change their shape: these bytes were written by the first version.
#[test]
fn events_are_stored_as_they_always_were() {
    let opened = CaseOpened {
        case: CaseId(300),
        channel: ChannelName::new("page").unwrap(),
        conversation: ConversationId(7),
        profile: Some(ProfileId(5)),
    };
    let golden: [(Event, &str); 2] = [
        (opened.into(), "3c 00 01 0a 00 00 00 ac 02 04 70 61 67 65 07 01 05"),
        (EffectStarted { effect: EffectId(1), attempt: 2 }.into(), "47 00 01 02 00 00 00 01 02"),
    ];
    for (event, expected) in golden {
        let mut record = Vec::new();
        event.encode(&mut record);
        let bytes: Vec<String> = record.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes.join(" "), expected, "{}", event.word());
        let (raw, rest) = split_raw(&record).unwrap();
        assert!(rest.is_empty());
        assert_eq!(Event::from_payload(raw.kind, raw.version, raw.payload).unwrap(), event);
    }
}

#[test]
fn an_event_of_a_newer_program_is_told_from_damage() {
    assert_eq!(Event::from_payload(60, 2, &[]), Err(EventError::UnknownKind { kind: 60, version: 2 }));
    assert_eq!(Event::from_payload(999, 1, &[]), Err(EventError::UnknownKind { kind: 999, version: 1 }));
    assert_eq!(Event::from_payload(60, 1, &[0xff]), Err(EventError::Unreadable { kind: 60, version: 1 }));
    assert_eq!(split_raw(&[60, 0, 1, 9, 0, 0, 0, 1]), Err(EventError::CutOff));
}
