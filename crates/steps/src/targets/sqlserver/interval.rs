//! A live database before and after a change: the *interval* of Query Store is the unit, since what
//! runs within one is not independent.
//!
//! Each interval's time is put over what the same executions would have taken by the means before
//! (indirect standardisation), so that another mix of queries is no improvement; its logarithm, less
//! the median of the same for each query on other tables, so that a busier server is none either. The
//! intervals after are compared with those before by Welch's test. The intervals before are those of the
//! same hours of the week where history has them, else those just before.
//!
//! Pure: the same intervals give the same evidence. Sources: B. L. Welch, Biometrika 34 (1947), with the
//! degrees of freedom of Satterthwaite (1946); differences in differences, Ashenfelter and Card (1985).

use crate::{
    evidence::{Limits, Measured, Objective, judge},
    payload::{Check, CheckResult, Counters, Estimate, Evidence, QueryEvidence, SizeEvidence},
};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::{BTreeMap, BTreeSet};

/// Intervals that each side needs.
pub const MIN_INTERVALS: usize = 6;

/// Executions of one query that each side needs for it to be judged by itself; the others are judged
/// together.
const MIN_OF_A_QUERY: f64 = 20.0;

/// Queries on other tables that a comparison needs beside it: one alone may move for reasons of its own.
const MIN_CONTROL: usize = 3;

/// Failed executions below which nothing is told of a query.
const MIN_FAILED: f64 = 5.0;

/// One-sided, 95 %.
const SURE: f64 = 1.645;

/// What all queries on the changed tables are called together, and those that are too rare alone.
const ALL: &str = "all on the changed tables";
const RARE: &str = "the rare ones together";

/// The share of the observed hours of the week that history must have, to be compared with.
const MATCHED: f64 = 0.8;

const HOUR: i64 = 3_600;
const WEEK_HOURS: i64 = 168;

/// How one query fared with one plan in one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub query: String,
    pub plan: String,
    /// When the interval began and ends, seconds since 1970.
    pub from_s: i64,
    pub to_s: i64,
    /// 0: regular, 3: given up by the client, 4: ended by an error.
    pub kind: i32,
    pub executions: f64,
    /// Means of one execution: microseconds, and pages of 8 KiB.
    pub duration_us: f64,
    pub cpu_us: f64,
    pub reads: f64,
}

/// All that was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub after: Vec<Cell>,
    /// What the guard sees beside: the interval that is not over yet.
    pub running: Vec<Cell>,
    /// The same hours of the weeks before.
    pub weeks: Vec<Cell>,
    /// As long a time just before the deployment.
    pub adjacent: Vec<Cell>,
    /// Queries on the changed tables, `true`: they write.
    pub touched: BTreeMap<String, bool>,
    /// When the deployment began and ended, seconds since 1970.
    pub deployed: (i64, i64),
}

/// Failed and given-up executions, of one query or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    pub query: String,
    pub executions: f64,
    /// In percent of its executions, before and since.
    pub before_pct: f64,
    pub now_pct: f64,
    /// Percentage points by which it rose at least, beyond chance.
    pub rose: f64,
}

/// One metric of a cell.
type Metric = fn(&Cell) -> f64;

const DURATION: Metric = |cell| cell.duration_us;
const CPU: Metric = |cell| cell.cpu_us;
const READS: Metric = |cell| cell.reads;

impl Seen {
    /// The intervals before the deployment that those after it are compared with, and what they are.
    fn before(&self) -> (&[Cell], &'static str) {
        let hours = |cells: &[Cell]| -> BTreeSet<i64> {
            cells.iter().map(|cell| cell.from_s.div_euclid(HOUR).rem_euclid(WEEK_HOURS)).collect()
        };
        let (wanted, there) = (hours(&self.after), hours(&self.weeks));
        let matched = wanted.intersection(&there).count() as f64;
        if intervals(&self.weeks).len() >= MIN_INTERVALS && matched >= MATCHED * wanted.len() as f64
        {
            (&self.weeks, "the same hours of the weeks before")
        } else {
            (&self.adjacent, "the time just before")
        }
    }

