//! `.h5` files that hold a whole model: the config as an attribute, the weights below `model_weights`. Keras 2 wrote
//! them by default; Keras 3 still can, and cannot read its own back if the model has a mask.

use std::sync::Arc;

use super::flatten::flatten;
use super::hdf5::{Hdf5Weights, Weights};
use super::json::{self, ConfigText};
use super::keras::{self, Dialect};
use super::weights::{WeightError, WeightSource, units};
use super::{Descriptions, Problem, RawModel, version};

/// The group with the layers' weights.
pub(super) const WEIGHTS: &str = "model_weights";

/// What every HDF5 file begins with.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Is it an HDF5 file, whatever its name says?
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Reads a whole model; the weights stay where they are until they are asked for.
pub(super) fn read(bytes: Arc<[u8]>, known: &Descriptions) -> Result<(RawModel, WeightSource), Problem> {
    let unreadable = |error| Problem::Weights(WeightError::File(Box::new(error)));
    let file = Hdf5Weights::open(Arc::clone(&bytes)).map_err(unreadable)?;
    let Some(text) = file.string_attribute("", "model_config").map_err(unreadable)? else {
        let by_position = file.string_list_attribute("", "layer_names").map_err(unreadable)?.is_some();
        let by_group = ["layers", "_layer_checkpoint_dependencies"]
            .into_iter()
            .any(|group| file.groups().binary_search(&group).is_ok());
        return Err(if by_position || by_group { Problem::WeightsAlone } else { Problem::NoConfig });
    };
    let config = ConfigText::parse("model_config", text.as_bytes())?;
    let dialect = match file.string_attribute("", "keras_version").map_err(unreadable)? {
        Some(version) => match version::dialect(&version)? {
            Dialect::Keras2 => Dialect::Keras2,
            _ => Dialect::Keras3WithoutModules,
        },
        // Nobody but Keras 2 and its forerunners leaves it out.
        None => Dialect::Keras2,
    };
    let mut nested = keras::read(&config, dialect)?;
    known.expand(&mut nested)?;
    if let Some(text) = file.string_attribute("", "training_config").map_err(unreadable)? {
        nested.compiled = json::parse("training_config", text.as_bytes())?;
    }
    let mut weights = WeightSource::by_position(bytes, WEIGHTS, units(&nested));
    let raw = flatten(nested)?;
    weights.learn_from_settings(&raw)?;
    Ok((raw, weights))
}
