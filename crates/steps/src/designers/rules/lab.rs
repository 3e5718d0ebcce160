//! What a query costs under a set of candidates: planned first, measured once per plan.
//!
//! Two sets under which a query has the same plan cost it the same; the time is kept by query and
//! plan, so that judging a whole workload under many sets needs few executions.

use super::{
    Error, Input,
    bench::Bench,
    definition::{Definition, quote},
    planner::Planner,
    pool::{Pool, Set},
    predicates,
    schema::Schema,
};
use crate::targets::sqlite::{Query, measure::Outcome};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A column with at most so many values is a status or a flag, not a name.
const FEW: i64 = 10;
/// What one query costs under one plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Least milliseconds of a few executions; the cap where it did not end.
    pub ms: f64,
    /// Virtual machine steps; 0 where it did not end.
    pub steps: u64,
    /// Whether it ended within the cap.
    pub ended: bool,
}

/// Pool, planner, bench and everything measured so far.
pub struct Lab<'a> {
    /// What the search works on.
    pub input: &'a Input<'a>,
    /// Every candidate.
    pub pool: Pool,
    planner: Planner,
    pub(super) bench: Bench,
    memo: BTreeMap<(usize, String), Timing>,
    plans: BTreeMap<(usize, Set), (String, Set)>,
    pub(super) ratios: BTreeMap<(usize, String), f64>,
    tables: Vec<Option<BTreeSet<String>>>,
    pub(super) writes: BTreeMap<(String, Set), Option<f64>>,
    few: BTreeMap<(String, String), bool>,
    /// Candidates that could not be built in time, or at all.
    pub unbuilt: Set,
    /// When measuring must end.
    pub deadline: Instant,
}

