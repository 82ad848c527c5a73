//! Facebook Pages.
