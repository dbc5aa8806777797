//! What is claimed of random masks holds for every input that was tried; and some of it is claimed.

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId, MaskPool};
use serde_json::json;

use super::{Relation, Statics};
use crate::Inferred;
use crate::frontend::builder::ModelBuilder;

const ROWS: usize = 2;
const STEPS: usize = 3;

/// Two bool inputs, and a text whose numbers end in zeros.
fn model() -> Inferred {
    let mut model = ModelBuilder::new("m");
    let steps = Some(STEPS as u64);
    let (a, b) = (model.input("a", "bool", &[steps]), model.input("b", "bool", &[steps]));
    let text = model.input("text", "string", &[]);
    let settings =
        json!({"max_tokens": 9, "output_mode": "int", "output_sequence_length": STEPS, "vocabulary": ["x"]});
    let ids = model.layer("TextVectorization", "ids", settings, &[&text]);
    // What is computed of all of them has one batch.
    let mut all = model.layer_with("ops.LogicalAnd", "both", json!({}), &[&a, &b], &[]);
    all = model.layer_with("ops.Add", "all", json!({}), &[&all, &ids], &[]);
    model.finish(&[&all]).unwrap().infer().unwrap()
}

/// The inputs `a` and `b`, and the numbers of the text: calls run in the order in which they are needed.
const A: TensorRef = TensorRef { call: CallId(1), output: 0 };
const B: TensorRef = TensorRef { call: CallId(2), output: 0 };
const IDS: TensorRef = TensorRef { call: CallId(4), output: 0 };

/// Numbers that look like chance.
fn next(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % end
}

/// Masks over rows and steps, the later ones made of the earlier ones.
fn masks(pool: &mut MaskPool, state: &mut u64) -> Vec<MaskId> {
    let mut made = vec![
        pool.tensor(A, 2),
        pool.tensor(B, 2),
        pool.not_equal(IDS, 0.0, 2),
        pool.ones(A, 2),
        pool.zeros(A, 2),
    ];
    for _ in 0..12 {
        let (x, y) = (made[next(state, made.len())], made[next(state, made.len())]);
        made.push(match next(state, 6) {
            0 => pool.not(x),
            1 => pool.or(&[x, y]),
            2 | 3 => pool.and(&[x, y]),
            4 => pool.reverse(1, x),
            _ => {
                let spread = pool.spread(x, A);
                pool.any_last(spread)
            }
        });
    }
    made
}

/// What a mask is, row by row, given what its tensors are.
fn value(pool: &MaskPool, mask: MaskId, given: &[Vec<bool>; 3]) -> Vec<bool> {
    let part = |mask: &MaskId| value(pool, *mask, given);
    let all = |truth: bool| vec![truth; ROWS * STEPS];
    let joined = |parts: &[MaskId], with: fn(bool, bool) -> bool| {
        parts.iter().map(part).reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| with(a, b)).collect()).unwrap()
    };
    match pool.get(mask) {
        MaskExpr::Tensor(x) => given[usize::from(*x == B)].clone(),
        MaskExpr::NotEqual(..) => given[2].clone(),
        MaskExpr::Ones(..) => all(true),
        MaskExpr::Zeros(..) => all(false),
        MaskExpr::Not(x) => part(x).into_iter().map(|truth| !truth).collect(),
        MaskExpr::Or(parts) => joined(parts, |a, b| a || b),
        MaskExpr::And(parts) => joined(parts, |a, b| a && b),
        MaskExpr::Reverse(_, x) => part(x).chunks(STEPS).flat_map(|row| row.iter().rev().copied()).collect(),
        other => panic!("{other:?} is not made here"),
    }
}

#[test]
fn what_is_claimed_holds() {
    let inferred = model();
    let mut state = 1;
    let (mut padded, mut related) = (0, 0);
    for _ in 0..60 {
        let mut graph: InferredGraph = inferred.graph().clone();
        let made = masks(&mut graph.facts.masks, &mut state);
        let statics = Statics::of(&graph, inferred.layers());
        let claimed = |a: MaskId, b: MaskId| statics.relation(a, b);
        padded += made[5..].iter().filter(|&&mask| statics.get(mask).right_padded).count();
        for _ in 0..24 {
            let mut bools = || (0..ROWS * STEPS).map(|_| next(&mut state, 2) == 0).collect::<Vec<_>>();
            let (a, b) = (bools(), bools());
            let texts = (0..ROWS).flat_map(|_| {
                let length = next(&mut state, STEPS + 1);
                (0..STEPS).map(move |step| step < length)
            });
            let given = [a, b, texts.collect()];
            let values: Vec<Vec<bool>> =
                made.iter().map(|&mask| value(&graph.facts.masks, mask, &given)).collect();
            for (mask, value) in made.iter().zip(&values) {
                let facts = statics.get(*mask);
                assert!(facts.always.is_none_or(|always| value.iter().all(|&truth| truth == always)));
                let sorted = value.chunks(STEPS).all(|row| row.is_sorted_by(|a, b| a >= b));
                assert!(!facts.right_padded || sorted, "{:?}: {value:?}", graph.facts.masks.get(*mask));
                let varies = value.chunks(STEPS).any(|row| row.iter().any(|&truth| truth != row[0]));
                assert!(!varies || facts.axes.contains(&1));
            }
            for (place, &a) in made.iter().enumerate() {
                for (other, &b) in made.iter().enumerate() {
                    let mut pairs = values[place].iter().zip(&values[other]);
                    let Some(relation) = claimed(a, b) else { continue };
                    related += usize::from(place != other);
                    let holds = match relation {
                        Relation::Same => values[place] == values[other],
                        Relation::Complementary => pairs.all(|(a, b)| a != b),
                        Relation::Implies => pairs.all(|(a, b)| !a || *b),
                        Relation::ImpliedBy => pairs.all(|(a, b)| *a || !b),
                    };
                    assert!(
                        holds,
                        "{:?} {relation:?} {:?}",
                        graph.facts.masks.get(a),
                        graph.facts.masks.get(b)
                    );
                }
            }
        }
    }
    assert!(padded > 100 && related > 1000, "{padded} padded, {related} related");
}

#[test]
fn expressions_know_each_other() {
    let inferred = model();
    let mut graph = inferred.graph().clone();
    let pool = &mut graph.facts.masks;
    let (a, b, ids) = (pool.tensor(A, 2), pool.tensor(B, 2), pool.not_equal(IDS, 0.0, 2));
    let (both, not_a, either) = (pool.and(&[a, b]), pool.not(a), pool.or(&[a, b]));
    let ones = pool.ones(A, 2);
    let (behind, before) = (pool.concat(1, &[ones, ids]), pool.concat(1, &[ids, ones]));
    let backwards = pool.reverse(1, ids);
    let statics = Statics::of(&graph, inferred.layers());
    assert_eq!(statics.relation(both, a), Some(Relation::Implies));
    assert_eq!(statics.relation(either, both), Some(Relation::ImpliedBy));
    assert_eq!(statics.relation(a, not_a), Some(Relation::Complementary));
    assert_eq!(statics.relation(a, b), None);
    assert_eq!(statics.relation(behind, ids), None, "they have not the same size");
    let padded = [ids, behind, before, backwards, a].map(|mask| statics.get(mask).right_padded);
    assert_eq!(padded, [true, true, false, false, false]);
}
