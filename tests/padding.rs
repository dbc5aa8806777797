//! Padding liveness against runs of models that nobody wrote: random stacks of layers with made-up weights.
//!
//! A model that is called clean is padded further, and gets other numbers under its padding: nothing may change, to the
//! bit. A model that is called leaking needs two runs that show it, nearly always. `MASQUE_RANDOM_MODELS=1000` says how
//! many models are tried; their number counts, not chance: the same ones every time.

use std::collections::BTreeMap;
use std::io::Write;

use masque::Inferred;
use masque::frontend::builder::{BuilderTensor, ModelBuilder};
use masque::witness;
use serde_json::{Value as Json, json};

/// Numbers that look like chance (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

/// A stack that grows.
struct Stack {
    model: ModelBuilder,
    random: Random,
    /// What may be joined again later: tensors from further down.
    seen: Vec<BuilderTensor>,
    layers: usize,
}

/// What works on rows, some of it looking to their sides.
fn middle(random: &mut Random) -> (&'static str, Json) {
    let kind = random.below(19);
    let backwards = random.below(4) == 0;
    let recurrent = json!({"units": 4, "return_sequences": true, "go_backwards": backwards});
    match kind {
        0 => ("Dense", json!({"units": 4})),
        1 => ("Activation", json!({"activation": "tanh"})),
        2 => ("LayerNormalization", json!({"axis": -1})),
        3 => ("BatchNormalization", json!({})),
        4 => ("GroupNormalization", json!({"groups": 2})),
        5 => ("UnitNormalization", json!({"axis": 1 + random.below(2)})),
        6..=8 => {
            let padding = ["same", "causal", "valid"][random.below(3)];
            ("Conv1D", json!({"filters": 4, "kernel_size": [1 + random.below(3)], "padding": padding}))
        }
        9 => ("MaxPooling1D", json!({"pool_size": [2], "strides": [1], "padding": "same"})),
        10 => ("AveragePooling1D", json!({"pool_size": [2], "strides": [1], "padding": "same"})),
        11 => ("LSTM", recurrent),
        12 => ("GRU", recurrent),
        13 => ("SimpleRNN", recurrent),
        14 => ("Masking", json!({"mask_value": 0.0})),
        15 => ("Dropout", json!({"rate": 0.1})),
        16 => ("ReLU", json!({})),
        17 => ("ZeroPadding1D", json!({"padding": [random.below(2), 0]})),
        _ => ("Rescaling", json!({"scale": 0.5, "offset": 0.25})),
    }
}

/// What ends a stack; none leaves the rows.
fn head(random: &mut Random) -> Option<(&'static str, Json)> {
    match random.below(6) {
        0 | 1 => Some(("GlobalAveragePooling1D", json!({}))),
        2 => Some(("GlobalMaxPooling1D", json!({}))),
        3 => Some(("LSTM", json!({"units": 3}))),
        4 => Some(("GRU", json!({"units": 3, "go_backwards": random.below(2) == 0}))),
        _ => None,
    }
}

impl Stack {
    fn layer(&mut self, class: &str, settings: Json, inputs: &[&BuilderTensor]) -> BuilderTensor {
        self.layers += 1;
        let name = format!("layer_{}", self.layers);
        self.model.layer(class, &name, settings, inputs)
    }

    /// The rows that a stack begins with: of ids, or of numbers some of which are masked.
    fn source(&mut self, steps: Option<u64>, place: usize) -> BuilderTensor {
        let name = format!("input_{place}");
        if self.random.below(3) == 0 {
            let x = self.model.input(&name, "float32", &[steps, Some(4)]);
            return self.layer("Masking", json!({"mask_value": 0.0}), &[&x]);
        }
        let ids = self.model.input(&name, "int32", &[steps]);
        self.layer("Embedding", json!({"input_dim": 8, "output_dim": 4, "mask_zero": true}), &[&ids])
    }

