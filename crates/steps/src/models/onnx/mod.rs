//! A model as ONNX, for programs in other languages: doubles in, doubles out, the same figures.
//!
//! Input `features`: float64, `[rows, width]`, each row as `encode` makes it (numbers within their
//! bounds, marks 0 or 1). Output `probability` (or `score`): float64, `[rows, 1]`. Operator sets: 15
//! of ONNX, 3 of ONNX-ML for trees, whose sum is of single precision there.

mod wire;

use super::{
    boosted::{Boosted, Node},
    error::Error,
    linear::Linear,
    logistic::Logistic,
    predictor::Predictor,
    promote::Model,
    quality::{MIDDLE, QUALITY_FEATURES, QualityScorer, mean},
    reranker::{Reranker, SAME_TABLES, SHOWN_FEATURES},
};
use wire::{Message, Value, attribute, node, rows_of, tensor};

const IR_VERSION: u64 = 8;
const OPERATORS: u64 = 15;
const TREE_OPERATORS: u64 = 3;

/// A graph under construction: it takes `features` and makes `last`.
struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    width: usize,
    last: &'static str,
}

impl Predictor {
    /// The model as ONNX; its output is `probability`.
    ///
    /// # Errors
    /// [`Error::Unsound`].
    pub fn to_onnx(&self, about: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        sound(self)?;
        let names = super::names();
        let graph = match self {
            Predictor::BaseRate { .. } => Graph::weighted(&vec![0.0; names.len()], self.base()),
            Predictor::Logistic(Logistic { means, scales, coefficients, intercept, .. }) => {
                Graph::standardised(means, scales, coefficients, *intercept)
                    .then("Sigmoid", "log_odds_to_probability")
            }
        };
        Ok(graph.finish("ChangeSuccessPredictor", "probability", &names.join(","), about))
    }
}

impl QualityScorer {
    /// The model as ONNX; its output is `score`, 0 to 100.
    ///
    /// # Errors
    /// [`Error::Unsound`].
    pub fn to_onnx(&self, about: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        sound(self)?;
        let graph = match self {
            QualityScorer::Mean { rows: 0, .. } => {
                Graph::weighted(&[0.0; QUALITY_FEATURES.len()], MIDDLE)
            }
            QualityScorer::Mean { rows, sum } => {
                Graph::weighted(&[0.0; QUALITY_FEATURES.len()], mean(*rows, *sum))
            }
            QualityScorer::Linear(Linear { means, scales, coefficients, intercept, .. }) => {
                Graph::standardised(means, scales, coefficients, *intercept).clipped(0.0, 100.0)
            }
        };
        Ok(graph.finish("QualityScorer", "score", &QUALITY_FEATURES.join(","), about))
    }
}

impl Reranker {
    /// The model as ONNX; its output is `probability`, by which attempts are ordered.
    ///
    /// # Errors
    /// [`Error::Unsound`].
    pub fn to_onnx(&self, about: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        sound(self)?;
        let graph = match self {
            Reranker::Order { .. } => {
                let mut weights = [0.0; SHOWN_FEATURES.len()];
                weights[0] = 1.0 / (1.0 + SAME_TABLES);
                weights[1] = SAME_TABLES / (1.0 + SAME_TABLES);
                Graph::weighted(&weights, 0.0)
            }
            Reranker::Boosted(model) => Graph::trees(model),
        };
        Ok(graph.finish("SearchReranker", "probability", &SHOWN_FEATURES.join(","), about))
    }
}

fn sound<M: Model>(model: &M) -> Result<(), Error> {
    if model.is_sound() { Ok(()) } else { Err(Error::Unsound) }
}

impl Graph {
    /// `features · weights + constant`.
    fn weighted(weights: &[f64], constant: f64) -> Graph {
        let width = weights.len();
        Graph {
            nodes: vec![
                node("MatMul", &["features", "weights"], "weighted"),
                node("Add", &["weighted", "constant"], "sum"),
            ],
            constants: vec![
                tensor("weights", &[width, 1], weights),
                tensor("constant", &[1], &[constant]),
            ],
            width,
            last: "sum",
        }
    }

    /// `(features - means) / scales · coefficients + intercept`.
    fn standardised(means: &[f64], scales: &[f64], coefficients: &[f64], intercept: f64) -> Graph {
        let width = coefficients.len();
        Graph {
            nodes: vec![
                node("Sub", &["features", "means"], "centred"),
                node("Div", &["centred", "scales"], "standard"),
                node("MatMul", &["standard", "coefficients"], "weighted"),
                node("Add", &["weighted", "intercept"], "sum"),
            ],
            constants: vec![
                tensor("means", &[width], means),
                tensor("scales", &[width], scales),
                tensor("coefficients", &[width, 1], coefficients),
                tensor("intercept", &[1], &[intercept]),
            ],
            width,
            last: "sum",
        }
    }

