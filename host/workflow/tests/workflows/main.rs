//! What workflows promise, through the same composition with the core that the server uses.

mod composition;
mod definitions;
mod effects;
mod evaluation;
mod examples;
mod forgetting;
mod limits;
mod replay;
mod runs;
mod stored;
mod tenant;
mod timers;
