//! Custom layers in Rust: a model whose file holds two classes that are not of Keras is opened with a registry of
//! theirs, checked, compiled and run. `cargo run --example own_layers`; the same classes in Python are in
//! `own_layers/make.py`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::process::ExitCode;

use masque::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, MaskRule, Masking, Registry, Scope, ShapeError,
    Signature, WeightSpec, infer_by_lowering,
};
use masque::session::{self, CompiledModel, RunOptions, Tensor};
use masque::{Inferred, Model, OpenOptions, table};
use masque_ir::activation::Activation;
use masque_ir::ops::{self, Elementwise, OpError, Reduce};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use ndarray::arr2;

/// `x + scale * gate(x) * value(x)`, step by step: masks go through it.
#[derive(Debug)]
struct GatedResidual {
    scale: f64,
}

impl GatedResidual {
    /// Reads the settings. What is left in the config is refused by name.
    fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
        Ok(Box::new(GatedResidual { scale: config.number("scale", 1.0)? }))
    }
}

/// One of the two `Dense` layers inside.
fn dense(scope: &mut Scope<'_>, name: &str, x: &Operand, activation: Activation) -> Result<Operand, OpError> {
    let scope = &mut scope.inside(name);
    let (kernel, bias) = (scope.weight("kernel"), scope.weight("bias"));
    scope.emit(ops::Dense::Dense { activation }, &[x, &kernel, &bias])
}

impl Layer for GatedResidual {
    /// Keras' `supports_masking = True`: the mask of the input is the mask of the output.
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        features(arguments).map(|(x, _)| vec![x.with_dtype(DType::F32)])
    }

    /// The weights are in the groups that Keras names after the attributes `gate` and `value`.
    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let size = features(arguments)?.1;
        let of = |name: &str| {
            let kernel = WeightSpec::new("kernel", "vars/0", [size, size]);
            [kernel, WeightSpec::new("bias", "vars/1", [size])].map(|weight| weight.inside(name, name))
        };
        Ok([of("gate"), of("value")].concat())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let gate = dense(scope, "gate", &x, Activation::Sigmoid)?;
        let value = dense(scope, "value", &x, Activation::Tanh)?;
        let gate = scope.with(Elementwise::Mul, &gate, self.scale)?;
        let gated = scope.emit(Elementwise::Mul, &[&gate, &value])?;
        Ok(vec![scope.emit(Elementwise::Add, &[&x, &gated])?])
    }
}

/// The mean over time, in which each step has a weight between 0 and 1 and padding has none.
#[derive(Debug)]
struct WeightedMean;

