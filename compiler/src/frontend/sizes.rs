//! Symbols for the sizes that a file leaves open, and the batch sizes that it names.

use std::collections::HashMap;

use masque_ir::Dim;
use petgraph::unionfind::UnionFind;
use serde_json::{Map, Value as Json};

use super::{RawLayer, RawModel};
use crate::layer::ConfigError;

/// The batch of one input as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputBatch {
    /// The input's place among the layers.
    pub(crate) layer: usize,
    /// The symbol of a batch of any size: the same for inputs that meet.
    pub(crate) symbol: String,
    /// The size that the file names. Keras writes down the size of the first batch that a model was fitted on, and
    /// takes other sizes all the same.
    pub(crate) named: Option<i64>,
}

/// Hands out symbols for sizes that are unknown until the model runs: `B` for the batch, `T`, `T2`, … for others.
///
/// Inputs that never meet are batches of their own (`B2`, …): nothing asks them to be of one size.
pub(super) struct Symbols {
    given: u32,
    /// By input: the number of its part of the model, from 1.
    parts: HashMap<String, usize>,
    batches: Vec<InputBatch>,
}

impl Symbols {
    pub(super) fn new(raw: &RawModel) -> Symbols {
        if raw.layers.iter().filter(|layer| layer.class == "InputLayer").count() < 2 {
            return Symbols { given: 0, parts: HashMap::new(), batches: vec![] };
        }
        let places: HashMap<&str, usize> =
            raw.layers.iter().enumerate().map(|(place, layer)| (layer.name.as_str(), place)).collect();
        let mut meets = UnionFind::new(raw.layers.len());
        for (place, layer) in raw.layers.iter().enumerate() {
            let mut reads = vec![];
            layer.calls.iter().flatten().for_each(|(_, argument)| argument.visit(&mut reads));
            for read in reads.into_iter().filter_map(|tensor| places.get(tensor.layer.as_str())) {
                meets.union(place, *read);
            }
        }
        let (mut parts, mut seen) = (HashMap::new(), HashMap::new());
        for (place, layer) in raw.layers.iter().enumerate().filter(|(_, layer)| layer.class == "InputLayer") {
            let next = seen.len() + 1;
            let number = *seen.entry(meets.find(place)).or_insert(next);
            parts.insert(layer.name.clone(), number);
        }
        Symbols { given: 0, parts, batches: vec![] }
    }

    fn batch(&self, input: &str) -> String {
        match self.parts.get(input) {
            Some(part @ 2..) => format!("{}{part}", Dim::BATCH),
            _ => Dim::BATCH.to_owned(),
        }
    }

    /// The batches of the inputs whose shapes were named.
    pub(super) fn batches(self) -> Vec<InputBatch> {
        self.batches
    }

    fn next(&mut self) -> Json {
        self.given += 1;
        if self.given == 1 { "T".into() } else { format!("T{}", self.given).into() }
    }

    /// Gives names to the unknown sizes that a layer's settings speak of. `place` is the layer's.
    pub(super) fn name_sizes(
        &mut self,
        place: usize,
        layer: &RawLayer,
        settings: &mut Map<String, Json>,
    ) -> Result<(), ConfigError> {
        let unset = |settings: &Map<String, Json>, key: &str| settings.get(key).is_none_or(Json::is_null);
        match layer.class.as_str() {
            "InputLayer" => {
                if let Some(shape) = settings.remove("batch_shape") {
                    let named = self.name_shape(&layer.name, &shape)?;
                    if let Some(first) = shape.get(0) {
                        let (symbol, named) = (self.batch(&layer.name), first.as_i64());
                        self.batches.push(InputBatch { layer: place, symbol, named });
                    }
                    settings.insert("shape".into(), named);
                }
            }
            "TextVectorization" if unset(settings, "output_sequence_length") && unset(settings, "length") => {
                let counts = settings.get("output_mode").is_some_and(|mode| !mode.is_null() && mode != "int");
                if !counts {
                    let symbol = self.next();
                    settings.insert("length".into(), symbol);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn name_shape(&mut self, input: &str, shape: &Json) -> Result<Json, ConfigError> {
        let expected = "a list of sizes, or null where a size is not known";
        let sizes = shape.as_array().ok_or_else(|| ConfigError::new("batch_shape", expected, shape))?;
        let name = |(axis, size): (usize, &Json)| match size {
            Json::Null if axis == 0 => Ok(self.batch(input).into()),
            Json::Null => Ok(self.next()),
            size if size.as_i64().is_some_and(|size| size >= 0) => Ok(size.clone()),
            _ => Err(ConfigError::new("batch_shape", expected, shape)),
        };
        sizes.iter().enumerate().map(name).collect()
    }
}
