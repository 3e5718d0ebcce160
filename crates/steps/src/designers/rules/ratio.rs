//! A query with a set and without it, measured in turn: what decides where two times are close.
//!
//! Times from different moments of a busy machine say little about each other. Not in here:
//! whether a ratio is acceptable ([`super::select`]).

use super::{Error, lab::Lab, pool::Set};
use std::time::Instant;

/// Beyond this factor one round of measuring in turn is enough,
const FAR_APART: f64 = 3.0;
/// and beyond this one two.
const APART: f64 = 1.4;
/// Rounds added where a set looks slower, but not clearly.
const EXTRA_ROUNDS: u32 = 2;

impl Lab<'_> {
    /// What the query costs under `set` as a multiple of what it costs now, measured in turn;
    /// `None` where time ran out.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn ratio(&mut self, query: usize, set: &Set, rounds: u32) -> Result<Option<f64>, Error> {
        if let Some(known) = self.known_ratio(query, set)? {
            return Ok(Some(known));
        }
        let nothing = Set::new();
        let mut least = [f64::INFINITY; 2];
        for round in 0..rounds + EXTRA_ROUNDS {
            for (side, set) in [&nothing, set].into_iter().enumerate() {
                let (plan, used) = self.plan(query, set)?;
                if Instant::now() >= self.deadline || !self.expose(query, set, &plan, &used)? {
                    return Ok(None);
                }
                let timing = self.sample(query, self.input.limits.timeout)?;
                least[side] = least[side].min(timing.ms);
                self.keep_least(query, plan, timing);
            }
            // One bad moment of the machine must not decide, least of all against a set.
            let apart = if round == 0 { FAR_APART } else { APART };
            let is_clear = least[1] > least[0] * apart || least[1] * apart < least[0];
            if is_clear || (round + 1 >= rounds && least[1] <= least[0]) {
                break;
            }
        }
        let ratio = least[1] / least[0].max(f64::MIN_POSITIVE);
        self.learn_ratio(query, set, ratio)?;
        Ok(Some(ratio))
    }

    /// The ratio, where it is known.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn known_ratio(&mut self, query: usize, set: &Set) -> Result<Option<f64>, Error> {
        let plan = self.plan(query, set)?.0;
        Ok(self.ratios.get(&(query, plan)).copied())
    }

    /// Records a ratio that was measured elsewhere. `false`: it was known to be no better.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn learn_ratio(&mut self, query: usize, set: &Set, ratio: f64) -> Result<bool, Error> {
        let plan = self.plan(query, set)?.0;
        let known = self.ratios.insert((query, plan), ratio);
        Ok(known.is_none_or(|known| known < ratio))
    }
}
