//! One file a command.

pub mod audit;
pub mod decide;
pub mod demo;
pub mod doctor;
pub mod feature;
pub mod help;
pub mod init;
pub mod journal;
pub mod models;
pub mod operate;
pub mod pending;
pub mod provenance;
pub mod report;
pub mod resume;
pub mod runs;
mod search;
pub mod show;
pub mod sql;
pub mod start;
pub mod why;

mod notices;
pub mod serve;
mod shared;
