//! The candidates of one search, numbered.

use super::{definition::Definition, schema::Schema};
use std::collections::{BTreeMap, BTreeSet};

/// Some of the pool's candidates.
pub type Set = BTreeSet<usize>;

/// What stands before a candidate's number in its working name.
const PREFIX: &str = "kaizen_candidate_";

/// Every candidate of one search.
#[derive(Debug)]
pub struct Pool {
    schema: Schema,
    definitions: Vec<Definition>,
    numbers: BTreeMap<Definition, usize>,
}

impl Pool {
    /// An empty pool for one database.
    pub fn new(schema: Schema) -> Pool {
        Pool { schema, definitions: Vec::new(), numbers: BTreeMap::new() }
    }

    /// The schema without any candidate.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.definitions.len()
    }

    /// The candidate's number, the same for the same definition.
    pub fn add(&mut self, definition: Definition) -> usize {
        let next = self.definitions.len();
        let number = *self.numbers.entry(definition.clone()).or_insert(next);
        if number == next {
            self.definitions.push(definition);
        }
        number
    }

    /// What candidate `id` is.
    pub fn definition(&self, id: usize) -> &Definition {
        &self.definitions[id]
    }

    /// Whether it is partial and holds the rows of one literal only.
    pub fn is_for_one_value(&self, id: usize) -> bool {
        self.definitions[id].filter.as_ref().is_some_and(|filter| filter.picks.is_some())
    }

    /// Its working name.
    pub fn name(&self, id: usize) -> String {
        format!("{PREFIX}{id}")
    }

    /// The statement that creates it under its working name.
    pub fn create(&self, id: usize) -> String {
        self.definitions[id].create(&self.name(id), &self.schema)
    }

    /// What it is, for people: `lineitem(l_partkey)`.
    pub fn describe(&self, id: usize) -> String {
        self.definitions[id].body(&self.schema)
    }

    /// Several, for people.
    pub fn describe_set(&self, set: &Set) -> String {
        set.iter().map(|id| self.describe(*id)).collect::<Vec<_>>().join(" and ")
    }

    /// The candidates that a plan names.
    pub fn used(&self, plan: &[String]) -> Set {
        plan.iter()
            .flat_map(|line| line.split_whitespace())
            .filter_map(|word| word.strip_prefix(PREFIX)?.parse().ok())
            .collect()
    }

    /// The plan without the candidates' names: two candidates with the same signature do the same
    /// work in the same place.
    pub fn signature(&self, plan: &[String]) -> String {
        let words = plan.iter().map(|line| {
            let words = line.split(' ').map(|word| match word.strip_prefix(PREFIX) {
                Some(number) => {
                    let id: Option<usize> = number.parse().ok();
                    let partial = id.is_some_and(|id| self.definitions[id].filter.is_some());
                    if partial { "partial" } else { "new" }
                }
                None => word,
            });
            words.collect::<Vec<_>>().join(" ")
        });
        words.collect::<Vec<_>>().join("\n")
    }
}