impl<'a> Lab<'a> {
    /// Sets up a bench in the scratch directory.
    ///
    /// # Errors
    /// Where the snapshot cannot be copied or read.
    pub fn new(input: &'a Input<'a>, deadline: Instant) -> Result<Lab<'a>, Error> {
        let bench = Bench::new(input.snapshot, &input.scratch.join("bench.db"))?;
        let pool = Pool::new(Schema::read(bench.connection())?);
        let planner = Planner::new(bench.connection())?;
        let tables = input.workload.queries.iter().map(|query| {
            let uses = predicates::uses(&query.sql, pool.schema()).ok()?;
            Some(uses.into_iter().map(|used| used.table).collect())
        });
        let tables = tables.collect();
        Ok(Lab {
            input,
            pool,
            planner,
            bench,
            memo: BTreeMap::new(),
            plans: BTreeMap::new(),
            ratios: BTreeMap::new(),
            tables,
            writes: BTreeMap::new(),
            few: BTreeMap::new(),
            unbuilt: Set::new(),
            deadline,
        })
    }

    /// The query with that number.
    pub fn query(&self, query: usize) -> &'a Query {
        &self.input.workload.queries[query]
    }

    /// How many queries there are.
    pub fn queries(&self) -> usize {
        self.input.workload.queries.len()
    }

    /// Whether a partial index is for more than the one literal that happens to stand in the
    /// workload: its column has few values (a status, a flag), or it is about NULL.
    ///
    /// # Errors
    /// Where the copy fails.
    pub fn is_sensible(&mut self, definition: &Definition) -> Result<bool, Error> {
        let picks = definition.filter.as_ref().and_then(|filter| filter.picks.clone());
        let Some(column) = picks else { return Ok(true) };
        let key = (definition.table.clone(), column);
        if let Some(known) = self.few.get(&key) {
            return Ok(*known);
        }
        let (table, column) = (quote(&key.0), quote(&key.1));
        let sql = format!(
            "SELECT count(*) FROM (SELECT DISTINCT {column} FROM main.{table} LIMIT {})",
            FEW + 1
        );
        let values: i64 = self.bench.connection().query_row(&sql, [], |row| row.get(0))?;
        self.few.insert(key, values <= FEW);
        Ok(values <= FEW)
    }

    /// The plan as one text, and which of `set` it uses.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn plan(&mut self, query: usize, set: &Set) -> Result<(String, Set), Error> {
        let key = (query, set.iter().copied().filter(|id| self.concerns(query, *id)).collect());
        if let Some(known) = self.plans.get(&key) {
            return Ok(known.clone());
        }
        let plan = self.planner.plan(&self.query(query).sql, &key.1, &self.pool)?;
        let found = (plan.join("\n"), self.pool.used(&plan));
        self.plans.insert(key, found.clone());
        Ok(found)
    }

    /// Whether a candidate is on a table of the query, and can be had at all.
    fn concerns(&self, query: usize, id: usize) -> bool {
        let table = &self.pool.definition(id).table;
        let is_read = self.tables[query].as_ref().is_none_or(|tables| tables.contains(table));
        is_read && !self.unbuilt.contains(&id)
    }

    /// The plan without the candidates' names, and which of `set` it uses.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn signature(&mut self, query: usize, set: &Set) -> Result<(String, Set), Error> {
        let (plan, used) = self.plan(query, set)?;
        let lines: Vec<String> = plan.lines().map(str::to_owned).collect();
        Ok((self.pool.signature(&lines), used))
    }

    /// What the query costs under `set`; `None` where time ran out before it was known.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn time(
        &mut self,
        query: usize,
        set: &Set,
        cap: Duration,
    ) -> Result<Option<Timing>, Error> {
        let (plan, used) = self.plan(query, set)?;
        let cap = cap.min(self.input.limits.timeout);
        if let Some(known) = self.memo.get(&(query, plan.clone()))
            && (known.ended || known.ms >= cap.as_secs_f64() * 1e3)
        {
            return Ok(Some(*known));
        }
        if !self.expose(query, set, &plan, &used)? {
            return Ok(None);
        }
        let timing = self.sample(query, cap)?;
        self.memo.insert((query, plan), timing);
        Ok(Some(timing))
    }

    /// What the query costs now: the least that was ever seen. `None`: not measured.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn now(&mut self, query: usize) -> Result<Option<Timing>, Error> {
        let plan = self.plan(query, &Set::new())?.0;
        Ok(self.memo.get(&(query, plan)).copied())
    }

    /// Records what the query costs now.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn remember(&mut self, query: usize, timing: Timing) -> Result<(), Error> {
        let plan = self.plan(query, &Set::new())?.0;
        self.memo.insert((query, plan), timing);
        Ok(())
    }

    /// Measures again what the query costs now: the machine may have been busy before.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn refresh(&mut self, query: usize, cap: Duration) -> Result<(), Error> {
        let (plan, used) = self.plan(query, &Set::new())?;
        if self.expose(query, &Set::new(), &plan, &used)? {
            let timing = self.sample(query, cap)?;
            self.keep_least(query, plan, timing);
        }
        Ok(())
    }

    pub(super) fn keep_least(&mut self, query: usize, plan: String, timing: Timing) {
        let known = self.memo.entry((query, plan)).or_insert(timing);
        if timing.ended && (!known.ended || timing.ms < known.ms) {
            *known = timing;
        }
    }

    /// Shows on the bench what gives the query that plan: the indexes it uses, or, where those
    /// alone give another plan, the whole set.
    pub(super) fn expose(
        &mut self,
        query: usize,
        set: &Set,
        plan: &str,
        used: &Set,
    ) -> Result<bool, Error> {
        for shown in [used, set] {
            let deadline = self.deadline;
            if !self.bench.build(shown, &self.pool, deadline)? {
                if Instant::now() < deadline {
                    self.unbuilt.extend(shown);
                }
                return Ok(false);
            }
            self.bench.show(shown, &self.pool)?;
            if self.bench.plan(&self.query(query).sql)?.join("\n") == *plan {
                break;
            }
        }
        Ok(true)
    }

    pub(super) fn sample(&mut self, query: usize, cap: Duration) -> Result<Timing, Error> {
        let sql = &self.query(query).sql;
        let mut timing = match self.bench.run(sql, cap)? {
            Outcome::TimedOut { after } => {
                return Ok(Timing { ms: after.as_secs_f64() * 1e3, steps: 0, ended: false });
            }
            Outcome::Done(done) => {
                Timing { ms: done.ms(), steps: done.counters.vm_steps, ended: true }
            }
        };
        for _ in 0..repeats(timing.ms) {
            if let Outcome::Done(done) = self.bench.run(sql, cap)? {
                timing.ms = timing.ms.min(done.ms());
            }
        }
        Ok(timing)
    }
}

/// How often a query is run again: often where it is short, so that the least time is its own and
/// not the machine's.
pub fn repeats(ms: f64) -> u32 {
    match ms {
        ms if ms > 400.0 => 0,
        ms if ms > 40.0 => 1,
        ms if ms > 4.0 => 3,
        _ => 8,
    }
}
