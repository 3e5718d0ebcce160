//! What proposes a change: rules here; model endpoints and agents get rooms of their own.

pub mod rules;
pub mod sqlserver;