impl Layer for WeightedMean {
    /// `call(self, x, mask=None)`: the mask comes by itself.
    fn signature(&self) -> Signature {
        Signature::of(&["x", "mask"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    /// `compute_mask` gives `None`: the mask was used, and the output has no steps.
    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        MaskRule::Ends.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        features(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        Ok(vec![WeightSpec::new("kernel", "vars/0", [features(arguments)?.1, 1])])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let sigmoid = ops::Dense::Dense { activation: Activation::Sigmoid };
        let kernel = scope.weight("kernel");
        let mut weights = scope.emit(sigmoid, &[&x, &kernel, &Operand::Absent])?;
        if let Some(mask) = arguments.mask() {
            let mask = scope.cast(mask, DType::Bool)?;
            let (mask, zero) = (scope.builder.trail_axes(&mask, 3)?, scope.builder.number(&weights, 0.0));
            weights = scope.emit(Elementwise::Select, &[&mask, &weights, &zero])?;
        }
        let weighted = scope.emit(Elementwise::Mul, &[&weights, &x])?;
        let over_steps = || Reduce::Sum { axes: vec![1], keep: false };
        let (sum, weight) = (scope.emit(over_steps(), &[&weighted])?, scope.emit(over_steps(), &[&weights])?);
        let weight = scope.with(Elementwise::Max, &weight, 1e-6)?;
        Ok(vec![scope.emit(Elementwise::Div, &[&sum, &weight])?])
    }
}

/// Sequences and the number of their features.
fn features(arguments: &Arguments<Type>) -> Result<(&Type, i64), ShapeError> {
    let expected = "numbers [batch, steps, features], features known";
    let x = arguments.first().ok_or_else(|| ShapeError::new(expected, "nothing"))?;
    match x.shape.last().and_then(Dim::known) {
        Some(size) if x.rank() == 3 && x.dtype != DType::Str => Ok((x, size)),
        _ => Err(ShapeError::new(expected, x)),
    }
}

/// How the model is opened: its custom layers by class, as the file has it.
fn options() -> OpenOptions {
    let registry = Registry::new()
        .with("example>GatedResidual", GatedResidual::parse)
        .with("example>WeightedMean", |_| Ok(Box::new(WeightedMean)));
    OpenOptions { registry, ..OpenOptions::default() }
}

fn open() -> Result<Inferred, masque::Error> {
    Model::open_with(masque_examples::own_layers("model.keras"), &options())?.infer()
}

fn run() -> Result<(), Box<dyn Error>> {
    let model = open()?;
    print!("{}", table::text(model.graph()));
    for finding in model.findings(Default::default()) {
        println!("{}", finding.message);
    }
    let planned = session::compile(model, Default::default(), |_| ())?;
    let ids = Tensor::from(arr2(&[[3, 14, 15, 9, 2], [6, 5, 0, 0, 0]]).into_dyn());
    let answer = CompiledModel::new("model.keras", planned).run(&[("ids", ids)], RunOptions::default())?;
    println!("{:.4}", answer.outputs[0].1.as_f32().ok_or("the scores are no f32")?);
    Ok(())
}

fn main() -> ExitCode {
    masque_examples::finish(run())
}

#[cfg(test)]
mod tests {
    use masque::frontend::builder::ModelBuilder;
    use masque_ir::text::print_layers;
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn the_numbers_are_those_of_keras() -> Result<(), Box<dyn Error>> {
        let expected = std::fs::read_to_string(masque_examples::own_layers("expected.json"))?;
        let expected: Json = serde_json::from_str(&expected)?;
        let ids: Vec<[i32; 5]> = serde_json::from_value(expected["ids"].clone())?;
        let scores: Vec<[f32; 3]> = serde_json::from_value(expected["scores"].clone())?;
        let planned = session::compile(open()?, Default::default(), |_| ())?;
        let ids = Tensor::from(arr2(&ids).into_dyn());
        let answer =
            CompiledModel::new("model.keras", planned).run(&[("ids", ids)], RunOptions::default())?;
        let answer = answer.outputs[0].1.as_f32().ok_or("floats")?;
        for (found, expected) in answer.iter().zip(scores.iter().flatten()) {
            assert!((found - expected).abs() <= 1e-5 + 1e-4 * expected.abs(), "{found} is not {expected}");
        }
        assert_eq!(answer.len(), 9);
        Ok(())
    }

    #[test]
    fn masks_go_where_the_layers_say_and_no_padding_is_read() -> Result<(), masque::Error> {
        let model = open()?;
        assert_eq!(
            table::text(model.graph()),
            "\
call                    class                   output            status    mask
ids                     InputLayer              i32[B, T]         none
embedding               Embedding               f32[B, T, 6]      born      %ids != 0
first                   example>GatedResidual   f32[B, T, 6]      carried   %ids != 0
second                  example>GatedResidual   f32[B, T, 6]      \"
mean                    example>WeightedMean    f32[B, 6]         consumed  %ids != 0
scores                  Dense                   f32[B, 3]         none
"
        );
        assert_eq!(model.findings(Default::default()).len(), 0);
        assert_eq!(model.leaks(&model.padding()?).len(), 0);
        Ok(())
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let mut model = ModelBuilder::new("m");
        let x = model.input("x", "float32", &[None, Some(4)]);
        let y = model.layer("example>GatedResidual", "own", json!({"scale": 2, "depth": 3}), &[&x]);
        let refused = model.finish_with(&[&y], &options().registry).map(|_| ()).unwrap_err();
        let setting =
            "layer `own` (example>GatedResidual): setting `depth`: expected no such setting, found 3";
        assert!(refused.to_string().contains(setting), "{refused}");
    }

    #[test]
    fn a_dump_is_read_back_with_the_registry_alone() -> Result<(), Box<dyn Error>> {
        let model = open()?;
        let text = print_layers(&model.graph().graph);
        assert!(text.contains(r#"%first = "example>GatedResidual"(%embedding) {scale = 0.5}"#), "{text}");
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("model.mq");
        std::fs::write(&file, text)?;
        let again = Model::open_with(&file, &options())?.infer()?;
        assert_eq!(table::text(again.graph()), table::text(model.graph()));
        let refused = Model::open(&file).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("layer `first`: example>GatedResidual is a custom class"), "{refused}");
        Ok(())
    }

    #[test]
    fn a_layer_of_the_registry_is_known() -> Result<(), Box<dyn Error>> {
        let stated = OpenOptions { opaque: vec!["first=keep".parse()?], ..options() };
        let path = masque_examples::own_layers("model.keras");
        let refused = Model::open_with(path, &stated).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("all layers are known"), "{refused}");
        Ok(())
    }

    #[test]
    fn advice_is_tried_with_the_registry() -> Result<(), masque::Error> {
        let mut model = ModelBuilder::new("m");
        let ids = model.input("ids", "int32", &[Some(4)]);
        let settings = json!({"input_dim": 9, "output_dim": 3, "mask_zero": true});
        let x = model.layer("Embedding", "embedding", settings, &[&ids]);
        let x = model.layer("example>GatedResidual", "own", json!({}), &[&x]);
        let y = model.layer("Flatten", "flatten", json!({}), &[&x]);
        let model = model.finish_with(&[&y], &options().registry)?.infer()?;
        let mut findings = model.findings(Default::default());
        model.advise(&mut findings);
        assert_eq!(findings.len(), 1);
        assert!(!findings[0].advice.is_empty());
        Ok(())
    }
}
