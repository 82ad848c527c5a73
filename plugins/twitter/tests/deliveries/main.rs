//! What the connector promises about deliveries, in both shapes. The bodies are written after X's public documentation.

mod accounts;
mod acts;
mod bodies;
mod challenges;
mod edits;
mod not_understood;
mod posts;
mod threads;
