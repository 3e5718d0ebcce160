//! The chosen set before its judges: rolled back before? slower anywhere? worth it?
//!
//! What fails is revised without what was to blame; what holds becomes change sets.

use super::{
    Error,
    explore::Explored,
    lab::{Lab, Timing},
    pool::Set,
    proposal::{self, Scripts},
    search::measurable,
    select::{Obstacle, Selection},
    verify::{self, Verified},
};
use crate::payload::Candidate;
use std::{collections::BTreeMap, time::Instant};

/// How often a choice that fails is revised.
const REVISIONS: usize = 5;

/// From what helps single queries to change sets that hold.
pub struct Run<'r, 'a> {
    pub lab: &'r mut Lab<'a>,
    pub base: &'r [Option<Timing>],
    pub end: Instant,
    pub notes: Vec<String>,
    pub obstacles: BTreeMap<String, Obstacle>,
    pub progress: &'r dyn Fn(&str),
}

impl<'a> Run<'_, 'a> {
    /// The change sets of new indexes, best first.
    ///
    /// # Errors
    /// Where a copy fails.
    pub fn indexes(&mut self, explored: &[Explored]) -> Result<Vec<Candidate>, Error> {
        let mut banned = self.rolled_back_singles();
        for _ in 0..REVISIONS {
            let mut selection = self.selection(banned.clone());
            let chosen = selection.choose(explored)?;
            let obstacles = std::mem::take(&mut selection.obstacles);
            self.obstacles.extend(obstacles);
            if chosen.is_empty() {
                return Ok(Vec::new());
            }
            (self.progress)(&format!("verifying {}", self.lab.pool.describe_set(&chosen)));
            match self.judge(&chosen)? {
                Judgement::Holds(verified) => return self.split(&chosen, &verified),
                Judgement::Without(harmful) if Instant::now() >= self.end => {
                    return self.what_is_left(&chosen, &harmful);
                }
                Judgement::Without(harmful) => banned.extend(harmful),
                // What was learnt is enough to choose differently.
                Judgement::Learnt(_) if Instant::now() < self.end => {}
                Judgement::Learnt(harmful) => return self.what_is_left(&chosen, &harmful),
                Judgement::Nothing => return Ok(Vec::new()),
            }
        }
        Ok(Vec::new())
    }

    /// Without time to choose anew: the choice without what was to blame, if that holds.
    fn what_is_left(&mut self, chosen: &Set, harmful: &Set) -> Result<Vec<Candidate>, Error> {
        let rest: Set = chosen.difference(harmful).copied().collect();
        self.notes.push("the time ran out while revising the choice".to_owned());
        if rest.is_empty() || rest == *chosen {
            return Ok(Vec::new());
        }
        match self.judge(&rest)? {
            Judgement::Holds(verified) => self.split(&rest, &verified),
            Judgement::Without(_) | Judgement::Learnt(_) | Judgement::Nothing => Ok(Vec::new()),
        }
    }

    fn selection(&mut self, banned: Set) -> Selection<'_, 'a> {
        Selection { lab: self.lab, base: self.base, banned, obstacles: BTreeMap::new() }
    }

    /// What stood in the way, one line per query.
    pub fn explain(&mut self) {
        for (name, obstacle) in std::mem::take(&mut self.obstacles) {
            self.notes.push(format!(
                "left out {} that would slow down {name}, to {:.2} ms with {}",
                obstacle.sets.len(),
                obstacle.ms,
                obstacle.worst
            ));
        }
    }

    /// Candidates that were rolled back on their own.
    fn rolled_back_singles(&self) -> Set {
        let alone = |id: &usize| {
            let scripts = self.scripts(&Set::from([*id]));
            proposal::is_rolled_back(&scripts.up, self.lab.input)
        };
        (0..self.lab.pool.len()).filter(alone).collect()
    }

    fn scripts(&self, set: &Set) -> Scripts {
        let definitions: Vec<_> = set.iter().map(|id| self.lab.pool.definition(*id)).collect();
        proposal::scripts(&definitions, self.lab.pool.schema())
    }

    fn judge(&mut self, chosen: &Set) -> Result<Judgement, Error> {
        let input = self.lab.input;
        let scripts = self.scripts(chosen);
        if proposal::is_rolled_back(&scripts.up, input) {
            self.notes.push(format!("rolled back before: {}", scripts.title));
            return Ok(Judgement::Without(self.least_useful(chosen)?));
        }
        let verified = verify::verify(input, &scripts.up, &measurable(self.base), self.end)?;
        if let Some(slower) = verified.slower(input.limits.max_regression_pct).first() {
            let name = &input.workload.queries[slower.query].name;
            self.notes.push(format!(
                "{} makes {name} slower: {:.2} -> {:.2} ms ({})",
                scripts.title,
                slower.before_ms,
                slower.after_ms,
                slower.plan.join("; ")
            ));
            let used = self.lab.plan(slower.query, chosen)?.1;
            let guilty = if used.is_empty() { self.least_useful(chosen)? } else { used };
            let ratio = slower.after_ms / slower.before_ms.max(f64::MIN_POSITIVE);
            let is_new = self.lab.learn_ratio(slower.query, chosen, ratio)?;
            return Ok(if is_new { Judgement::Learnt(guilty) } else { Judgement::Without(guilty) });
        }
        let pct = verified.improvement_pct(input);
        if pct < input.limits.min_improvement_pct {
            self.notes.push(format!("{} would save only {pct:.1} %", scripts.title));
            return Ok(Judgement::Nothing);
        }
        Ok(Judgement::Holds(verified))
    }

    /// The one whose loss costs the least.
    fn least_useful(&mut self, chosen: &Set) -> Result<Set, Error> {
        let mut least = (f64::INFINITY, Set::new());
        for id in chosen {
            let without: Set = chosen.iter().copied().filter(|other| other != id).collect();
            if let Some(total) = self.selection(Set::new()).total(&without)?
                && total < least.0
            {
                least = (total, Set::from([*id]));
            }
        }
        if least.1.is_empty() { Ok(chosen.clone()) } else { Ok(least.1) }
    }

    /// One change set, or, where several are wanted, one per group of indexes that no query uses
    /// together.
    fn split(&mut self, chosen: &Set, verified: &Verified) -> Result<Vec<Candidate>, Error> {
        let input = self.lab.input;
        let whole = proposal::candidate(self.scripts(chosen), verified, input);
        if input.limits.max_changes < 2 {
            return Ok(vec![whole]);
        }
        let mut groups: Vec<Set> = chosen.iter().map(|id| Set::from([*id])).collect();
        for compared in &verified.queries {
            let used = self.lab.plan(compared.query, chosen)?.1;
            let (touched, rest): (Vec<Set>, Vec<Set>) =
                groups.into_iter().partition(|group| !group.is_disjoint(&used));
            groups = rest;
            let merged: Set = touched.into_iter().flatten().collect();
            groups.extend((!merged.is_empty()).then_some(merged));
        }
        let mut candidates = Vec::new();
        for group in &groups {
            let scripts = self.scripts(group);
            let alone = verify::verify(input, &scripts.up, &measurable(self.base), self.end)?;
            let holds = alone.improvement_pct(input) >= input.limits.min_improvement_pct
                && alone.slower(input.limits.max_regression_pct).is_empty();
            if holds && !proposal::is_rolled_back(&scripts.up, input) {
                candidates.push(proposal::candidate(scripts, &alone, input));
            }
        }
        candidates.sort_by(|a, b| {
            let pct = |c: &Candidate| c.expected_improvement_pct.unwrap_or(0.0);
            pct(b).total_cmp(&pct(a))
        });
        Ok(if candidates.is_empty() { vec![whole] } else { candidates })
    }
}

enum Judgement {
    /// It does what it should.
    Holds(Verified),
    /// It might, without these.
    Without(Set),
    /// It slows a query down by these, which nobody knew yet.
    Learnt(Set),
    /// There is not enough in it.
    Nothing,
}
