//! What a layer names as a way out, as changes at its place.

use masque_ir::Dim;
use masque_ir::layers::{CallId, Settings, TensorRef};
use serde_json::{Value as Json, json};

use super::change::Line;
use super::expr::{Expr, new, op};
use super::place::{Candidate, Place};
use crate::diagnostics::enumerated;
use crate::layer::Way;

impl Place<'_> {
    /// The changes of a way at this place, the better one first; none where it does not fit.
    pub(super) fn candidates(&self, way: Way) -> Vec<Candidate> {
        match way {
            Way::Dense | Way::EachStep | Way::Inner | Way::Normalize => self.once_or_everywhere(way),
            Way::Average => self.average().into_iter().collect(),
            Way::Recurrent => self.recurrent().into_iter().collect(),
            Way::Scores => self.scores().into_iter().collect(),
            Way::Squeeze => self.squeeze().into_iter().collect(),
            Way::MaskZero => self.mask_zero().into_iter().collect(),
            Way::Before => self.before().into_iter().collect(),
            Way::Mean => self.mean().into_iter().collect(),
            Way::LowScores => self.low_scores().into_iter().collect(),
            Way::Zero => self.filling(way, 0.0),
            Way::Low => self.filling(way, -1e9),
            // These belong to findings, not to layers.
            Way::Attach
            | Way::Copy
            | Way::Explicit
            | Way::Intended
            | Way::Layers
            | Way::Positions
            | Way::Warn
            | Way::WithoutMaskZero
            | Way::WithoutMasking => vec![],
        }
    }

    /// A layer in place of this one; and in place of the others of its class after it that would get the mask next.
    fn once_or_everywhere(&self, way: Way) -> Vec<Candidate> {
        let graph = &self.subject.model.graph;
        let axes = self.ty(self.x).shape[..self.rank].to_vec();
        let after = self.subject.after(self.call, true, |ty| ty.shape.starts_with(&axes));
        let mut calls: Vec<CallId> = after.passed.into_iter().collect();
        calls.retain(|&call| graph.layer_of(call).class == self.class());
        calls.push(self.call);
        calls.sort();
        let at = |&call: &CallId| {
            let x = *self.subject.data(call).first()?;
            let place = Place { subject: self.subject, call, x, mask: self.mask.clone(), rank: self.rank };
            match way {
                Way::Dense => place.dense(),
                Way::EachStep => place.each_step(),
                Way::Inner => place.inner(),
                _ => place.normalize(),
            }
        };
        let all: Option<Vec<Candidate>> = calls.iter().map(at).collect();
        let several = all.filter(|all| all.len() > 1).map(|all| {
            let names: Vec<String> =
                calls.iter().map(|&call| format!("`{}`", graph.call_name(call))).collect();
            let text = way.text().replace("`{call}`", &enumerated(&names));
            Candidate { way, text, lines: all.into_iter().flat_map(|candidate| candidate.lines).collect() }
        });
        at(&self.call).into_iter().chain(several).collect()
    }

    /// Something else in place of what the call gives.
    fn in_place(&self, way: Way, value: Expr) -> Option<Candidate> {
        Some(self.candidate(way, "", vec![Line::Tensor { tensor: self.y(), value }]))
    }

    /// What the call reads, and its mask where the tensor does not carry it.
    fn under_mask(&self, class: &str, settings: Json) -> Expr {
        let value = new(class, settings, Expr::Tensor(self.x));
        match self.subject.model.facts.tensor(self.x).mask {
            Some(_) => value,
            None => value.passed("mask", self.mask.clone()),
        }
    }

    /// `[B, T, D]` under a mask `[B, T]`, channels at the end.
    fn is_sequence(&self) -> bool {
        let first = self.setting("data_format").is_some_and(|format| format == "channels_first");
        self.ty(self.x).rank() == 3 && self.rank == 2 && !first
    }

    fn average(&self) -> Option<Candidate> {
        let value = self.under_mask("GlobalAveragePooling1D", json!({}));
        self.in_place(Way::Average, value).filter(|_| self.is_sequence() && !self.is_scores())
    }

    fn recurrent(&self) -> Option<Candidate> {
        let units = self.ty(self.x).shape.last().and_then(Dim::known)?;
        let value = self.under_mask("GRU", json!({ "units": units }));
        self.in_place(Way::Recurrent, value).filter(|_| self.is_sequence() && !self.is_scores())
    }

    /// Scores `[B, T, 1]` that are made `[B, T]`: the one axis of size 1 at the end goes.
    fn is_scores(&self) -> bool {
        let (x, y) = (self.ty(self.x), self.ty(self.y()));
        self.is_sequence() && x.shape[2].is_one() && y.shape[..] == x.shape[..2]
    }

    fn squeeze(&self) -> Option<Candidate> {
        let value = op("squeeze", [Expr::Tensor(self.x)]).with("axis", -1);
        self.in_place(Way::Squeeze, value).filter(|_| self.is_scores() && self.softmax().is_none())
    }

    /// The softmax along time that alone reads scores which the call gives.
    fn softmax(&self) -> Option<CallId> {
        let graph = &self.subject.model.graph;
        let readers = graph.readers(self.call);
        let [(reader, _)] = readers.as_slice() else { return None };
        let layer = graph.layer_of(*reader);
        let along_time = layer.settings.get("axis").is_none_or(|axis| *axis == -1 || *axis == 1);
        let softmax = match layer.class.as_str() {
            "Activation" => layer.settings.get("activation").is_some_and(|name| name == "softmax"),
            "Softmax" | "ops.Softmax" => along_time,
            _ => false,
        };
        (softmax && self.is_scores()).then_some(*reader)
    }

    fn scores(&self) -> Option<Candidate> {
        let softmax = self.softmax()?;
        let (mask, name) = self.named_mask();
        let wide = op("expand_dims", [name]).with("axis", -1);
        let weights = new("Softmax", json!({ "axis": 1 }), Expr::Tensor(self.x)).passed("mask", wide);
        let value = op("squeeze", [weights]).with("axis", -1);
        let lines = vec![mask, Line::Tensor { tensor: TensorRef { call: softmax, output: 0 }, value }];
        Some(self.candidate(Way::Scores, &self.quoted(self.x), lines))
    }

    /// A convolution with windows of one position.
    fn dense(&self) -> Option<Candidate> {
        let mut settings = Settings::from([("units".to_owned(), self.setting("filters")?.clone())]);
        for key in ["activation", "use_bias"] {
            settings.extend(self.setting(key).map(|value| (key.to_owned(), value.clone())));
        }
        let fits = self.is_sequence() && self.setting("groups").is_none() && self.keeps_positions();
        let value = new("Dense", json!(settings), Expr::Tensor(self.x));
        self.in_place(Way::Dense, value).filter(|_| fits)
    }

    fn normalize(&self) -> Option<Candidate> {
        self.in_place(Way::Normalize, new("LayerNormalization", json!({}), Expr::Tensor(self.x)))
    }

    fn inner(&self) -> Option<Candidate> {
        let layer = self.setting("layer")?;
        let class = layer.get("class_name")?.as_str()?;
        let settings = layer.get("config").cloned().unwrap_or_else(|| json!({}));
        self.in_place(Way::Inner, new(class, settings, Expr::Tensor(self.x)))
    }

    /// The layer within `TimeDistributed`, its settings for one axis less.
    fn each_step(&self) -> Option<Candidate> {
        let layer = self.subject.model.graph.layer_of(self.call);
        let mut settings = layer.settings.clone();
        match layer.class.as_str() {
            "Reshape" => {
                let target = settings.get_mut("target_shape")?.as_array_mut()?;
                target.remove(0);
            }
            "Permute" => {
                let dims = settings.get_mut("dims")?.as_array_mut()?;
                let first = dims.remove(0);
                dims.iter_mut().try_for_each(|dim| {
                    *dim = json!(dim.as_i64()? - 1);
                    Some(())
                })?;
                (first == 1).then_some(())?;
            }
            "EinsumDense" => one_letter_less(&mut settings)?,
            _ => {}
        }
        let inner = json!({ "layer": { "class_name": layer.class, "config": settings } });
        let value = self.under_mask("TimeDistributed", inner);
        let fits = self.rank == 2 && self.ty(self.x).rank() >= 3 && self.keeps_positions();
        self.in_place(Way::EachStep, value).filter(|_| fits && !layer.class.starts_with("ops."))
    }

    fn mask_zero(&self) -> Option<Candidate> {
        let layer = self.subject.model.graph.call(self.call).layer;
        let lines = vec![Line::Setting { layer, settings: vec![("mask_zero", true.into())] }];
        Some(self.candidate(Way::MaskZero, &self.quoted(self.x), lines))
    }

    /// The mean over more axes than time.
    fn mean(&self) -> Option<Candidate> {
        let x = self.ty(self.x).rank();
        let plain = self.setting("keepdims").is_none() && self.setting("data_format").is_none();
        let axes: Vec<usize> = (2..x - 1).collect();
        let over = op("mean", [Expr::Tensor(self.x)]).with("axis", json!(axes));
        let value = new("GlobalAveragePooling1D", json!({}), over).passed("mask", self.mask.clone());
        self.in_place(Way::Mean, value).filter(|_| plain && self.rank == 2 && x > 3)
    }

    /// What the layer does, done to what the mask is made from.
    fn before(&self) -> Option<Candidate> {
        let graph = &self.subject.model.graph;
        let maker: CallId = self.x.call;
        let source = graph.layer_of(maker);
        let call = graph.call(maker);
        let [argument] = call.arguments.as_slice() else { return None };
        let read = Expr::of(&argument.value);
        let moved = match source.class.as_str() {
            "Embedding" => self.ids_moved(read)?,
            "Masking" => {
                let settings = graph.layer_of(self.call).settings.clone();
                new(self.class(), json!(settings), read)
            }
            _ => return None,
        };
        self.in_place(Way::Before, Expr::Again { layer: call.layer, arguments: vec![(None, moved)] })
    }

    /// The ids at the positions where the layer puts the embeddings.
    fn ids_moved(&self, ids: Expr) -> Option<Expr> {
        let pair = |key: &str, default: i64| -> Option<[i64; 2]> {
            match self.setting(key) {
                None => Some([default; 2]),
                Some(Json::Array(ends)) => Some([ends.first()?.as_i64()?, ends.get(1)?.as_i64()?]),
                Some(both) => both.as_i64().map(|both| [both; 2]),
            }
        };
        Some(match self.class() {
            "ZeroPadding1D" => {
                let [low, high] = pair("padding", 1)?;
                op("pad", [ids]).with("pad_width", json!([[0, 0], [low, high]]))
            }
            "Cropping1D" => {
                let [low, high] = pair("cropping", 1)?;
                let end = (high > 0).then_some(-high);
                Expr::Slice { of: Box::new(ids), axes: vec![[None; 3], [Some(low), end, None]] }
            }
            "UpSampling1D" => {
                let size = self
                    .setting("size")
                    .map_or(Some(2), |size| size.as_i64().or_else(|| size.as_array()?.first()?.as_i64()))?;
                op("repeat", [ids]).with("repeats", size).with("axis", 1)
            }
            "Reshape" => {
                let target = self.setting("target_shape")?.as_array()?;
                let (features, shape) = target.split_last()?;
                let own = self.ty(self.x).shape.last().and_then(Dim::known);
                (features.as_i64() == own).then_some(())?;
                new("Reshape", json!({ "target_shape": shape }), ids)
            }
            _ => return None,
        })
    }

    /// A softmax over scores, along the axis of the mask.
    fn low_scores(&self) -> Option<Candidate> {
        let rank = self.ty(self.x).rank();
        let axis = self.setting("axis").map_or(Some(-1), Json::as_i64)?;
        let axis = masque_ir::ty::resolve_axis(axis, rank).filter(|&axis| axis > 0 && self.rank == 2)?;
        let (mask, name) = self.named_mask();
        let wide = (1..axis).fold(name, |mask, _| op("expand_dims", [mask]).with("axis", 1));
        let wide = (axis + 1..rank).fold(wide, |mask, _| op("expand_dims", [mask]).with("axis", -1));
        let low = op("where", [wide, Expr::Tensor(self.x), Expr::Constant(json!(-1e9))]);
        let lines = vec![mask, Line::Call { call: self.call, arguments: self.reading(&low) }];
        Some(self.candidate(Way::LowScores, "", lines))
    }

    /// Another number under the padding before the call, and the mask explicit after it: for outputs at the positions
    /// of the inputs; for windows that are made to be there; or without, where nothing after it needs one.
    fn filling(&self, way: Way, number: f64) -> Vec<Candidate> {
        if self.is_scores() {
            return vec![];
        }
        let (mask, name) = self.named_mask();
        let Some(filled) = self.filled(name.clone(), self.x, number) else { return vec![] };
        let padded = Expr::Local(self.name(if way == Way::Low { "low" } else { "zeroed" }));
        let Expr::Local(named) = padded.clone() else { return vec![] };
        let layer = self.subject.model.graph.call(self.call).layer;
        let head = [
            mask,
            Line::Let { name: named, value: filled },
            Line::Call { call: self.call, arguments: self.reading(&padded) },
        ];
        let with = |more: Vec<Line>| {
            let explicit = more.iter().any(|line| !matches!(line, Line::Setting { .. }));
            let (settings, after): (Vec<Line>, Vec<Line>) =
                more.into_iter().partition(|line| matches!(line, Line::Setting { .. }));
            let lines = settings.into_iter().chain(head.iter().cloned()).chain(after).collect();
            let mut candidate = self.candidate(way, "", lines);
            if explicit {
                candidate.text.push_str(", and pass the mask explicitly after it");
            }
            candidate
        };
        let mut found = vec![];
        if self.keeps_positions() {
            found.push(with(self.restored(&name)));
        } else if let Some(strided) = self.strided(&name) {
            let same = Line::Setting { layer, settings: vec![("padding", "same".into())] };
            found.push(with(std::iter::once(same).chain(self.restored(&strided)).collect()));
        }
        found.push(with(vec![]));
        found
    }

    /// The mask of windows that are padded at the ends: one position for each window.
    fn strided(&self, mask: &Expr) -> Option<Expr> {
        let size = |key: &str| {
            let setting = self.setting(key)?;
            setting.as_i64().or_else(|| setting.as_array()?.first()?.as_i64())
        };
        let strides = match self.class() {
            "MaxPooling1D" | "AveragePooling1D" => size("strides").or(size("pool_size")).unwrap_or(2),
            "Conv1D" | "DepthwiseConv1D" | "SeparableConv1D" => size("strides").unwrap_or(1),
            _ => return None,
        };
        Some(match strides {
            1 => mask.clone(),
            strides => {
                let axes = vec![[None; 3], [None, None, Some(strides)]];
                Expr::Slice { of: Box::new(mask.clone()), axes }
            }
        })
    }
}

/// The equation of an `EinsumDense` without the letter of time.
fn one_letter_less(settings: &mut Settings) -> Option<()> {
    let equation = settings.get("equation")?.as_str()?.replace(' ', "");
    let (inputs, output) = equation.split_once("->")?;
    let (x, kernel) = inputs.split_once(',')?;
    let time = x.chars().nth(1).filter(|letter| letter.is_alphabetic() && !kernel.contains(*letter))?;
    (output.chars().nth(1) == Some(time)).then_some(())?;
    let without = |letters: &str| letters.replacen(time, "", 1);
    settings.insert("equation".into(), format!("{},{kernel}->{}", without(x), without(output)).into());
    if let Some(Json::Array(shape)) = settings.get_mut("output_shape") {
        shape.remove(0);
    }
    Some(())
}
