//! Which layer a class finds, and layers that do not do what they say.

use masque_ir::Type;
use masque_ir::ops::{OpError, Reduce};
use masque_ir::program::Operand;
use serde_json::{Value as Json, json};

use super::Registry;
use crate::frontend::builder::ModelBuilder;
use crate::layer::{Arguments, Config, ConfigError, Constants, Layer, Scope, ShapeError};
use crate::{Error, Lowered, Options};

/// What a layer computes of one tensor.
type Make = fn(&mut Scope<'_>, &Operand) -> Result<Vec<Operand>, OpError>;

/// A layer that gives its input, and says so.
#[derive(Debug)]
struct Own {
    outputs: u32,
    /// What is given in place of the input.
    instead: Option<Make>,
}

impl Layer for Own {
    fn outputs(&self, _: &Constants) -> u32 {
        self.outputs
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        Ok(arguments.data()[..self.outputs.min(1) as usize].to_vec())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        match self.instead {
            Some(instead) => instead(scope, &arguments.data()[0]),
            None => Ok(arguments.data().to_vec()),
        }
    }
}

fn own(_: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(Own { outputs: 1, instead: None }))
}

/// A model of one layer of that class on numbers `[B, 4]`.
fn lowered(class: &str, registry: &Registry) -> Result<Lowered, Error> {
    let mut model = ModelBuilder::new("m");
    let x = model.input("x", "float32", &[Some(4)]);
    let y = model.layer(class, "own", json!({}), &[&x]);
    model.finish_with(&[&y], registry)?.infer()?.lower(Options::default())
}

fn refusal(class: &str, registry: &Registry) -> String {
    lowered(class, registry).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_class_is_found_by_its_whole_name_or_in_any_package() {
    let of = |class: &str| Registry::new().with(class, own);
    assert!(lowered("a>Own", &of("a>Own")).is_ok());
    assert!(lowered("a>Own", &of("Own")).is_ok());
    assert!(lowered("__main__.Own", &of("Own")).is_ok());
    assert!(refusal("b>Own", &of("a>Own")).contains("b>Own is a custom class"));
    let refused = |_: &mut Config| Err(ConfigError::new("own", "the other layer", &json!(1)));
    let both = of("Own").with("a>Own", refused);
    assert!(lowered("b>Own", &both).is_ok());
    assert!(refusal("a>Own", &both).contains("the other layer"));
}

#[test]
fn classes_of_keras_stay_what_they_are() {
    let registry = Registry::new().with("Dense", own).with("ops.Own", own);
    assert!(refusal("Dense", &registry).contains("`units`"));
    assert!(refusal("ops.Own", &registry).contains("unknown class ops.Own"));
}

#[test]
fn a_layer_in_a_wrapper_is_found_as_well() {
    let inside = |layer: Json, registry: &Registry| {
        let mut model = ModelBuilder::new("m");
        let x = model.input("x", "float32", &[None, Some(4)]);
        let y = model.layer("TimeDistributed", "around", json!({"layer": layer}), &[&x]);
        let lowered = model.finish_with(&[&y], registry)?.infer()?.lower(Options::default())?;
        Ok::<_, Error>(lowered.program().output_types()[0].to_string())
    };
    let registry = Registry::new().with("a>Own", own);
    let entry = |class: &str, registered: Json| json!({"module": null, "class_name": class, "registered_name": registered, "config": {"units": 3}});
    let entry_of_own = json!({"class_name": "a>Own", "config": {}});
    assert_eq!(inside(entry_of_own, &registry).unwrap(), "f32[B, T, 4]");
    assert_eq!(inside(entry("Dense", json!(null)), &registry).unwrap(), "f32[B, T, 3]");
    let refused = inside(entry("Own", json!("a>Own")), &registry).unwrap_err().to_string();
    assert!(refused.contains("`units`: expected no such setting"), "{refused}");
    // It has the name of a class of Keras and is none.
    let refused = inside(entry("Dense", json!("a>Dense")), &registry).unwrap_err().to_string();
    assert!(refused.contains("found \"a>Dense\""), "{refused}");
}

#[test]
fn a_layer_that_gives_another_tensor_than_it_says_is_refused() {
    let fewer = Registry::new().with("Own", |_| {
        let sum = |scope: &mut Scope<'_>, x: &Operand| {
            Ok(vec![scope.emit(Reduce::Sum { axes: vec![1], keep: false }, &[x])?])
        };
        Ok(Box::new(Own { outputs: 1, instead: Some(sum) }))
    });
    let said = "`lower` expects f32[B, 4], as the layer's own rule for types says, found f32[B]; this is a mistake in the \
                code of this layer";
    assert!(refusal("Own", &fewer).contains(said), "{}", refusal("Own", &fewer));
    let none =
        Registry::new().with("Own", |_| Ok(Box::new(Own { outputs: 1, instead: Some(|_, _| Ok(vec![])) })));
    assert!(refusal("Own", &none).contains("found no tensor"));
    let without = Registry::new().with("Own", |_| Ok(Box::new(Own { outputs: 0, instead: None })));
    assert!(refusal("Own", &without).contains("the call has 0 output(s)"));
    let two = Registry::new().with("Own", |_| Ok(Box::new(Own { outputs: 2, instead: None })));
    assert!(refusal("Own", &two).contains("expected 2 outputs, found 1"));
}
