//! Whom an effect of a run is forgotten with.

use sportello_core::domain::effect::{EFFECTS, EFFECTS_BY_PROFILE};
use sportello_core::ids::{EffectId, ProfileId};

use crate::tenant::Tenant;

const ADA: u64 = 1;
const BRUNO: u64 = 2;

#[test]
fn an_answer_to_somebody_in_anothers_case_is_forgotten_with_either() {
    let mut tenant = Tenant::new();
    let case = tenant.say(ADA, 10);
    tenant.define("{name: echo, on: interaction.received, steps: [{reply: \"You said ${interaction.text}.\"}]}");
    assert_eq!(tenant.say(BRUNO, 10), case, "Bruno speaks in Ada's case");
    tenant.answer_words(1, 1).expect("answered");
    let effect = EFFECTS.get(&tenant.rows, &EffectId(1)).expect("an effect");
    assert_eq!((effect.case, effect.profile), (Some(case), Some(ProfileId(BRUNO))), "the words quote Bruno");
    for profile in [ADA, BRUNO] {
        assert!(EFFECTS_BY_PROFILE.get(&tenant.rows, &(ProfileId(profile), EffectId(1))).is_some(), "profile {profile}");
    }
}

#[test]
fn an_answer_to_what_the_company_said_is_forgotten_with_whose_case_it_is() {
    let mut tenant = Tenant::new();
    tenant.define("{name: greet, on: case.opened, steps: [{reply: hello}]}");
    tenant.say(ADA, 10);
    tenant.say_ourselves(10);
    tenant.answer_words(1, 1).expect("answered");
    assert_eq!(EFFECTS.get(&tenant.rows, &EffectId(1)).expect("an effect").profile, Some(ProfileId(ADA)));
}