    /// Failed executions of the changed tables' queries before and since: all together, then the query
    /// of which they rose most, where enough failed to tell.
    #[must_use]
    pub fn failing(&self) -> (Failing, Option<Failing>) {
        let (before, _) = self.before();
        let after: Vec<&Cell> = self.after.iter().chain(&self.running).collect();
        let before: Vec<&Cell> = before.iter().collect();
        let of = |name: &str, chosen: &dyn Fn(&Cell) -> bool| {
            let count = |cells: &[&Cell]| {
                let mine = cells.iter().filter(|cell| chosen(cell));
                let (mut all, mut bad) = (0.0, 0.0);
                for cell in mine {
                    all += cell.executions;
                    bad += if cell.kind == 0 { 0.0 } else { cell.executions };
                }
                (all, bad, if all > 0.0 { bad / all } else { 0.0 })
            };
            let ((had, _, was), (has, bad, is)) = (count(&before), count(&after));
            let variance = |share: f64, of: f64| share * (1.0 - share) / of.max(1.0);
            let chance = SURE * (variance(was, had) + variance(is, has)).sqrt();
            let told = bad >= MIN_FAILED && has >= MIN_OF_A_QUERY;
            Failing {
                query: name.to_owned(),
                executions: has,
                before_pct: 100.0 * was,
                now_pct: 100.0 * is,
                rose: if told { 100.0 * (is - was - chance) } else { 0.0 },
            }
        };
        let all = of(ALL, &|cell| self.touched.contains_key(&cell.query));
        let each = self.touched.keys().map(|query| of(query, &|cell| cell.query == *query));
        let worst = each.chain([all.clone()]).max_by(|a, b| a.rose.total_cmp(&b.rose));
        (all, worst.filter(|worst| worst.rose > 0.0))
    }

    /// Executions since the deployment of queries that read the changed tables: what is judged.
    #[must_use]
    pub fn captured(&self) -> f64 {
        let (before, _) = self.before();
        let table = Table::new(before, &self.after, &self.touched);
        table.after.iter().filter(|cell| self.is_read(cell)).map(|cell| cell.executions).sum()
    }

    /// What the intervals say about the change. `checks` were made before; `size` is the change's own.
    #[must_use]
    pub fn evidence(
        &self,
        objective: Objective,
        limits: &Limits,
        min_executions: u32,
        mut checks: Vec<Check>,
        size: Option<SizeEvidence>,
    ) -> Evidence {
        let (before, what) = self.before();
        let table = Table::new(before, &self.after, &self.touched);
        let judged = |cells: &[&Cell]| {
            let mine = cells.iter().filter(|cell| self.is_read(cell));
            mine.map(|cell| cell.from_s).collect::<BTreeSet<i64>>().len()
        };
        let (had, has) = (judged(&table.before), judged(&table.after));
        let captured = self.captured();
        let enough = captured >= f64::from(min_executions);
        let told = had >= MIN_INTERVALS && has >= MIN_INTERVALS && enough;
        let detail = format!(
            "{captured:.0} executions of queries that read the changed tables in {has} intervals (at least \
             {min_executions} in {MIN_INTERVALS}), {had} intervals of {what}"
        );
        let result = if told { CheckResult::Passed } else { CheckResult::NotMeasurable };
        checks.push(Check { name: "captured".to_owned(), result, detail: detail.clone() });
        let of = |metric: Metric| table.effect(metric, |cell| self.is_read(cell));
        let improvement = if told { of(DURATION) } else { None };
        let control = if told { self.placebo(before) } else { None };
        // A dozen intervals against a dozen differ by chance as well: bias is what chance does not explain.
        let bias = control.map(|found| match found.lo <= 0.0 && 0.0 <= found.hi {
            true => Estimate { pct: 0.0, ..found },
            false => found,
        });
        let queries = if told { self.queries(&table, improvement) } else { Vec::new() };
        let size = size.map(|size| self.with_writes(size, &table));
        let measured = Measured {
            checks: &checks,
            improvement,
            control: bias,
            queries: &queries,
            size,
            objective,
        };
        let (verdict, mut reasons) = judge(&measured, limits);
        if !told {
            reasons.insert(0, format!("too little was seen to tell: {detail}"));
        }
        // Beside the time, which decides.
        for (name, metric) in [("CPU", CPU), ("pages read", READS)] {
            let beside = improvement.and_then(|_| of(metric));
            reasons.extend(beside.map(|beside| format!("{name} beside it: {beside}")));
        }
        if !table.has_control() {
            reasons.push(
                "too few queries on other tables ran beside it, so that a busier or idler server cannot \
                 be told from the change"
                    .to_owned(),
            );
        }
        let pairs = u32::try_from(has.min(had)).unwrap_or(u32::MAX);
        Evidence { checks, improvement, control, queries, size, pairs, verdict, reasons }
    }

    fn is_read(&self, cell: &Cell) -> bool {
        self.touched.get(&cell.query) == Some(&false)
    }

