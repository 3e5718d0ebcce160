//! The generated function, evaluated out of its text, against the formula.

use super::super::scoring_function;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Evaluates the expressions of a generated function: what T-SQL does with them, no more.
struct Reader<'a> {
    rest: &'a str,
    values: &'a BTreeMap<String, f64>,
}

impl Reader<'_> {
    fn takes(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(word);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn needs(&mut self, word: &str) {
        assert!(self.takes(word), "{word} is not at: {:.60}", self.rest);
    }

    fn name(&mut self) -> &str {
        let end = self.rest.find(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }

    fn sum(&mut self) -> f64 {
        let mut sum = self.product();
        while self.takes("+") {
            sum += self.product();
        }
        sum
    }

    fn product(&mut self) -> f64 {
        let mut product = self.factor();
        loop {
            if self.takes("*") {
                product *= self.factor();
            } else if self.takes("/") {
                product /= self.factor();
            } else {
                return product;
            }
        }
    }

    fn factor(&mut self) -> f64 {
        if self.takes("-") {
            -self.factor()
        } else if self.takes("EXP(") {
            let value = self.sum();
            self.needs(")");
            assert!(value < 709.0, "EXP would overflow");
            value.exp()
        } else if self.takes("(") {
            let value = self.sum();
            self.needs(")");
            value
        } else if self.takes("CASE") {
            self.case()
        } else if self.takes("@") {
            let name = self.name().to_owned();
            self.values[&name]
        } else if self.takes("z.log_odds") {
            self.values["z"]
        } else {
            let is_part = |at: usize, sign: char| {
                sign.is_ascii_digit() || sign == '.' || sign == 'e' || sign == '-' && at > 0
            };
            let end = self.rest.char_indices().find(|(at, sign)| !is_part(*at, *sign)).unwrap().0;
            let (number, rest) = self.rest.split_at(end);
            self.rest = rest;
            assert!(number.contains('e'), "{number} would be a decimal");
            number.parse().unwrap()
        }
    }

    fn case(&mut self) -> f64 {
        let mut result = None;
        while self.takes("WHEN") {
            let left = self.sum();
            let holds = if self.takes(">") {
                left > self.sum()
            } else {
                self.needs("<");
                left < self.sum()
            };
            self.needs("THEN");
            let value = self.sum();
            if holds {
                result = result.or(Some(value));
            }
        }
        self.needs("ELSE");
        let other = self.sum();
        self.needs("END");
        result.unwrap_or(other)
    }
}

/// What SQL Server would answer.
fn score(sql: &str, arguments: &[f64]) -> f64 {
    let names = sql.lines().filter_map(|line| {
        line.trim().strip_prefix('@')?.trim_end_matches(',').strip_suffix(" float")
    });
    let mut values: BTreeMap<String, f64> =
        names.map(str::to_owned).zip(arguments.iter().copied()).collect();
    assert_eq!(values.len(), arguments.len());
    let (outer, inner) = sql.split_once("FROM (").unwrap();
    let mut inner = Reader { rest: inner, values: &values };
    inner.needs("SELECT");
    let log_odds = inner.sum();
    inner.needs("AS log_odds");
    values.insert("z".to_owned(), log_odds);
    let (_, outer) = outer.split_once("SELECT").unwrap();
    let mut outer = Reader { rest: outer, values: &values };
    let probability = outer.sum();
    outer.needs("AS probability");
    probability
}

fn formula(features: &[(&str, f64)], intercept: f64, arguments: &[f64]) -> f64 {
    let terms = features.iter().zip(arguments).map(|((_, one), value)| one * value);
    1.0 / (1.0 + (-(intercept + terms.sum::<f64>())).exp())
}

#[test]
fn a_fitted_predictor_scores_there_as_it_does_here() {
    use crate::models::{Example, Features, PlanPattern, Predictor, encode};
    let change = |at: u32| Features {
        kind: [crate::payload::Kind::Index, crate::payload::Kind::View][at as usize % 2],
        plan_pattern: [PlanPattern::FullScan, PlanPattern::Covered, PlanPattern::Sort]
            [at as usize % 3],
        size_log10_bytes: f64::from(at % 17),
        write_share: f64::from(at % 11) / 10.0,
        diff_lines_log: f64::from(at % 7),
        designer: ["rules", "file"][at as usize % 2].to_owned(),
        past_rate_of_kind: f64::from(at % 5) / 4.0,
    };
    let example = |at: u32| Example {
        features: change(at),
        success: at.is_multiple_of(3) || at % 11 < 3,
        run: format!("r{at}"),
    };
    let model = Predictor::fit(&(0..150).map(example).collect::<Vec<_>>()).unwrap();
    let Predictor::Logistic(fitted) = &model else { panic!("150 rows are enough") };
    let (features, intercept) = fitted.raw();
    let sql = scoring_function("ChangeSuccessPredictor", &features, intercept).unwrap();
    for at in 0..2_000 {
        let here = model.predict(&change(at)).probability;
        let there = score(&sql, &encode(&change(at)));
        assert!((here - there).abs() < 1e-9, "{at}: {here} and {there}");
    }
}

const NAMES: [&str; 5] = ["kind=index", "Kind index", "rows", "", "größe"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_function_scores_as_the_formula_does(
        coefficients in proptest::collection::vec(-50.0..50.0f64, 5),
        intercept in -20.0..20.0f64,
        arguments in proptest::collection::vec(-30.0..30.0f64, 5),
    ) {
        let features: Vec<_> = NAMES.into_iter().zip(coefficients).collect();
        let sql = scoring_function("score", &features, intercept).unwrap();
        let (here, there) = (formula(&features, intercept, &arguments), score(&sql, &arguments));
        prop_assert!((here - there).abs() < 1e-9, "{here} and {there}");
    }

    #[test]
    fn each_coefficient_reads_back_as_it_was(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_normal());
        let sql = scoring_function("score", &[("x", value)], 0.0).unwrap();
        let text = sql.lines().find_map(|line| line.trim().strip_prefix("+ (")).unwrap();
        let text = text.split(')').next().unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
    }
}