    /// Attention of rows to one another, in all ways that differ for a row that sees nothing.
    fn attention(&mut self, x: &BuilderTensor) -> BuilderTensor {
        self.layers += 1;
        let name = format!("layer_{}", self.layers);
        let (class, settings) = match self.random.below(4) {
            0 => ("Attention", json!({})),
            1 => (
                "GroupQueryAttention",
                json!({"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2}),
            ),
            2 => ("MultiHeadAttention", json!({"num_heads": 2, "key_dim": 2, "dropout": 0.1})),
            _ => ("MultiHeadAttention", json!({"num_heads": 2, "key_dim": 2})),
        };
        let causal = [("use_causal_mask", json!(self.random.below(2) == 0).into())];
        let value =
            self.seen.get(self.random.below(1 + self.seen.len())).cloned().unwrap_or_else(|| x.clone());
        if class == "Attention" {
            let both: &[&BuilderTensor] = &[x, &value];
            let arguments = [("inputs", both.into()), causal[0].clone()];
            return self.model.layer_with(class, &name, settings, &[], &arguments);
        }
        self.model.layer_with(class, &name, settings, &[x, &value], &causal)
    }

    fn grow(&mut self, x: BuilderTensor) -> BuilderTensor {
        if self.random.below(4) == 0 && !self.seen.is_empty() {
            let other = self.seen[self.random.below(self.seen.len())].clone();
            let class = ["Add", "Multiply", "Maximum", "Average", "Concatenate"][self.random.below(5)];
            let joined = self.layer(class, json!({}), &[&x, &other]);
            return if class == "Concatenate" {
                self.layer("Dense", json!({"units": 4}), &[&joined])
            } else {
                joined
            };
        }
        if self.random.below(6) == 0 {
            return self.attention(&x);
        }
        let (class, settings) = middle(&mut self.random);
        if settings["padding"] != "same" && settings["padding"] != "causal" && !settings["padding"].is_null()
        {
            // Rows before and behind it are not as many, which nobody finds out before a run.
            self.seen.clear();
        }
        self.layer(class, settings, &[&x])
    }
}

/// A model, or nothing where its shapes do not fit.
fn model(number: u64) -> Option<Inferred> {
    let random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut stack = Stack { model: ModelBuilder::new("random"), random, seen: vec![], layers: 0 };
    let two = stack.random.below(5) == 0;
    let steps = (two || stack.random.below(4) == 0).then_some(6);
    let mut x = stack.source(steps, 0);
    stack.seen.push(x.clone());
    if two {
        let other = stack.source(steps, 1);
        stack.seen.push(other);
    }
    for _ in 0..stack.random.below(6) {
        x = stack.grow(x);
        stack.seen.push(x.clone());
    }
    if let Some((class, settings)) = head(&mut stack.random) {
        x = stack.layer(class, settings, &[&x]);
    }
    stack.model.finish(&[&x]).ok()?.infer().ok()
}

#[test]
fn what_is_called_clean_never_changes() {
    let wanted =
        std::env::var("MASQUE_RANDOM_MODELS").ok().and_then(|number| number.parse().ok()).unwrap_or(40);
    let (mut tried, mut clean, mut leaking, mut shown) = (0, 0, 0, 0);
    let mut unseen = String::new();
    for number in 1.. {
        if tried == wanted {
            break;
        }
        let Some(inferred) = model(number) else { continue };
        tried += 1;
        let padding = inferred.padding().unwrap();
        let reads = padding.outputs[0].reads;
        let found = witness::doubt(&padding, &BTreeMap::new()).remove(0);
        let text = || masque_ir::text::print_layers(&inferred.graph().graph);
        for witness in &found {
            // Where what stands there is read, a change of length may show it as well.
            let told = reads.words().contains(&witness.reads) || reads.any() && witness.reads == "length";
            assert!(told, "model {number} reads {:?}, but: {witness:?}\n{}", reads.words(), text());
        }
        clean += usize::from(!reads.any());
        leaking += usize::from(reads.any());
        shown += usize::from(reads.any() && !found.is_empty());
        if reads.any() && found.is_empty() {
            unseen.push_str(&format!("model {number} is said to read {:?}:\n{}\n", reads.words(), text()));
        }
    }
    let figures = format!("{tried} models: {clean} clean, {leaking} leaking, {shown} of them shown by runs");
    // Seen with `--nocapture`.
    writeln!(std::io::stderr(), "{figures}\n{unseen}").unwrap();
    assert!(clean * 10 > tried && leaking * 10 > tried, "both kinds");
    assert!(shown * 100 >= leaking * 95, "{figures}\n{unseen}");
}