    /// Before against before: what the same comparison finds where nothing was changed.
    fn placebo(&self, before: &[Cell]) -> Option<Estimate> {
        let all = intervals(before);
        let weeks: BTreeSet<i64> = all.iter().map(|at| at.div_euclid(WEEK_HOURS * HOUR)).collect();
        // Whole weeks against whole weeks where there are several, so that both halves see the same
        // hours; else every other interval.
        let second: BTreeSet<i64> = if weeks.len() > 1 {
            let odd = |at: &i64| at.div_euclid(WEEK_HOURS * HOUR) % 2 != 0;
            all.iter().copied().filter(odd).collect()
        } else {
            all.iter().copied().skip(1).step_by(2).collect()
        };
        let (later, earlier): (Vec<Cell>, Vec<Cell>) =
            before.iter().cloned().partition(|cell| second.contains(&cell.from_s));
        let table = Table::new(&earlier, &later, &self.touched);
        table.effect(DURATION, |cell| self.is_read(cell))
    }

    /// Each that ran often enough, the others together, and all.
    fn queries(&self, table: &Table<'_>, improvement: Option<Estimate>) -> Vec<QueryEvidence> {
        let reads = self.touched.iter().filter(|(_, writes)| !**writes).map(|(hash, _)| hash);
        let (often, rare): (Vec<&String>, Vec<&String>) =
            reads.partition(|hash| table.least_executions(hash) >= MIN_OF_A_QUERY);
        let one = |name: &str, improvement: Option<Estimate>, chosen: &dyn Fn(&Cell) -> bool| {
            table.query(name, improvement, chosen)
        };
        let mut told: Vec<QueryEvidence> = often
            .into_iter()
            .filter_map(|hash| {
                let chosen = |cell: &Cell| cell.query == *hash;
                one(hash, table.effect(DURATION, chosen), &chosen)
            })
            .collect();
        told.sort_by(|a, b| (b.before_ms * b.weight).total_cmp(&(a.before_ms * a.weight)));
        let is_rare = |cell: &Cell| rare.iter().any(|hash| **hash == cell.query);
        told.extend(one(RARE, table.effect(DURATION, is_rare), &is_rare));
        // Many that are a little slower each are a harm together, whatever the objective.
        let everything = |cell: &Cell| self.is_read(cell);
        told.extend(
            one(ALL, improvement, &everything)
                .map(|all| QueryEvidence { plan_changed: true, ..all }),
        );
        told
    }

    /// With what writing to the changed tables takes, where that moved beyond chance.
    fn with_writes(&self, size: SizeEvidence, table: &Table<'_>) -> SizeEvidence {
        let writes = |cell: &Cell| self.touched.get(&cell.query) == Some(&true);
        let Some(effect) = table.effect(DURATION, writes) else { return size };
        let before = table.mean(writes) / 1_000.0;
        let moved = effect.lo > 0.0 || effect.hi < 0.0;
        let after = if moved { before * (1.0 - effect.pct / 100.0) } else { before };
        SizeEvidence { write_before_ms: Some(before), write_after_ms: Some(after), ..size }
    }
}

fn intervals(cells: &[Cell]) -> BTreeSet<i64> {
    cells.iter().map(|cell| cell.from_s).collect()
}

/// Total and executions of one query.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    total: f64,
    executions: f64,
}

impl Sum {
    fn mean(self) -> f64 {
        if self.executions > 0.0 { self.total / self.executions } else { 0.0 }
    }
}

/// Both sides, of queries that ran on both. An execution that was given up took at least as long as it
/// did; one that failed has no time to compare.
struct Table<'a> {
    before: Vec<&'a Cell>,
    after: Vec<&'a Cell>,
    touched: &'a BTreeMap<String, bool>,
}

