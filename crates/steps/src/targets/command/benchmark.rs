//! What a benchmark says: metrics as one JSON object, or nothing, and then the time that it took counts.
//!
//! `{"parse_ms": 12.5, "requests": {"value": 9100, "unit": "1/s", "better": "higher", "weight": 2}}`

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// The metric of a benchmark that prints none.
const WALL: &str = "wall";

/// Which way is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    #[default]
    Lower,
    Higher,
}

/// One number of one run of a benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub name: String,
    /// Above zero.
    pub value: f64,
    /// `ms` for time; empty: it says none.
    pub unit: String,
    pub better: Better,
    /// How much it counts among the others, above zero.
    pub weight: f64,
}

impl Metric {
    /// What it costs: less is better. Ratios of costs are what is judged.
    #[must_use]
    pub fn cost(&self) -> f64 {
        match self.better {
            Better::Lower => self.value,
            Better::Higher => 1.0 / self.value,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Number(f64),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    value: f64,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    better: Better,
    #[serde(default = "one")]
    weight: f64,
}

fn one() -> f64 {
    1.0
}

/// The metrics of one run, by name.
///
/// # Errors
/// For people: an object that holds something else, a number that is none or not above zero.
pub fn metrics(stdout: &str, took: Duration) -> Result<Vec<Metric>, String> {
    let Some(object) = object(stdout) else {
        let value = took.as_secs_f64() * 1e3;
        let (name, unit) = (WALL.to_owned(), "ms".to_owned());
        return Ok(vec![Metric { name, value, unit, better: Better::Lower, weight: 1.0 }]);
    };
    let said: BTreeMap<String, Said> = serde_json::from_str(object).map_err(|e| {
        format!("its metrics cannot be read ({e}): {{\"name\": number}}, or {{\"name\": {{\"value\": number}}}}")
    })?;
    if said.is_empty() {
        return Err("it printed {}, which is no metric".to_owned());
    }
    said.into_iter().map(|(name, said)| metric(name, said)).collect()
}

fn metric(name: String, said: Said) -> Result<Metric, String> {
    let Full { value, unit, better, weight } = match said {
        Said::Full(full) => full,
        Said::Number(value) => {
            Full { value, unit: unit_of(&name).to_owned(), better: Better::Lower, weight: 1.0 }
        }
    };
    for (what, number) in [("value", value), ("weight", weight)] {
        if !number.is_finite() || number <= 0.0 {
            return Err(format!("the {what} of {name:?} is {number}, and must be above zero"));
        }
    }
    Ok(Metric { name, value, unit, better, weight })
}

/// Units that names end in.
fn unit_of(name: &str) -> &'static str {
    const UNITS: [&str; 6] = ["ns", "us", "ms", "s", "bytes", "kb"];
    let ending = name.rsplit_once('_').map(|(_, ending)| ending);
    UNITS.into_iter().find(|unit| ending == Some(unit)).unwrap_or_default()
}

/// The whole output where it is an object, else its last line where that is one.
fn object(stdout: &str) -> Option<&str> {
    let whole = stdout.trim();
    let last = whole.lines().last().unwrap_or_default().trim();
    [whole, last].into_iter().find(|text| text.starts_with('{') && text.ends_with('}'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, f64, String)>, String> {
        let all = metrics(text, Duration::from_millis(250))?;
        Ok(all.into_iter().map(|m| (m.name.clone(), m.cost(), m.unit)).collect())
    }

    #[test]
    fn numbers_objects_and_time() {
        let wall = ("wall".to_owned(), 250.0, "ms".to_owned());
        assert_eq!(read("").unwrap(), std::slice::from_ref(&wall));
        assert_eq!(read("running 3 tests\nok\n").unwrap(), [wall]);
        let parse = ("parse_ms".to_owned(), 12.5, "ms".to_owned());
        assert_eq!(read("warming up\n{\"parse_ms\": 12.5}\n").unwrap(), [parse]);
        let higher = r#"{
            "rate": {"value": 4, "unit": "1/s", "better": "higher"}
        }"#;
        assert_eq!(read(higher).unwrap(), [("rate".to_owned(), 0.25, "1/s".to_owned())]);
    }

    #[test]
    fn what_is_no_metric_is_said() {
        for bad in [
            "{}",
            "{\"a\": \"fast\"}",
            "{\"a\": 0}",
            "{\"a\": -1}",
            "{\"a\": {\"value\": 1, \"x\": 2}}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("{\"a\": {\"value\": 1, \"weight\": 0}}").unwrap_err().contains("weight"));
    }
}
