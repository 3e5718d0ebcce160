//! A logistic model as an inline function of T-SQL, which scores as the process does.
//!
//! Deliberately not here: fitting (`models`), and PREDICT, which takes models of RevoScaleR alone.

use super::Error;
use crate::provenance::grants::identifier;
use std::{collections::BTreeSet, fmt::Write as _};

/// Log-odds beyond this are cut off: EXP of 709.8 overflows a float, and 1 / (1 + EXP(-700)) is 1 in
/// every digit.
const MOST_LOG_ODDS: f64 = 700.0;

/// The longest name of a parameter, with room for its `@` and a number.
const LONGEST_NAME: usize = 100;

/// The definition of `dbo.<name>`, a table-valued function of one row whose column `probability` is
/// `1 / (1 + exp(-(intercept + Σ coefficient × feature)))`, with a parameter of type float for each
/// feature, in their order. A feature that is NULL makes the probability NULL. Coefficients are of the
/// raw features: fold means and scales in before.
///
/// # Errors
/// [`Error::Model`] where a number is not finite, or the name is none.
pub fn scoring_function(
    name: &str,
    features: &[(&str, f64)],
    intercept: f64,
) -> Result<String, Error> {
    let wrong = |why: String| Err(Error::Model(why));
    if name.is_empty() || name.encode_utf16().count() > 128 || name.contains(char::is_control) {
        return wrong(format!("{name:?} is no name"));
    }
    if !intercept.is_finite() {
        return wrong(format!("the intercept is {intercept}"));
    }
    if let Some((feature, value)) = features.iter().find(|(_, value)| !value.is_finite()) {
        return wrong(format!("the coefficient of {feature} is {value}"));
    }
    let names = parameters(features);
    let declared: Vec<_> = names.iter().map(|name| format!("    {name} float")).collect();
    let mut terms = literal(intercept);
    for (name, (_, coefficient)) in names.iter().zip(features) {
        // Writing to a string does not fail.
        let _ = write!(terms, "\n            + {} * {name}", literal(*coefficient));
    }
    let (most, least) = (literal(MOST_LOG_ODDS), literal(-MOST_LOG_ODDS));
    Ok(include_str!("scoring.sql")
        .replace("{{most}}", &most)
        .replace("{{least}}", &least)
        .replace("{{terms}}", &terms)
        .replace("{{parameters}}", &declared.join(",\n"))
        .replace("{{name}}", &identifier(name)))
}

/// A float that reads back as the same: 17 significant digits. In brackets, since two minus signs
/// would begin a comment. What is smaller than any normal float is nothing to a score, and nothing
/// that T-SQL reads.
fn literal(value: f64) -> String {
    format!("({:.16e})", if value.is_subnormal() { 0.0 } else { value })
}

/// `@kind_index` for `kind=index`; no two alike, whatever their case.
fn parameters(features: &[(&str, f64)]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for (feature, _) in features {
        let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '_' };
        let plain: String = feature.chars().take(LONGEST_NAME).map(plain).collect();
        let plain = if plain.is_empty() { "_".to_owned() } else { plain };
        let mut name = format!("@{plain}");
        let mut number = 1;
        while !taken.insert(name.to_ascii_lowercase()) {
            number += 1;
            name = format!("@{plain}_{number}");
        }
        named.push(name);
    }
    named
}
