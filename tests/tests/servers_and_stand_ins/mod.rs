//! What a wiki and a CRM promise to those who talk with them, kept by the real servers and by their stand-ins alike.

pub(crate) mod crm;
pub(crate) mod wiki;
