//! The reranker: an order with a known truth, the stated one before that, odd and edited models.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

use super::{
    Boosted, Model, Node, Reranker, SHOWN_FEATURES, ShownExample, ShownFeatures, ShownOutcome,
    Tree, measure, promote,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Designers draw on recent attempts on the same tables that were kept, whatever the words.
fn shown(seed: u64, rows: usize) -> Vec<ShownExample> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut one = |at: usize| {
        let outcome = [ShownOutcome::Kept, ShownOutcome::RolledBack, ShownOutcome::Other]
            [rng.random_range(0..3)];
        let features = ShownFeatures {
            lexical: rng.random_range(0.0..1.0),
            same_tables: [0.0, 0.5, 1.0][rng.random_range(0..3)],
            same_kind: rng.random_bool(0.5),
            same_designer: rng.random_bool(0.5),
            outcome,
            age_days: rng.random_range(0.0..100.0),
        };
        let kept = outcome == ShownOutcome::Kept;
        let drawn = 3.0 * features.same_tables + if kept { 2.0 } else { 0.0 }
            - features.age_days / 25.0
            - 1.5;
        let useful = rng.random_bool(1.0 / (1.0 + f64::exp(-drawn)));
        ShownExample { features, useful, run: format!("r{}", at / 5) }
    };
    (0..rows).map(&mut one).collect()
}

fn auc(model: &Reranker, on: &[ShownExample]) -> f64 {
    let seen: Vec<_> = on.iter().map(|one| (model.score(&one.features), one.useful)).collect();
    measure(&seen).auc.unwrap()
}

#[test]
fn it_orders_better_than_the_words_once_it_has_seen_enough() {
    for rows in [100, 400] {
        let (mut grown, mut order) = (0.0, 0.0);
        for seed in 0..8 {
            let (known, fresh) = (shown(seed, rows), shown(1_000 + seed, 400));
            grown += auc(&Reranker::fit(&known).unwrap(), &fresh) / 8.0;
            order += auc(&Reranker::default(), &fresh) / 8.0;
        }
        assert!(grown > order + 0.05, "{rows} rows: {grown} and {order}");
    }
}

#[test]
fn before_that_the_order_is_the_stated_one() {
    let mut found: Vec<ShownFeatures> = shown(1, 3).into_iter().map(|one| one.features).collect();
    for (at, (lexical, same_tables)) in [(0.5, 0.0), (0.4, 1.0), (0.9, 0.0)].into_iter().enumerate()
    {
        (found[at].lexical, found[at].same_tables) = (lexical, same_tables);
    }
    assert_eq!(Reranker::default().order(&found), [2, 1, 0]);
    assert_eq!(Reranker::default().order(&[]), Vec::<usize>::new());
    let equal = vec![found[0]; 4];
    assert_eq!(Reranker::default().order(&equal), [0, 1, 2, 3]);
    found[0].lexical = f64::NAN;
    found[1].age_days = f64::NEG_INFINITY;
    assert_eq!(Reranker::default().order(&found), [2, 1, 0]);
    let few = Reranker::fit(&shown(2, 19)).unwrap();
    assert!(few.is_simplest() && few.basis().contains("19 shown"), "{}", few.basis());
    let mut useless = shown(3, 50);
    useless.iter_mut().for_each(|one| one.useful = false);
    assert!(Reranker::fit(&useless).unwrap().is_simplest(), "one class has no order");
}

#[test]
fn the_same_examples_grow_the_same_trees() {
    let known = shown(4, 150);
    assert_eq!(Reranker::fit(&known).unwrap(), Reranker::fit(&known).unwrap());
    let equal = vec![known[0].clone(); 30];
    assert!(Reranker::fit(&equal).unwrap().is_simplest());
    let mut twins = vec![known[0].clone(); 30];
    twins[0].useful = !twins[0].useful;
    let score = Reranker::fit(&twins).unwrap().score(&twins[0].features);
    assert!((0.0..=1.0).contains(&score), "{score}");
}

fn of(trees: Vec<Tree>) -> Reranker {
    let names = SHOWN_FEATURES.map(str::to_owned).to_vec();
    Reranker::Boosted(Boosted { names, base: 0.0, trees, rows: 50 })
}

#[test]
fn an_edited_tree_neither_loops_nor_panics_nor_scores() {
    let leaf = Node::Leaf { value: 1.0 };
    let split = |feature, left, right| Node::Split { feature, below: 0.5, left, right };
    let features = shown(6, 1)[0].features;
    let known = shown(6, 60);
    let plain = Reranker::default().score(&features);
    for nodes in [
        vec![],
        vec![split(0, 0, 0)],
        vec![split(0, 1, 2), leaf, split(0, 1, 1)],
        vec![split(0, 1, 9), leaf],
        vec![split(7, 1, 2), leaf, leaf],
        vec![Node::Leaf { value: f64::NAN }],
        vec![Node::Leaf { value: f64::INFINITY }],
    ] {
        let edited = of(vec![Tree { nodes }]);
        assert!(!edited.is_sound());
        assert_eq!(edited.score(&features), plain);
        assert!(edited.basis().contains("does not fit"), "{}", edited.basis());
        assert!(edited.to_onnx(&[]).is_err());
        assert!(!promote(&Reranker::default(), &edited, &known).unwrap().promoted);
    }
    let sound = of(vec![Tree { nodes: vec![split(0, 1, 2), leaf, Node::Leaf { value: -1.0 }] }]);
    assert!(sound.is_sound());
    let huge = of(vec![Tree { nodes: vec![Node::Leaf { value: f64::MAX }] }; 2]);
    assert!(!huge.is_sound(), "its sum would be no number");
    let other = Reranker::Boosted(Boosted {
        names: vec!["clicks".to_owned()],
        base: 0.0,
        trees: vec![Tree { nodes: vec![leaf] }],
        rows: 30,
    });
    assert!(!other.is_sound());
}

#[test]
fn what_is_stored_reads_back() {
    for model in [Reranker::fit(&shown(7, 120)).unwrap(), Reranker::default()] {
        let stored = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<Reranker>(&stored).unwrap(), model);
    }
}
