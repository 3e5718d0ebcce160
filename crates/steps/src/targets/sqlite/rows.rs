//! Hashing rows, so that results and contents can be compared without being kept.
//!
//! Which comparison is right for a query is decided in [`super::measure`], not here.

use kaizen_engine::digest::Digest;
use rusqlite::{Row, types::ValueRef};
use sha2::{Digest as _, Sha256};

/// The hash of one row: each value with its type and, where it varies, its length, so that no two
/// different rows run together. Reals count by their bits; -0.0 is 0.0.
///
/// # Errors
/// Where SQLite cannot hand a value out.
pub(super) fn hash(row: &Row<'_>, columns: usize, rounded: bool) -> rusqlite::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    for column in 0..columns {
        match row.get_ref(column)? {
            ValueRef::Null => hasher.update([0]),
            ValueRef::Integer(value) => {
                hasher.update([1]);
                hasher.update(value.to_le_bytes());
            }
            ValueRef::Real(value) if rounded => bytes(&mut hasher, 5, round(value).as_bytes()),
            ValueRef::Real(value) => {
                hasher.update([2]);
                // Adding 0.0 turns -0.0 into 0.0 and leaves everything else alone.
                hasher.update((value + 0.0).to_bits().to_le_bytes());
            }
            ValueRef::Text(value) => bytes(&mut hasher, 3, value),
            ValueRef::Blob(value) => bytes(&mut hasher, 4, value),
        }
    }
    Ok(hasher.finalize().into())
}

fn bytes(hasher: &mut Sha256, tag: u8, value: &[u8]) {
    hasher.update([tag]);
    hasher.update((value.len() as u64).to_le_bytes());
    hasher.update(value);
}

/// Twelve significant digits: a sum of doubles may differ in the last of its sixteen digits with
/// the order in which rows are added.
fn round(value: f64) -> String {
    format!("{:.11e}", value + 0.0)
}

/// A set of rows in which a row can stand more than once: the same digest in whatever order the
/// rows come.
///
/// Row hashes are added modulo 2^256, which needs no memory per row. Unlike XOR, a row that stands
/// twice does not cancel out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Multiset {
    sum: [u8; 32],
    count: u64,
}

impl Multiset {
    pub(super) fn add(&mut self, hash: &[u8; 32]) {
        let mut carry = 0_u16;
        for (into, byte) in self.sum.iter_mut().zip(hash) {
            let sum = u16::from(*into) + u16::from(*byte) + carry;
            let [low, high] = sum.to_le_bytes();
            *into = low;
            carry = u16::from(high);
        }
        self.count += 1;
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&[b"multiset", &self.count.to_le_bytes(), &self.sum])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rusqlite::Connection;

    fn of(sql: &str, rounded: bool) -> [u8; 32] {
        let conn = Connection::open_in_memory().unwrap();
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        statement.query_row([], |row| hash(row, columns, rounded)).unwrap()
    }

    #[test]
    fn values_of_different_types_never_hash_alike() {
        let values = ["NULL", "0", "0.0", "''", "x''", "'0'", "x'30'", "1", "1.0", "'1'"];
        let mut hashes: Vec<_> = values.iter().map(|v| of(&format!("SELECT {v}"), false)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), values.len());
        assert_ne!(of("SELECT 'ab', 'c'", false), of("SELECT 'a', 'bc'", false));
        assert_eq!(of("SELECT -0.0", false), of("SELECT 0.0", false));
    }

    #[test]
    fn rounding_forgives_the_last_digits_only() {
        let (one, other) = ("SELECT 0.1 + 0.2", "SELECT 0.3");
        assert_ne!(of(one, false), of(other, false));
        assert_eq!(of(one, true), of(other, true));
        assert_ne!(of("SELECT 0.3000001", true), of(other, true));
    }

    #[test]
    fn a_multiset_forgets_order_and_counts_repeats() {
        let of = |hashes: &[[u8; 32]]| {
            let mut set = Multiset::default();
            hashes.iter().for_each(|hash| set.add(hash));
            set.digest()
        };
        let (a, b) = ([0xff; 32], [1; 32]);
        assert_eq!(of(&[a, b, b]), of(&[b, a, b]));
        assert_ne!(of(&[a, b]), of(&[a, b, b]));
        assert_ne!(of(&[a, a]), of(&[b, b]));
        assert_ne!(of(&[]), of(&[[0; 32]]));
    }
}
