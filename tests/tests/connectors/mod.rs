//! What our connectors promise on real servers and on their stand-ins alike, and what the tests of it share.

pub(crate) mod between;
pub(crate) mod crm;
pub(crate) mod crm_contacts;
pub(crate) mod driver;
pub(crate) mod inbox;
pub(crate) mod linkedin;
pub(crate) mod wiki;
