//! A table is read by people and compared by machines: it fits the width of a page, and a small change is a small diff.

use serde_json::json;

use super::{rows, text};
use crate::diff::{Change, lines};
use crate::frontend::builder::{BuilderTensor, ModelBuilder};

/// A transformer with its normalization ahead of each part.
struct Transformer {
    model: ModelBuilder,
    x: BuilderTensor,
}

impl Transformer {
    fn call(&mut self, class: &str, name: &str, settings: serde_json::Value) {
        self.x = self.model.layer(class, name, settings, &[&self.x.clone()]);
    }

    fn add(&mut self, name: &str, before: &BuilderTensor) {
        self.x = self.model.layer("Add", name, json!({}), &[before, &self.x.clone()]);
    }

    fn table(convolution_before: Option<usize>) -> String {
        let mut model = ModelBuilder::new("transformer");
        let x = model.input("ids", "int32", &[None]);
        let mut at = Transformer { model, x };
        at.call(
            "Embedding",
            "token_embedding",
            json!({"input_dim": 30522, "output_dim": 768, "mask_zero": true}),
        );
        for block in 0..12 {
            if convolution_before == Some(block) {
                at.call("Conv1D", "conv1d", json!({"filters": 768, "kernel_size": 3, "padding": "same"}));
            }
            let name = |part: &str| format!("block_{block}_{part}");
            let before = at.x.clone();
            at.call("LayerNormalization", &name("norm"), json!({}));
            let heads = json!({"num_heads": 12, "key_dim": 64});
            let x = at.x.clone();
            at.x = at.model.layer_with("MultiHeadAttention", &name("attention"), heads, &[&x, &x], &[]);
            at.add(&name("add"), &before);
            let before = at.x.clone();
            at.call("LayerNormalization", &name("norm_2"), json!({}));
            at.call("Dense", &name("up"), json!({"units": 3072, "activation": "gelu"}));
            at.call("Dense", &name("down"), json!({"units": 768}));
            at.add(&name("add_2"), &before);
        }
        at.call("GlobalAveragePooling1D", "pool", json!({}));
        at.call("Dense", "classes", json!({"units": 2}));
        text(at.model.finish(&[&at.x]).unwrap().infer().unwrap().graph())
    }
}

#[test]
fn a_transformer_fits_a_page() {
    let table = Transformer::table(None);
    assert_eq!(table.lines().count(), 1 + 2 + 12 * 7 + 2, "{table}");
    let longest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 100, "{longest} columns:\n{table}");
}

#[test]
fn where_a_mask_dies_is_a_small_diff() {
    let before = Transformer::table(None);
    for block in [0, 5, 11] {
        let after = Transformer::table(Some(block));
        let changes = lines(&before, &after);
        let added: Vec<&str> = changes
            .iter()
            .filter_map(|change| if let Change::Added(line) = change { Some(*line) } else { None })
            .collect();
        let changed = changes.iter().filter(|change| !matches!(change, Change::Kept(_))).count();
        assert!(changed < 10, "{changed} lines:\n{changes:#?}");
        assert!(added[0].starts_with("conv1d ") && added[0].ends_with("dropped   %ids != 0"), "{added:?}");
        assert!(added[1].contains(&format!("block_{block}_norm")) && added[1].ends_with("none"), "{added:?}");
    }
}

#[test]
fn a_long_cell_moves_its_own_line_alone() {
    let table = |name: &str| {
        let mut model = ModelBuilder::new("wide");
        let x = model.input("features", "float32", &[Some(8), Some(4)]);
        let x = model.layer("Masking", name, json!({}), &[&x]);
        let x = model.layer("LSTM", "lstm", json!({"units": 3}), &[&x]);
        text(model.finish(&[&x]).unwrap().infer().unwrap().graph())
    };
    let (short, long) = (table("masking"), table("a_name_of_more_characters_than_its_column"));
    let kept = lines(&short, &long).iter().filter(|change| matches!(change, Change::Kept(_))).count();
    assert_eq!(kept, 3, "{short}{long}");
}

#[test]
fn masks_are_named_by_where_they_were_first_carried() {
    let mut model = ModelBuilder::new("joined");
    let parts = ["left", "right"].map(|name| {
        let x = model.input(&format!("{name}_token_identifiers"), "int32", &[Some(5)]);
        let settings = json!({"input_dim": 9, "output_dim": 4, "mask_zero": true});
        model.layer("Embedding", name, settings, &[&x])
    });
    let x = model.layer("Concatenate", "joined", json!({"axis": 1}), &[&parts[0], &parts[1]]);
    let x = model.layer("Dense", "dense", json!({"units": 2}), &[&x]);
    let table = text(model.finish(&[&x]).unwrap().infer().unwrap().graph());
    let ends: Vec<&str> = table.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(ends[3], "%left_token_identifiers != 0", "{table}");
    assert_eq!(ends[5..], ["concat(1, of %left, of %right)", "of %joined"], "{table}");
}

#[test]
fn what_only_builds_masks_is_no_line() {
    let mut model = ModelBuilder::new("plumbing");
    let ids = model.input("ids", "int32", &[Some(5)]);
    let x = model.layer(
        "Embedding",
        "embedding",
        json!({"input_dim": 9, "output_dim": 4, "mask_zero": true}),
        &[&ids],
    );
    let kept = model.layer("ops.Cast", "kept", json!({"dtype": "bool"}), &[&ids]);
    let padded = model.layer("ops.LogicalNot", "padded", json!({}), &[&kept]);
    let y = model.layer_with("GRU", "gru", json!({"units": 3}), &[&x], &[("mask", (&kept).into())]);
    let inferred = model.clone().finish(&[&y]).unwrap().infer().unwrap();
    assert!(!text(inferred.graph()).contains("kept "));
    assert!(rows(inferred.graph()).iter().any(|row| row.layer == "kept" && row.plumbing));
    // What an output shows is no plumbing.
    let inferred = model.finish(&[&y, &padded]).unwrap().infer().unwrap();
    assert!(text(inferred.graph()).contains("kept "));
}
