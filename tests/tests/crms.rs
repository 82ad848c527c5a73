//! A day with a CRM where everything goes wrong now and then: whoever its operators enter, rename or put away is known here as they know them, each
//! state once; what a customer asked stands in the CRM once; whoever is made a contact from here is there once, and nothing is overwritten that its
//! operators changed in the meantime.
//!
//! The real servers where they are installed, behind a gateway on which requests get lost. The host's clock is moved by the test; the CRM's is the
//! machine's, so that a day's changes crowd in its seconds.

#[path = "crms/books.rs"]
mod books;
#[path = "crms/csv_drop.rs"]
mod csv_drop;
#[path = "crms/request_tracker.rs"]
mod request_tracker;
#[path = "crms/soak.rs"]
mod soak;
#[path = "crms/tryton.rs"]
mod tryton;

use csv_drop::Drop;
use request_tracker::Tracker;
use tryton::{EightBooks, SixBooks, StandInBooks};

macro_rules! soaks {
    ($($module:ident, $books:ty;)*) => { $(
        mod $module {
            use super::*;

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
}

soaks! {
    of_tryton_6, SixBooks;
    of_tryton_8, EightBooks;
    of_the_stand_in, StandInBooks;
    of_request_tracker, Tracker;
    of_dropped_files, Drop;
}
