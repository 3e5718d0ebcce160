//! A deterministic simulation of drivers, people, a disk and a world around the pure core. One
//! seed is one schedule; nothing in here knows a thread, a clock or a file.

pub mod counts;
pub mod driver;
pub mod ending;
pub mod faults;
pub mod frame;
pub mod invariants;
pub mod people;
pub mod plant;
pub mod reading;
pub mod rng;
pub mod schedule;
pub mod starting;
pub mod store;
pub mod transition;
pub mod work;
pub mod world;
