//! End to end: real servers, faithful stand-ins, and what tests of every kind share.

pub mod canaries;
pub mod crowd;
pub mod error;
pub mod guests;
pub mod host;
pub mod http_client;
pub mod kept;
pub mod missing;
pub mod networks;
pub mod servers;
pub mod stand_ins;
pub mod waiting_guests;
