//! `masque layers`

use std::process::ExitCode;

use masque::layers::LAYERS;
use serde_json::json;

use crate::args::{Layers, TableFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Layers, _: &Terminal) -> Result<ExitCode, Failure> {
    let rows: Vec<[String; 3]> = LAYERS
        .iter()
        .map(|def| [def.class.to_owned(), def.supports_masking.to_string(), def.masks.to_owned()])
        .collect();
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
