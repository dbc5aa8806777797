//! Is every layer shown, by a golden model, what padding can do to it?
//!
//! Whoever adds a layer owes it fixtures: a call without a mask, and calls with masks of every kind of row. The masks
//! are those that Keras recorded; which of them reaches which call is inferred. A layer inside another one (a
//! `Bidirectional`'s, a `Pipeline`'s) is no call, and counts for the layer around it alone; one inside a nested model
//! is. Models without numbers, and those that masque does not get right yet, show nothing.

use std::collections::{BTreeMap, BTreeSet};

use masque::Model;
use masque::layers::LAYERS;
use masque::lower::mask_key;
use masque_ir::facts::InferredGraph;
use masque_ir::layers::TensorRef;
use masque_ir::mask::{MaskExpr, MaskId};
use masque_runtime::Tensor;
use masque_tests::corpus::{self, Case};
use ndarray::{ArrayD, ArrayView1, Axis, array};

/// What can come to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Padding {
    /// No tensor has a mask.
    None,
    /// A row that ends with padding.
    Right,
    /// A row with padding before something valid.
    Gaps,
    /// A row of nothing but padding.
    Everything,
}

impl Padding {
    const ALL: [Padding; 4] = [Padding::None, Padding::Right, Padding::Gaps, Padding::Everything];

    /// What a golden model is missing that does not show it.
    fn fixture(self) -> &'static str {
        match self {
            Padding::None => "a call without a mask",
            Padding::Right => "a right-padded mask",
            Padding::Gaps => "a mask with gaps",
            Padding::Everything => "a fully masked row",
        }
    }

    /// That of one row of a mask; none if nothing is padded.
    fn of(row: ArrayView1<'_, bool>) -> Option<Padding> {
        let valid = row.iter().filter(|&&valid| valid).count();
        let leading = row.iter().take_while(|&&valid| valid).count();
        match valid {
            _ if valid == row.len() => None,
            0 => Some(Padding::Everything),
            _ if leading == valid => Some(Padding::Right),
            _ => Some(Padding::Gaps),
        }
    }
}

/// Layers to which one of these cannot be shown, each with the reason.
const IMPOSSIBLE: &[(&str, &[Padding], &str)] = &[
    (
        "Equalization",
        &Padding::ALL,
        "Keras cannot call it in a model: it gives its very input, which is a cycle; a Pipeline holds one",
    ),
    (
        "HashedCrossing",
        &[Padding::Right, Padding::Gaps],
        "it takes one value for each example, [B] or [B, 1]: a row of one step is valid or is not",
    ),
    (
        "InputLayer",
        &[Padding::Right, Padding::Gaps, Padding::Everything],
        "it is where the data comes in; nothing stands before it that could make a mask",
    ),
];

/// The paddings in a mask, whose last axis makes the rows.
fn paddings(mask: &ArrayD<bool>) -> BTreeSet<Padding> {
    match mask.ndim().checked_sub(1) {
        Some(last) if last > 0 => mask.lanes(Axis(last)).into_iter().filter_map(Padding::of).collect(),
        _ => BTreeSet::new(),
    }
}

/// What is known of the values of a model's masks: what Keras recorded of its calls, and bool tensors that came in.
fn recorded(case: &Case, model: &InferredGraph) -> BTreeMap<MaskId, BTreeSet<Padding>> {
    let (graph, facts) = (&model.graph, &model.facts);
    let of = |tensor: Option<&Tensor>| tensor.and_then(Tensor::as_bool).map(paddings);
    let mut known = BTreeMap::new();
    let masks = case.arrays("masks.npz");
    for call in graph.calls() {
        for output in 0..graph.call(call).outputs {
            let tensor = TensorRef { call, output };
            let value = of(masks.get(&mask_key(graph, tensor)));
            known.extend(facts.tensor(tensor).mask.zip(value));
        }
    }
    if case.expected.input.as_deref() == Some("input.npz") {
        let inputs = case.arrays("input.npz");
        for (mask, expr) in facts.masks.iter() {
            let MaskExpr::Tensor(tensor) = expr else { continue };
            known.extend(of(inputs.get(&graph.layer_of(tensor.call).name)).map(|value| (mask, value)));
        }
    }
    known
}

/// What every layer is shown by the golden models, by class.
fn shown() -> BTreeMap<String, BTreeSet<Padding>> {
    let not_yet = corpus::listed("not-yet.txt");
    let mut shown: BTreeMap<String, BTreeSet<Padding>> = BTreeMap::new();
    let counts = |case: &Case| !case.expected.mask_inference_only && !not_yet.contains_key(&case.name);
    for case in corpus::cases().iter().filter(|case| counts(case)) {
        let inferred = Model::open(case.model()).unwrap().infer();
        let inferred = inferred.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let model = inferred.graph();
        let recorded = recorded(case, model);
        for call in model.graph.calls() {
            let here = shown.entry(model.graph.layer_of(call).class.clone()).or_default();
            let masks: Vec<&MaskId> = model.facts.call(call).mask_in.iter().flatten().collect();
            here.extend(masks.iter().filter_map(|mask| recorded.get(mask)).flatten());
            here.extend(masks.is_empty().then_some(Padding::None));
        }
    }
    shown
}

#[test]
fn rows_are_told_apart() {
    let mask = array![[true, true, true], [true, false, false], [true, false, true], [false, false, true]];
    assert_eq!(
        mask.rows().into_iter().map(Padding::of).collect::<Vec<_>>(),
        [None, Some(Padding::Right), Some(Padding::Gaps), Some(Padding::Gaps)]
    );
    assert_eq!(Padding::of(array![false, false].view()), Some(Padding::Everything));
    assert!(paddings(&array![true, false].into_dyn()).is_empty(), "one for each example makes no rows");
}

#[test]
fn every_layer_is_shown_every_padding() {
    let shown = shown();
    let none = BTreeSet::new();
    let (mut missing, mut possible) = (vec![], vec![]);
    for class in LAYERS.iter().map(|def| def.class).filter(|class| !class.starts_with("ops.")) {
        let here = shown.get(class).unwrap_or(&none);
        let excused =
            IMPOSSIBLE.iter().find(|(name, ..)| *name == class).map_or(&[][..], |(_, what, _)| what);
        possible
            .extend(excused.iter().filter(|padding| here.contains(padding)).map(|padding| (class, padding)));
        let absent =
            Padding::ALL.iter().filter(|padding| !here.contains(padding) && !excused.contains(padding));
        let absent: Vec<&str> = absent.map(|padding| padding.fixture()).collect();
        if !absent.is_empty() {
            missing.push(format!("{class}: lacks {}", absent.join(", ")));
        }
    }
    assert!(
        missing.is_empty(),
        "layers without a golden model that shows (add to tests/golden/generator/masked.py):\n{}",
        missing.join("\n")
    );
    assert_eq!(possible, [], "it is shown: take it from IMPOSSIBLE");
    let known = |class: &str| LAYERS.iter().any(|def| def.class == class);
    assert!(IMPOSSIBLE.iter().all(|(class, _, reason)| known(class) && reason.len() > 20));
}
