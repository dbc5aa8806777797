//! `.keras` archives: `metadata.json`, `config.json`, `model.weights.h5` and vocabulary assets in a zip file.

use masque_ir::Semantics;
use masque_runtime::zip::{Archive, Limits};
use serde_json::Value as Json;

use super::flatten::flatten;
use super::weights::{Vocabulary, WeightSource};
use super::{Problem, RawModel, json, keras};

/// Reads a whole archive; the weights stay in their own format until they are asked for.
pub(super) fn read(bytes: &[u8]) -> Result<(RawModel, WeightSource), Problem> {
    let archive = Archive::open(bytes, Limits::MODEL)?;
    let config = json::parse("config.json", &archive.read("config.json")?)?;
    let nested = keras::read(&config)?;
    let groups = super::weights::groups(&nested);
    let mut raw = flatten(nested);
    if archive.contains("metadata.json") {
        let metadata = json::parse("metadata.json", &archive.read("metadata.json")?)?;
        raw.semantics = semantics(&metadata)?;
    }
    let mut weights = match archive.contains(WEIGHTS) {
        true => WeightSource::keras(archive.read(WEIGHTS)?.into_owned(), groups.clone()),
        false => WeightSource::none(),
    };
    for (layer, group) in groups {
        let asset = format!("assets/{group}/vocabulary.txt");
        if archive.contains(&asset) {
            weights.learn(&layer, Vocabulary::from_asset(&asset, &archive.read(&asset)?)?);
        }
    }
    weights.learn_from_settings(&raw)?;
    Ok((raw, weights))
}

const WEIGHTS: &str = "model.weights.h5";

/// Whose rules the archive was written under: every Keras 3 is read as the one we know.
fn semantics(metadata: &Json) -> Result<Semantics, Problem> {
    let version = metadata.get("keras_version").and_then(Json::as_str).unwrap_or_default();
    match version.split('.').next() {
        Some("3") => Ok(Semantics::Keras3_15),
        _ => Err(Problem::Version { found: version.chars().take(40).collect() }),
    }
}
