//! What is no loss, or no target, is refused by name. The numbers are Keras' own: `tests/golden/losses.json`.

use ndarray::{ArrayD, IxDyn};
use serde_json::{Value as Json, json};

use super::*;

fn zeros(shape: &[usize]) -> ArrayD<f64> {
    ArrayD::zeros(IxDyn(shape))
}

fn scored(predictions: &[usize], targets: &[usize]) -> Scored {
    let (predictions, targets) = (zeros(predictions), zeros(targets));
    Scored { predictions, targets, logits: None, mask: None, weights: None }
}

fn refusal(loss: Json, scored: &Scored) -> String {
    let loss = Loss::from_json(&loss).and_then(|loss| loss.value(scored));
    loss.unwrap_err().to_string()
}

#[test]
fn what_is_not_known_is_named() {
    let any = scored(&[2, 3], &[2, 3]);
    for (loss, words) in [
        (json!("mean_squared_terror"), "unknown loss `mean_squared_terror`: expected one of BinaryCross"),
        (json!({"class_name": "Huber", "config": {"epsilon": 1}}), "loss `Huber`: setting `epsilon`"),
        (json!({"class_name": "Huber", "config": {"reduction": "max"}}), "`reduction`: expected sum_over"),
        (json!({"class_name": "MeanSquaredError", "config": 3}), "`config`: expected an object, found 3"),
        (
            json!({"module": null, "class_name": "Huber", "config": {}, "registered_name": "Huber"}),
            "the loss `Huber` is a class or function of somebody's own",
        ),
        (
            json!({"module": "my.losses", "class_name": "Huber", "config": {}, "registered_name": "mine>Huber"}),
            "somebody's own",
        ),
        (json!({"class_name": "__lambda__", "config": {"value": "4wEA"}}), "unknown loss `__lambda__`"),
        (json!({"class_name": "CosineSimilarity", "config": {"axis": 7}}), "expected an axis of 2, found 7"),
        (json!(7), "unknown loss `7`"),
    ] {
        let message = refusal(loss, &any);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let message = refusal(json!("mse"), &scored(&[2, 3, 4], &[2, 3]));
    assert_eq!(message, "target: expected shape [2, 3, 4], found [2, 3]");
    let mut classes = scored(&[2, 3], &[2]);
    classes.targets[[1]] = 3.0;
    let message = refusal(json!("sparse_categorical_crossentropy"), &classes);
    assert_eq!(message, "target: expected classes from 0 to 2, found 3");
    // A weight for each sample is none for each step, also where there are as many of both.
    let mut square = scored(&[2, 2, 3], &[2, 2, 3]);
    square.weights = Some(zeros(&[2]));
    square.mask = Some(ArrayD::from_elem(IxDyn(&[2, 2]), true));
    assert_eq!(refusal(json!("mae"), &square), "sample weights: expected shape [2, 2], found [2]");
}

#[test]
fn labels_that_no_path_spells_are_refused() {
    let mut spelled = scored(&[1, 3, 4], &[1, 4]);
    spelled.targets.iter_mut().zip([1.0, 0.0, 2.0, 0.0]).for_each(|(to, from)| *to = from);
    assert!(refusal(json!("ctc"), &spelled).contains("has a 0 within it"));
    spelled.targets.iter_mut().zip([1.0, 1.0, 2.0, 0.0]).for_each(|(to, from)| *to = from);
    assert!(refusal(json!("ctc"), &spelled).contains("needs more steps"));
    // The mask of steps does not fit a loss for each example.
    spelled.targets.fill(0.0);
    spelled.mask = Some(ArrayD::from_elem(IxDyn(&[1, 3]), true));
    assert!(
        refusal(json!("ctc"), &spelled).contains("mask or sample weights: expected shape [1], found [1, 3]")
    );
}

#[test]
fn there_is_a_loss_for_each_output() {
    let new = |loss: Json, weights: Json| Objective::new(&loss, &weights, &["a", "b"]);
    assert!(new(json!({"b": "mse"}), json!({"b": 2})).unwrap().scores(1));
    assert!(!new(json!([null, "mse"]), Json::Null).unwrap().scores(0));
    for (loss, weights) in [
        (json!(["mse"]), Json::Null),
        (json!({"c": "mse"}), Json::Null),
        (json!([null, null]), Json::Null),
        (json!("mse"), json!([1])),
        (json!(["mse", "mae"]), json!(["x", 1])),
        (json!({"class_name": "Huber", "config": {"reduction": null}}), Json::Null),
    ] {
        assert!(matches!(new(loss, weights), Err(LossError::Outputs { .. })));
    }
}

#[test]
fn a_sample_weighs_what_its_class_does() {
    let classes = ClassWeights::from_json(&json!({"0": 0.5, "2": 3})).unwrap();
    let mut sparse = scored(&[4, 3], &[4]);
    sparse.targets.iter_mut().zip([2.0, 1.0, 0.0, 2.0]).for_each(|(to, from)| *to = from);
    assert_eq!(classes.of_samples(&sparse).unwrap().as_slice(), Some(&[3.0, 1.0, 0.5, 3.0][..]));
    let mut one_hot = scored(&[2, 3], &[2, 3]);
    one_hot.targets[[0, 2]] = 1.0;
    assert_eq!(classes.of_samples(&one_hot).unwrap().as_slice(), Some(&[3.0, 0.5][..]));
    assert!(classes.of_samples(&scored(&[2, 4, 3], &[2, 4])).is_err());
    assert!(ClassWeights::from_json(&json!({"first": 1})).is_err());
}

#[test]
fn metrics_are_those_of_the_outputs() {
    let new = |metrics: Json, outputs: &[&str]| Metrics::new(&metrics, &Json::Null, outputs).unwrap();
    for several in [json!([["mae"], null]), json!({"a": "mae"})] {
        let metrics = new(several, &["a", "b"]);
        assert!(metrics.measures(0) && !metrics.measures(1));
    }
    let nested = new(json!([[["mae", "mse"]], {"x": ["auc"]}]), &["a"]);
    let report = nested.report(&[vec![json!(1), json!(2), json!(3)]], &["a"]);
    let names: Vec<&str> = report.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mae", "mse", "auc"]);
    let own = json!({"module": null, "class_name": "Mine", "config": {}, "registered_name": "Mine"});
    let left_out = new(json!([own, "R2Score", "mae"]), &["a"]);
    assert_eq!((left_out.unread.len(), left_out.measures(0)), (2, true));
    assert!(matches!(
        Metrics::new(&json!(["mae"]), &Json::Null, &["a", "b"]),
        Err(LossError::Outputs { .. })
    ));
    let config = |class: &str, config: Json| {
        Metric::from_json(&json!({"class_name": class, "config": config})).unwrap_err().to_string()
    };
    assert!(
        config("AUC", json!({"curve": "XYZ"})).starts_with("metric `AUC`: setting `curve`: expected ROC")
    );
    assert!(
        config("Precision", json!({"thresholds": [2]}))
            .contains("`thresholds`: expected numbers from 0 to 1")
    );
    assert!(
        config("MeanSquaredError", json!({"axis": 3})).contains("metric `MeanSquaredError`: setting `axis`")
    );
}
