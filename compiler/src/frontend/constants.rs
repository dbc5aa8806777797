//! Arrays among the arguments of a call.
//!
//! Wherever Keras takes a tensor, an array is one too. It becomes the result of a call of its own, here and nowhere
//! else, so that no layer has to know the difference.

use serde_json::{Map, Value as Json};

use super::{Origin, RawArgument, RawLayer, RawTensor};

/// Operations whose second argument names positions or shares rather than data; they read it themselves.
const READ_SECOND: &[&str] =
    &["ops.GetItem", "ops.Nanpercentile", "ops.Nanquantile", "ops.Percentile", "ops.Quantile", "ops.Take"];

/// An array, or a number, with its element type beside it, as Keras 3 writes it.
pub(super) fn is_array(value: &Json) -> bool {
    matches!(value.get("class_name").and_then(Json::as_str), Some("__numpy__" | "__tensor__"))
}

/// Puts tensors in the place of all arrays that are passed to a layer. Gives the layers that make them.
pub(super) fn lift(layer: &mut RawLayer) -> Vec<RawLayer> {
    let mut lifting = Lifting { made: vec![], reader: layer.name.clone(), pointer: layer.pointer.clone() };
    let is_operation = layer.class.starts_with("ops.");
    let reads_second = READ_SECOND.contains(&layer.class.as_str());
    for call in &mut layer.calls {
        let data = if reads_second { 1 } else { call.len() };
        for (keyword, argument) in call.iter_mut().take(data) {
            // Keras 2 writes arrays as lists. A layer's keyword may be anything that the layer asks for.
            let lists = is_operation || keyword.is_none();
            lifting.argument(keyword.as_deref(), argument, lists);
        }
    }
    lifting.made
}

/// The layers made for the arrays of one layer's calls.
struct Lifting {
    made: Vec<RawLayer>,
    reader: String,
    pointer: String,
}

impl Lifting {
    fn argument(&mut self, keyword: Option<&str>, argument: &mut RawArgument, lists: bool) {
        match argument {
            RawArgument::List(items) => {
                for item in items {
                    let number = matches!(item, RawArgument::Constant(Json::Bool(_) | Json::Number(_)));
                    if number {
                        self.lift(keyword, item);
                    } else {
                        self.argument(keyword, item, true);
                    }
                }
            }
            RawArgument::Constant(value) if is_array(value) || lists && value.is_array() => {
                self.lift(keyword, argument);
            }
            RawArgument::Constant(_) | RawArgument::Tensor(_) => {}
        }
    }

    fn lift(&mut self, keyword: Option<&str>, argument: &mut RawArgument) {
        let number = if self.made.is_empty() { String::new() } else { format!(".{}", self.made.len() + 1) };
        let name = format!("{}/{}{number}", self.reader, keyword.unwrap_or("array"));
        let tensor = RawArgument::Tensor(RawTensor { layer: name.clone(), call: 0, output: 0 });
        if let RawArgument::Constant(array) = std::mem::replace(argument, tensor) {
            self.made.push(RawLayer {
                name,
                class: "ops.Constant".to_owned(),
                settings: Map::from_iter([("array".to_owned(), array)]),
                calls: vec![vec![]],
                pointer: self.pointer.clone(),
                nested: None,
                origin: Origin::default(),
            });
        }
    }
}
