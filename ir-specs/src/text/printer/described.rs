//! Descriptions of layers.

use super::layers::{calls_and, tensor};
use super::{Writer, settings, word};
use crate::described::{Description, OwnMasks};

/// The text of some descriptions.
pub(crate) fn descriptions(descriptions: &[Description]) -> String {
    let mut writer = Writer::default();
    writer.line("masque 1 described");
    for description in descriptions {
        writer.blank();
        let own = settings(&description.settings);
        writer.line(&format!("describe {}{own} body {{", word(&description.class)));
        writer.indent += 1;
        let masks = match &description.masks {
            OwnMasks::Lost => None,
            OwnMasks::Keep => Some("masks keep".to_owned()),
            OwnMasks::Ends => Some("masks ends".to_owned()),
            OwnMasks::Given(given) => {
                let given: Vec<String> = given
                    .iter()
                    .map(|mask| mask.map_or("-".to_owned(), |mask| tensor(&description.body, mask)))
                    .collect();
                Some(format!("masks {}", given.join(", ")))
            }
        };
        calls_and(&mut writer, &description.body, masks.as_deref(), |_| String::new());
        writer.indent -= 1;
        writer.line("}");
    }
    writer.text
}
