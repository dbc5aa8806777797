//! `masque layers`

use std::process::ExitCode;

use masque::frontend::{LIBRARIES, Library};
use masque::layer::LayerDef;
use masque::layers::{self, LAYERS};
use masque_ir::described::{Description, Meaning, OwnMasks};
use serde_json::json;

use crate::args::{Layers, TableFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Layers, _: &Terminal) -> Result<ExitCode, Failure> {
    let known = LAYERS.iter().map(|def| row(def));
    let described = LIBRARIES.iter().flat_map(Library::descriptions);
    let rows: Vec<[String; 3]> = known.chain(described.map(|known| described_row(&known))).collect();
    const HEADER: [&str; 3] = ["layer", "supports_masking", "mask of the outputs"];
    match arguments.format {
        TableFormat::Json => {
            let row = |[layer, supports, masks]: &[String; 3]| json!({ "layer": layer, "supports_masking": supports, "mask_rule": masks });
            commands::print_json(&rows.iter().map(row).collect::<Vec<_>>())?;
        }
        TableFormat::Text => commands::print(&masque::table::align(&HEADER, &rows))?,
        TableFormat::Table => commands::print(&commands::masks::drawn(&HEADER, &rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn row(def: &LayerDef) -> [String; 3] {
    [def.class.to_owned(), def.supports_masking.to_string(), def.masks.to_owned()]
}

/// The row of a layer that is described.
fn described_row(known: &Description) -> [String; 3] {
    let (supports, masks) = match &known.meaning {
        Meaning::Same(class) => {
            let same = layers::find(class).map(row).unwrap_or_default();
            return [known.class.clone(), same[1].clone(), format!("described: {}", same[2])];
        }
        Meaning::Body(body) => match body.masks {
            OwnMasks::Lost => ("no", "lost"),
            OwnMasks::Keep => ("yes", "keep"),
            OwnMasks::Ends => ("yes", "ends"),
            OwnMasks::Given(_) => ("yes", "computed"),
        },
    };
    [known.class.clone(), supports.to_owned(), format!("described: {masks}")]
}
