//! The connectors for wikis and for Tryton, as built for WebAssembly and run by our runtime, against the real servers and against the stand-ins
//! that are used where those are not installed: the same promises of both.
//!
//! The connectors for platforms that nobody can run at home are driven against their stand-ins alone: `connectors/linkedin.rs`.
//!
//! Where a real server is missing its half says so and passes; in CI it fails (see `servers::require`).

mod connectors;

use sportello_tests::servers::{MediaWiki, Release, Tryton, require};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::wiki::WikiStandIn;

wiki_connector_promises!(on_mediawiki, async { require(MediaWiki::start().await) });
wiki_connector_promises!(on_the_stand_in_wiki, async { Some(WikiStandIn::start().await.expect("the stand-in starts")) });
crm_connector_promises!(on_tryton_6, async { require(Tryton::start().await) });
crm_connector_promises!(on_tryton_8, async { require(Tryton::start_release(Release::Eight).await) });
crm_connector_promises!(on_the_stand_in_crm_6, async { Some(CrmStandIn::start().await.expect("the stand-in starts")) });
crm_connector_promises!(on_the_stand_in_crm_8, async {
    Some(CrmStandIn::start_release(Release::Eight).await.expect("the stand-in starts"))
});
