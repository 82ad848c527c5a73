//! The command line, as the real binary.

#[path = "cli/channels.rs"]
mod channels;
#[path = "cli/command.rs"]
mod command;
#[path = "cli/configuration.rs"]
mod configuration;
#[path = "cli/connectors.rs"]
mod connectors;
#[path = "cli/events.rs"]
mod events;
#[path = "cli/tokens.rs"]
mod tokens;
#[path = "cli/usage.rs"]
mod usage;
#[path = "cli/workflows.rs"]
mod workflows;
