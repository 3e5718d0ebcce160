//! What people read. Deciding nothing: only words, columns and colours.

pub mod evidence;
pub mod models;
pub mod observer;
pub mod run;
pub mod server;
pub mod style;
pub mod table;
