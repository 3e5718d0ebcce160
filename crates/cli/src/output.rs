//! Where answers go: text for people, or one JSON document, on stdout; errors on stderr.

use crate::{
    failure::Failure,
    render::style::{BAD, BOLD, paint},
};
use serde::Serialize;

/// How to answer.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    pub json: bool,
}

impl Out {
    /// The answer: `value` as JSON, or the text that `people` makes.
    pub fn answer<T: Serialize>(self, value: &T, people: impl FnOnce() -> String) {
        if self.json {
            let text = serde_json::to_string_pretty(value).unwrap_or_else(|e| e.to_string());
            anstream::println!("{text}");
        } else {
            anstream::print!("{}", people());
        }
    }

    /// A line for people only.
    pub fn say(self, text: &str) {
        if !self.json {
            anstream::println!("{text}");
        }
    }
}

/// What happened, why, and the next command to type.
pub fn failure(failure: &Failure, json: bool) {
    if json {
        let text = serde_json::to_string_pretty(&failure.json()).unwrap_or_default();
        anstream::println!("{text}");
        return;
    }
    trouble(failure, &[]);
}

/// The same on stderr alone, with what to look at between the two.
pub fn trouble(failure: &Failure, look_at: &[String]) {
    anstream::eprintln!("{} {}", paint(BAD, "error:"), failure.message);
    for line in look_at {
        anstream::eprintln!("  {line}");
    }
    if let Some(next) = &failure.next {
        anstream::eprintln!("{} {next}", paint(BOLD, "next: "));
    }
}
