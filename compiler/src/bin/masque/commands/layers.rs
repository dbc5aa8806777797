//! `masque layers`

use std::process::ExitCode;

use masque::frontend::{LIBRARIES, Library};
use masque::layer::{self, LayerDef};
use masque::layers::{self, LAYERS};
use masque_ir::described::{Description, Meaning, OwnMasks};
use serde_json::json;

use crate::args::{Layers, TableFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Layers, _: &Terminal) -> Result<ExitCode, Failure> {
    let known = LAYERS.iter().map(|def| row(def));
    let described = LIBRARIES.iter().flat_map(Library::descriptions);
    let mut rows: Vec<[String; 3]> = known.chain(described.map(|known| described_row(&known))).collect();
    if let Some(name) = &arguments.name {
        rows = vec![one(&rows, name)?];
    }
    const HEADER: [&str; 3] = ["layer", "supports_masking", "mask of the outputs"];
    match arguments.format {
        TableFormat::Json => {
            let row = |[layer, supports, masks]: &[String; 3]| json!({ "layer": layer, "supports_masking": supports, "mask_rule": masks });
            commands::print_json(&rows.iter().map(row).collect::<Vec<_>>())?;
        }
        TableFormat::Text => commands::print(&masque::table::align(&HEADER, &rows))?,
        TableFormat::Table if arguments.name.is_some() => {
            rows.iter().try_for_each(|row| commands::print(&told(row)))?;
        }
        TableFormat::Table => commands::print(&commands::masks::drawn_within(&HEADER, &rows, WIDTH))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The width of the table, in columns.
const WIDTH: u16 = 100;

/// So many names are suggested for one that is not known.
const SUGGESTED: usize = 8;

/// The row of a class, whose library may be left out.
fn one(rows: &[[String; 3]], name: &str) -> Result<[String; 3], Failure> {
    let wanted = name.to_lowercase();
    let matches = |whole: &str, other: &str| whole == other || whole.rsplit('>').next() == Some(other);
    let exact = rows.iter().find(|[class, ..]| matches(class, name));
    let found = exact.or_else(|| rows.iter().find(|[class, ..]| matches(&class.to_lowercase(), &wanted)));
    if let Some(row) = found {
        return Ok(row.clone());
    }
    let like = rows.iter().filter(|[class, ..]| class.to_lowercase().contains(&wanted));
    let like: Vec<&str> = like.take(SUGGESTED).map(|[class, ..]| class.as_str()).collect();
    let like = if like.is_empty() { String::new() } else { format!(", or {}", like.join(", ")) };
    Err(Failure::Other(format!("unknown layer `{name}`: expected a class that `masque layers` lists{like}")))
}

/// A row as lines, with the meaning of its words.
fn told([class, supports, masks]: &[String; 3]) -> String {
    let words = masks.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<&str> = words.collect();
    let meanings = layer::MASK_WORDS.iter().filter(|(word, _)| words.contains(word));
    let meanings: Vec<String> = meanings.map(|(word, meaning)| format!("  {word}: {meaning}\n")).collect();
    format!("{class}\nsupports masking: {supports}\nmask of the outputs: {masks}\n{}", meanings.concat())
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
