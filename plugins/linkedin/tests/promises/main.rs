//! What the connector promises. The platform's side is [`platform`]: written after LinkedIn's public documentation, as small as the
//! promises need.

mod challenge;
mod deliveries;
mod errors;
mod looks;
mod platform;
mod polling;
mod posts;
mod replies;
mod threads;