    /// The trees' sum, as doubles again, then the probability.
    fn trees(model: &Boosted) -> Graph {
        let mut flat = Flat::default();
        for (number, tree) in model.trees.iter().enumerate() {
            flat.add(number as u64, &tree.nodes);
        }
        if model.trees.is_empty() {
            // The operator needs at least one.
            flat.add(0, &[Node::Leaf { value: 0.0 }]);
        }
        let attributes = [
            attribute("n_targets", &Value::Int(1)),
            attribute("aggregate_function", &Value::Text("SUM")),
            attribute("post_transform", &Value::Text("NONE")),
            attribute("base_values_as_tensor", &Value::Tensor(&[model.base])),
            attribute("nodes_treeids", &Value::Ints(&flat.trees)),
            attribute("nodes_nodeids", &Value::Ints(&flat.nodes)),
            attribute("nodes_featureids", &Value::Ints(&flat.features)),
            attribute("nodes_modes", &Value::Texts(&flat.modes)),
            attribute("nodes_values_as_tensor", &Value::Tensor(&flat.below)),
            attribute("nodes_truenodeids", &Value::Ints(&flat.left)),
            attribute("nodes_falsenodeids", &Value::Ints(&flat.right)),
            attribute("target_treeids", &Value::Ints(&flat.leaf_trees)),
            attribute("target_nodeids", &Value::Ints(&flat.leaf_nodes)),
            attribute("target_ids", &Value::Ints(&vec![0; flat.leaf_nodes.len()])),
            attribute("target_weights_as_tensor", &Value::Tensor(&flat.leaf_values)),
        ];
        let trees = node("TreeEnsembleRegressor", &["features"], "trees").text(7, "ai.onnx.ml");
        let trees = attributes.iter().fold(trees, |node, attribute| node.message(5, attribute));
        let double = node("Cast", &["trees"], "sum").message(5, &attribute("to", &Value::Int(11)));
        let graph = Graph {
            nodes: vec![trees, double],
            constants: Vec::new(),
            width: model.names.len(),
            last: "sum",
        };
        graph.then("Sigmoid", "log_odds_to_probability")
    }

    fn then(mut self, operator: &str, output: &'static str) -> Graph {
        self.nodes.push(node(operator, &[self.last], output));
        Graph { last: output, ..self }
    }

    fn clipped(mut self, least: f64, most: f64) -> Graph {
        self.constants.push(tensor("least", &[], &[least]));
        self.constants.push(tensor("most", &[], &[most]));
        self.nodes.push(node("Clip", &[self.last, "least", "most"], "clipped"));
        Graph { last: "clipped", ..self }
    }

    /// The whole model; `about` says where it comes from.
    fn finish(
        mut self,
        name: &str,
        output: &str,
        features: &str,
        about: &[(&str, &str)],
    ) -> Vec<u8> {
        self.nodes.push(node("Identity", &[self.last], output));
        let graph = self.nodes.iter().fold(Message::default(), |all, node| all.message(1, node));
        let graph = self.constants.iter().fold(graph.text(2, name), |all, one| all.message(5, one));
        let graph =
            graph.message(11, &rows_of("features", self.width)).message(12, &rows_of(output, 1));
        let set = |domain: &str, version| Message::default().text(1, domain).int(2, version);
        let model = Message::default()
            .int(1, IR_VERSION)
            .text(2, "kaizen")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &set("", OPERATORS))
            .message(8, &set("ai.onnx.ml", TREE_OPERATORS));
        let entry = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
        let model = model.message(14, &entry("features", features));
        about
            .iter()
            .fold(model, |model, (key, value)| model.message(14, &entry(key, value)))
            .into_bytes()
    }
}

/// Trees as the operator takes them: all nodes side by side.
#[derive(Default)]
struct Flat {
    trees: Vec<u64>,
    nodes: Vec<u64>,
    features: Vec<u64>,
    modes: Vec<&'static str>,
    below: Vec<f64>,
    left: Vec<u64>,
    right: Vec<u64>,
    leaf_trees: Vec<u64>,
    leaf_nodes: Vec<u64>,
    leaf_values: Vec<f64>,
}

impl Flat {
    fn add(&mut self, tree: u64, nodes: &[Node]) {
        for (at, node) in nodes.iter().enumerate() {
            let (mode, feature, below, left, right) = match *node {
                Node::Split { feature, below, left, right } => {
                    ("BRANCH_LT", feature as u64, below, left as u64, right as u64)
                }
                Node::Leaf { value } => {
                    self.leaf_trees.push(tree);
                    self.leaf_nodes.push(at as u64);
                    self.leaf_values.push(value);
                    ("LEAF", 0, 0.0, 0, 0)
                }
            };
            self.trees.push(tree);
            self.nodes.push(at as u64);
            self.features.push(feature);
            self.modes.push(mode);
            self.below.push(below);
            self.left.push(left);
            self.right.push(right);
        }
    }
}
