//! Boosted trees of log-loss as plain data: grown, scored, stored, exported.
//!
//! Newton boosting with a penalty on leaves (Friedman 2001; Chen and Guestrin 2016, equations 5 to 7):
//! a leaf is worth `-G / (H + 1)` of its rows' gradients and Hessians, a split gains
//! `G_l²/(H_l + 1) + G_r²/(H_r + 1) - G²/(H + 1)`. Exact splits, no chance in it: the same examples grow
//! the same trees. Deliberately not here: what the features mean and when they are used (`reranker`).

use super::{error::Error, measures::count};
use serde::{Deserialize, Serialize};

/// Trees that are grown, each shrunk by [`RATE`]: few and small ones, for hundreds of rows.
const TREES: usize = 40;
const RATE: f64 = 0.1;
/// Questions on a way from the root to a leaf.
const DEPTH: usize = 2;
/// Weight of the squared leaf.
const PENALTY: f64 = 1.0;
/// The least sum of Hessians in a leaf: about eight undecided rows.
const LEAST_HESSIAN: f64 = 2.0;

/// A sum of trees: `probability = 1 / (1 + exp(-(base + Σ tree)))`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boosted {
    pub names: Vec<String>,
    /// Log-odds before any tree.
    pub base: f64,
    pub trees: Vec<Tree>,
    /// Examples learned from.
    pub rows: usize,
}

/// One tree; the first node is its root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    pub nodes: Vec<Node>,
}

/// A question or an answer. Children stand behind their parent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum Node {
    /// To `left` where the feature is less than `below`, else to `right`.
    Split { feature: usize, below: f64, left: usize, right: usize },
    /// Added to the log-odds.
    Leaf { value: f64 },
}

impl Boosted {
    /// Grows the trees on rows of finite numbers, of both classes.
    pub(super) fn fit(
        names: &[&str],
        encoded: &[Vec<f64>],
        labels: &[bool],
    ) -> Result<Boosted, Error> {
        let rows = encoded.len();
        // One imagined success and failure keep the base finite.
        let successes = labels.iter().filter(|label| **label).count();
        let base = (count(successes + 1) / count(rows - successes + 1)).ln();
        let mut log_odds = vec![base; rows];
        let mut trees = Vec::new();
        for _ in 0..TREES {
            let slope = |(z, label): (&f64, &bool)| {
                let p = 1.0 / (1.0 + (-z).exp());
                (p - if *label { 1.0 } else { 0.0 }, p * (1.0 - p))
            };
            let slopes: Vec<(f64, f64)> = log_odds.iter().zip(labels).map(slope).collect();
            let mut tree = Tree { nodes: Vec::new() };
            tree.grow(encoded, &slopes, (0..rows).collect(), DEPTH);
            for (z, row) in log_odds.iter_mut().zip(encoded) {
                *z += tree.value(row);
            }
            trees.push(tree);
        }
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let model = Boosted { names, base, trees, rows };
        if model.are_trees_sound() { Ok(model) } else { Err(Error::NotFinite { rows }) }
    }

    /// The probability, 0 to 1; never NaN for a sound model.
    pub(super) fn score(&self, encoded: &[f64]) -> f64 {
        let log_odds = self.base + self.trees.iter().map(|tree| tree.value(encoded)).sum::<f64>();
        1.0 / (1.0 + (-log_odds).exp())
    }

    /// Of all splits, the share that asks for each of `width` features.
    #[must_use]
    pub fn shares(&self, width: usize) -> Vec<f64> {
        let mut splits = vec![0_usize; width];
        for node in self.trees.iter().flat_map(|tree| &tree.nodes) {
            if let Node::Split { feature, .. } = node
                && let Some(counted) = splits.get_mut(*feature)
            {
                *counted += 1;
            }
        }
        let all = count(splits.iter().sum::<usize>().max(1));
        splits.into_iter().map(|of| count(of) / all).collect()
    }

