//! Outgoing HTTP of guests.