impl<'a> Table<'a> {
    fn new(
        before: &'a [Cell],
        after: &'a [Cell],
        touched: &'a BTreeMap<String, bool>,
    ) -> Table<'a> {
        let timed = |cells: &'a [Cell]| cells.iter().filter(|cell| matches!(cell.kind, 0 | 3));
        let queries = |cells: &'a [Cell]| -> BTreeSet<&'a str> {
            timed(cells).map(|cell| cell.query.as_str()).collect()
        };
        // What ran on one side only has nothing to be compared with.
        let both: BTreeSet<&str> = queries(before).intersection(&queries(after)).copied().collect();
        let of = |cells| timed(cells).filter(|cell| both.contains(cell.query.as_str())).collect();
        Table { before: of(before), after: of(after), touched }
    }

    /// Queries on other tables that ran often enough on both sides.
    fn control(&self) -> BTreeSet<&'a str> {
        let others: BTreeSet<&str> = self
            .after
            .iter()
            .filter(|cell| !self.touched.contains_key(&cell.query))
            .map(|cell| cell.query.as_str())
            .collect();
        others.into_iter().filter(|query| self.least_executions(query) >= MIN_OF_A_QUERY).collect()
    }

    fn has_control(&self) -> bool {
        self.control().len() >= MIN_CONTROL
    }

    /// Executions of a query on the side where it ran less often.
    fn least_executions(&self, query: &str) -> f64 {
        let count = |cells: &[&Cell]| -> f64 {
            let mine = cells.iter().filter(|cell| cell.query == query);
            mine.map(|cell| cell.executions).sum()
        };
        count(&self.before).min(count(&self.after))
    }

    /// What `chosen` queries' metric came to, beside the others': percent saved, with its 95 % interval.
    fn effect(&self, metric: Metric, chosen: impl Fn(&Cell) -> bool) -> Option<Estimate> {
        let control = self.control();
        let side = |cells: &[&Cell]| -> Vec<f64> {
            let mine = self.ratios(cells, metric, &chosen);
            if control.len() < MIN_CONTROL {
                return mine.into_values().collect();
            }
            let mut others: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for query in &control {
                for (at, ratio) in self.ratios(cells, metric, &|cell: &Cell| cell.query == *query) {
                    others.entry(at).or_default().push(ratio);
                }
            }
            let differenced =
                |(at, ratio): (i64, f64)| Some(ratio - median(others.get(&at)?.clone())?);
            mine.into_iter().filter_map(differenced).collect()
        };
        welch(&side(&self.before), &side(&self.after))
    }

    /// For each interval the logarithm of what the chosen queries took over what the same executions
    /// would have taken by the means before.
    fn ratios(
        &self,
        cells: &[&Cell],
        metric: Metric,
        chosen: &impl Fn(&Cell) -> bool,
    ) -> BTreeMap<i64, f64> {
        let mut means: BTreeMap<&str, Sum> = BTreeMap::new();
        for cell in &self.before {
            let sum = means.entry(&cell.query).or_default();
            sum.total += cell.executions * metric(cell);
            sum.executions += cell.executions;
        }
        let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| chosen(cell)) {
            let expected = means.get(cell.query.as_str()).map_or(0.0, |sum| sum.mean());
            let sum = sums.entry(cell.from_s).or_default();
            sum.0 += cell.executions * metric(cell);
            sum.1 += cell.executions * expected;
        }
        sums.into_iter()
            .filter(|(_, (took, expected))| *took > 0.0 && *expected > 0.0)
            .map(|(at, (took, expected))| (at, (took / expected).ln()))
            .collect()
    }

    /// Mean duration before of the chosen queries, microseconds.
    fn mean(&self, chosen: impl Fn(&Cell) -> bool) -> f64 {
        let mut sum = Sum::default();
        for cell in self.before.iter().filter(|cell| chosen(cell)) {
            sum.total += cell.executions * cell.duration_us;
            sum.executions += cell.executions;
        }
        sum.mean()
    }

    fn query(
        &self,
        name: &str,
        improvement: Option<Estimate>,
        chosen: &dyn Fn(&Cell) -> bool,
    ) -> Option<QueryEvidence> {
        let sum = |cells: &[&Cell]| {
            let (mut sum, mut plans) = (Sum::default(), BTreeMap::<String, f64>::new());
            for cell in cells.iter().filter(|cell| chosen(cell)) {
                sum.total += cell.executions * cell.duration_us;
                sum.executions += cell.executions;
                *plans.entry(cell.plan.clone()).or_default() += cell.executions;
            }
            let main = plans.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
            (sum, main.map(|(plan, _)| plan))
        };
        let ((before, plan_before), (after, plan_after)) = (sum(&self.before), sum(&self.after));
        let ran = before.executions > 0.0 && after.executions > 0.0;
        ran.then(|| QueryEvidence {
            name: name.to_owned(),
            weight: after.executions,
            before_ms: before.mean() / 1_000.0,
            after_ms: after.mean() / 1_000.0,
            before: Counters::default(),
            after: Counters::default(),
            improvement,
            plan_changed: plan_before != plan_after,
            unit: None,
            higher_is_better: false,
        })
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values[low] + values[high]) / 2.0)
}

/// Percent by which the second is less than the first, both logarithms, with Welch's 95 % interval.
fn welch(before: &[f64], after: &[f64]) -> Option<Estimate> {
    if before.len() < 2 || after.len() < 2 {
        return None;
    }
    let part = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count, count)
    };
    let ((before, a, m), (after, b, n)) = (part(before), part(after));
    let difference = after - before;
    let spread = (a + b).sqrt();
    let margin = if spread > 0.0 {
        let freedom = (a + b).powi(2) / (a * a / (m - 1.0) + b * b / (n - 1.0));
        StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975) * spread
    } else {
        0.0
    };
    let pct = |log: f64| (1.0 - log.exp()) * 100.0;
    Some(Estimate {
        pct: pct(difference),
        lo: pct(difference + margin),
        hi: pct(difference - margin),
    })
}

#[cfg(test)]
mod tests;
