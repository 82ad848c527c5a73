use sportello_core::commands::RecordErased;
use sportello_core::domain::erasure::Due;
use sportello_core::ids::IdentifierId;

use super::*;
use crate::clock::SetClock;
use crate::tenant::{Tenant, TenantOptions};

#[tokio::test]
async fn a_command_of_more_events_than_a_record_holds_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SetClock::at(Timestamp(1_000_000)));
    let tenant = Tenant::open("demo", folder.path(), &TenantOptions::default(), clock, &mut |_, _| {}).unwrap();
    // One event an entry.
    let comes_to = |events: usize| {
        let identifiers = (1..).map(IdentifierId).take(events);
        RecordErased { erased: identifiers.map(|identifier| (None, Due::Identifier(identifier))).collect() }
    };
    let refused = tenant.submit("test", comes_to(EVENTS_PER_RECORD_MAX + 1)).await.unwrap_err();
    assert!(refused.to_string().contains("60001 events; at most 60000"), "{refused}");
    assert_eq!(tenant.cursor(), 0);
    tenant.submit("test", comes_to(EVENTS_PER_RECORD_MAX)).await.unwrap();
    let (_, record) = tenant.records(1).unwrap().next().unwrap().unwrap();
    assert_eq!(record.events.len(), EVENTS_PER_RECORD_MAX, "and it is read as it was written");
    tenant.close().unwrap();
}
