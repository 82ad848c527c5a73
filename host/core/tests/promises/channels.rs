//! Channels and what is live on them.

use sportello_core::commands::{InstallConnector, SetUpChannel};
use sportello_core::domain::channel::CHANNELS;
use sportello_core::event::Event;
use sportello_core::ids::Digest;
use sportello_core::refusal::Refusal;

use crate::desk::{Desk, channel};

#[test]
fn settings_and_component_of_a_channel_change_together_or_not_at_all() {
    let mut desk = Desk::new();
    let before = desk.get(&CHANNELS, &channel()).unwrap();
    let (first, second) = (before.grant.clone().unwrap().digest, Digest([8; 32]));
    desk.must(InstallConnector { digest: second, name: "chirper".into(), version: "1.1.0".into() });
    let set_up = |digest, settings: &str| {
        let (mut new, mut grant) = (before.settings.clone(), before.grant.clone().unwrap());
        new.settings = settings.into();
        grant.digest = digest;
        SetUpChannel { channel: channel(), settings: new, grant }
    };

    let refused = desk.try_to(set_up(Digest([9; 32]), "{\"new\":1}")).unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { .. }), "{refused}");
    assert_eq!(desk.get(&CHANNELS, &channel()).unwrap(), before);

    let (_, events) = desk.must(set_up(second, "{\"new\":1}"));
    assert!(matches!(events[..], [Event::ChannelConfigured(_), Event::ConnectorGranted(_)]), "{events:?}");
    let after = desk.get(&CHANNELS, &channel()).unwrap();
    assert_eq!((after.settings.settings.as_str(), after.grant.unwrap().digest, after.earlier), ("{\"new\":1}", second, vec![first]));
    assert_eq!(desk.must(set_up(second, "{\"new\":1}")).1, [], "what holds already is not recorded again");
}