#[test]
fn the_ends_of_the_scale_do_not_overflow() {
    let features = [("x", 1.0)];
    let sql = scoring_function("score", &features, 0.0).unwrap();
    for x in [-1e300, -5000.0, -745.0, -700.0, -1.0, 0.0, 1.0, 36.0, 700.0, 745.0, 5000.0, 1e300] {
        let (here, there) = (formula(&features, 0.0, &[x]), score(&sql, &[x]));
        assert!((here - there).abs() < 1e-9, "{x}: {here} and {there}");
    }
}

#[test]
fn the_text_is_an_inline_function_with_a_parameter_each() {
    let features = [("share of writes", -1.5), ("rows", 1e-300), ("Rows", 0.1)];
    let sql = scoring_function("o'hara]", &features, -0.25).unwrap();
    insta::assert_snapshot!(sql, @r"
    CREATE OR ALTER FUNCTION dbo.[o'hara]]] (
        @share_of_writes float,
        @rows float,
        @Rows_2 float
    )
    RETURNS TABLE
    WITH SCHEMABINDING
    AS
    RETURN
        SELECT (1e0) / ((1e0) + EXP(-(
            CASE
                WHEN z.log_odds > (7.0000000000000000e2) THEN (7.0000000000000000e2)
                WHEN z.log_odds < (-7.0000000000000000e2) THEN (-7.0000000000000000e2)
                ELSE z.log_odds
            END
        ))) AS probability
        FROM (
            SELECT
                (-2.5000000000000000e-1)
                + (-1.5000000000000000e0) * @share_of_writes
                + (1.0000000000000000e-300) * @rows
                + (1.0000000000000001e-1) * @Rows_2
                AS log_odds
        ) AS z;
    ");
    assert!(!sql.contains("--"), "two minus signs begin a comment");
}

#[test]
fn what_is_no_number_or_no_name_is_refused() {
    for (name, features, intercept) in [
        ("s", [("x", f64::NAN)], 0.0),
        ("s", [("x", f64::INFINITY)], 0.0),
        ("s", [("x", 1.0)], f64::NEG_INFINITY),
        ("", [("x", 1.0)], 0.0),
        ("a\nGO\nb", [("x", 1.0)], 0.0),
    ] {
        assert!(scoring_function(name, &features, intercept).is_err(), "{name}");
    }
}
