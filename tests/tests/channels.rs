//! The same promises of every channel connector, kept by the built component in a host on the platform's stand-in: what comes in enters once whatever
//! the platform does, what goes out is done once whatever becomes of the answer.
//!
//! A host that is stopped anywhere goes on from there. Where it reads what is new page by page, a restart between two pages loses and doubles nothing, and
//! as the stand-in counts no page that was taken in is asked for again.
//!
//! Time is a clock that the tests move, the platform's with the host's. A promise that a platform cannot give is named in the connector's README with
//! the reason; the tests look that up.

#[path = "channels/desk.rs"]
mod desk;
#[path = "channels/facebook.rs"]
mod facebook;
#[path = "channels/linkedin.rs"]
mod linkedin;
#[path = "channels/network.rs"]
mod network;
#[path = "channels/promises.rs"]
mod promises;
#[path = "channels/soak.rs"]
mod soak;
#[path = "channels/trial.rs"]
mod trial;
#[path = "channels/twitter.rs"]
mod twitter;
#[path = "channels/wiki.rs"]
mod wiki;

use facebook::Page;
use linkedin::Organization;
use twitter::{AccountActivity, Activity};
use wiki::{StandInTalkPages, TalkPages};

channel_promises!(of_facebook, Page);
channel_promises!(of_x, Activity);
channel_promises!(of_x_in_its_older_shape, AccountActivity);
channel_promises!(of_linkedin, Organization);
channel_promises!(of_a_wiki, TalkPages);
channel_promises!(of_a_stand_in_wiki, StandInTalkPages);