    /// Whether it is a model of these features whose every walk ends.
    pub(super) fn is_sound(&self, names: &[&str]) -> bool {
        self.names == names && self.are_trees_sound()
    }

    fn are_trees_sound(&self) -> bool {
        let largest: f64 = self.trees.iter().map(Tree::largest).sum();
        let width = self.names.len();
        (self.base.abs() + largest).is_finite()
            && self.trees.iter().all(|tree| tree.is_sound(width))
    }
}

impl Tree {
    /// Adds the best node for these rows, and what stands below it.
    fn grow(
        &mut self,
        encoded: &[Vec<f64>],
        slopes: &[(f64, f64)],
        rows: Vec<usize>,
        depth: usize,
    ) {
        let at = self.nodes.len();
        let whole = rows.iter().fold((0.0, 0.0), |sum, row| add(sum, slopes[*row]));
        let value = -RATE * whole.0 / (whole.1 + PENALTY);
        self.nodes.push(Node::Leaf { value });
        let best = if depth == 0 { None } else { best_split(encoded, slopes, &rows, whole) };
        let Some((feature, below)) = best else { return };
        let (less, more) = rows.into_iter().partition(|row| encoded[*row][feature] < below);
        let left = self.nodes.len();
        self.grow(encoded, slopes, less, depth - 1);
        let right = self.nodes.len();
        self.grow(encoded, slopes, more, depth - 1);
        self.nodes[at] = Node::Split { feature, below, left, right };
    }

    fn value(&self, encoded: &[f64]) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                Node::Leaf { value } => return value,
                Node::Split { feature, below, left, right } => {
                    at = if encoded[feature] < below { left } else { right };
                }
            }
        }
    }

    fn largest(&self) -> f64 {
        let leaf = |node: &Node| match node {
            Node::Leaf { value } => value.abs(),
            Node::Split { .. } => 0.0,
        };
        self.nodes.iter().map(leaf).fold(0.0, f64::max)
    }

    /// Children stand behind their parent, so that each walk ends.
    fn is_sound(&self, width: usize) -> bool {
        let fits = |(at, node): (usize, &Node)| match *node {
            Node::Leaf { value } => value.is_finite(),
            Node::Split { feature, below, left, right } => {
                let behind = |child: usize| child > at && child < self.nodes.len();
                feature < width && below.is_finite() && behind(left) && behind(right)
            }
        };
        !self.nodes.is_empty() && self.nodes.iter().enumerate().all(fits)
    }
}

/// The feature and the value below which rows go left, where that gains anything.
fn best_split(
    encoded: &[Vec<f64>],
    slopes: &[(f64, f64)],
    rows: &[usize],
    whole: (f64, f64),
) -> Option<(usize, f64)> {
    let worth = |(gradient, hessian): (f64, f64)| gradient * gradient / (hessian + PENALTY);
    let width = encoded.first().map_or(0, Vec::len);
    let mut best: Option<(f64, usize, f64)> = None;
    let value = |row: usize, feature: usize| encoded[row][feature];
    for feature in 0..width {
        let mut sorted = rows.to_vec();
        sorted.sort_by(|a, b| value(*a, feature).total_cmp(&value(*b, feature)));
        let mut less = (0.0, 0.0);
        for pair in sorted.windows(2) {
            less = add(less, slopes[pair[0]]);
            let (here, next) = (value(pair[0], feature), value(pair[1], feature));
            let more = (whole.0 - less.0, whole.1 - less.1);
            if here >= next || less.1 < LEAST_HESSIAN || more.1 < LEAST_HESSIAN {
                continue;
            }
            let gain = worth(less) + worth(more) - worth(whole);
            if gain > best.map_or(1e-9, |(most, ..)| most) {
                best = Some((gain, feature, (here + next) / 2.0));
            }
        }
    }
    best.map(|(_, feature, below)| (feature, below))
}

fn add(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 + b.0, a.1 + b.1)
}
