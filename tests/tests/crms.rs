//! A day with a CRM where everything goes wrong now and then: whoever its operators enter, rename or put away is known here as they know them, each
//! state once; what a customer asked stands in the CRM once; whoever is made a contact from here is there once, and nothing is overwritten that its
//! operators changed in the meantime. And trials: every kind of trouble at every request of each thing a CRM is asked for, and a restart at every page of its changes.
//!
//! The real servers where they are installed, behind a gateway on which requests get lost. The host's clock is moved by the test; the CRM's is the
//! machine's, so that a day's changes crowd in its seconds.

#[path = "crms/books.rs"]
mod books;
#[path = "crms/csv_drop.rs"]
mod csv_drop;
#[path = "crms/delta_links.rs"]
mod delta_links;
#[path = "crms/request_tracker.rs"]
mod request_tracker;
#[path = "crms/soak.rs"]
mod soak;
#[path = "crms/tryton.rs"]
mod tryton;

use books::Writing;
use csv_drop::Drop;
use delta_links::DeltaLinks;
use request_tracker::Tracker;
use soak::restarts;
use soak::trial::{self, Deed};
use tryton::{EightBooks, SixBooks, StandInBooks};

macro_rules! crm_promises {
    ($($module:ident, $books:ty, $trials:ident;)*) => { $(
        mod $module {
            use super::*;

            mod $trials {
                use super::*;
                crm_promises!(@each $books;
                    trouble_at_any_request_for_changes_loses_none: Deed::Follow;
                    trouble_at_any_request_leaves_nobody_unrecognised: Deed::Recognise;
                    a_contact_is_made_once_whatever_the_trouble_at_any_request: Deed::Write(Writing::Contact);
                    a_contact_is_changed_once_whatever_the_trouble_at_any_request: Deed::Write(Writing::Change);
                    a_note_is_written_once_whatever_the_trouble_at_any_request: Deed::Write(Writing::Note);
                );
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_restart_at_every_page_of_changes_loses_and_doubles_nothing() {
                restarts::at_every_page::<$books>().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn an_hour_in_which_everything_goes_wrong() {
                soak::everything_goes_wrong::<$books>(1).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn long_a_day_in_which_everything_goes_wrong() {
                soak::everything_goes_wrong::<$books>(24).await;
            }
        }
    )* };
    (@each $books:ty; $($promise:ident: $deed:expr;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            trial::every_trouble_at_every_request::<$books>($deed).await;
        }
    )* };
}

// Every kind of trouble at every request takes long where a server is real.
crm_promises! {
    of_tryton_6, SixBooks, long_trials;
    of_tryton_8, EightBooks, long_trials;
    of_the_stand_in, StandInBooks, trials;
    of_request_tracker, Tracker, long_trials;
    of_dropped_files, Drop, trials;
}

// Who was removed has no name any more: its day would be another one.
mod of_delta_links {
    use super::*;
    crm_promises!(@each DeltaLinks; trouble_at_any_request_for_changes_loses_none: Deed::Follow;);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_restart_at_every_page_of_changes_loses_and_doubles_nothing() {
        restarts::at_every_page::<DeltaLinks>().await;
    }
}
