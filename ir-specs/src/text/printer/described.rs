//! Descriptions of layers.

use super::layers::{calls_and, tensor};
use super::{Writer, settings, word};
use crate::described::{Body, Description, Meaning, OwnMasks};

/// The text of some descriptions.
pub(crate) fn descriptions(descriptions: &[Description]) -> String {
    let mut writer = Writer::default();
    writer.line("masque 1 described");
    for Description { class, meaning } in descriptions {
        writer.blank();
        match meaning {
            Meaning::Same(other) => {
                writer.line(&format!("describe {} as {}", word(class), word(other)));
            }
            Meaning::Body(body) => {
                writer.line(&format!("describe {}{} body {{", word(class), settings(&body.settings)));
                writer.indent += 1;
                calls_and(&mut writer, &body.graph, masks(body).as_deref(), |_| String::new());
                writer.indent -= 1;
                writer.line("}");
            }
        }
    }
    writer.text
}

fn masks(body: &Body) -> Option<String> {
    match &body.masks {
        OwnMasks::Lost => None,
        OwnMasks::Keep => Some("masks keep".to_owned()),
        OwnMasks::Ends => Some("masks ends".to_owned()),
        OwnMasks::Given(given) => {
            let given: Vec<String> = given
                .iter()
                .map(|mask| mask.map_or("-".to_owned(), |mask| tensor(&body.graph, mask)))
                .collect();
            Some(format!("masks {}", given.join(", ")))
        }
    }
}
