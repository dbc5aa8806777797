//! `masque diff A B`, `masque diff A`

use std::path::Path;
use std::process::ExitCode;

use masque::Inferred;
use masque::compare::{compare, report};
use masque::picture::{self, Picture, dot, page, svg};
use masque_ir::facts::MaskSource;
use serde_json::json;

use crate::args::{Common, Diff, DiffFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Diff, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let infer = |model: &Path, masks: MaskSource| -> Result<Inferred, Failure> {
        Ok(commands::open(model, common, terminal)?.infer_masks(masks)?)
    };
    let asked = common.mask_source();
    let (before, after) = match &arguments.after {
        Some(after) => (infer(&arguments.before, asked)?, infer(after, asked)?),
        None => {
            (infer(&arguments.before, MaskSource::Keras)?, infer(&arguments.before, MaskSource::Intended)?)
        }
    };
    let changes = compare(&before, &after);
    match arguments.format {
        DiffFormat::Json => commands::print_json(&json!({ "changes": changes }))?,
        DiffFormat::Text => commands::print(&report(&changes, terminal.styles_output()))?,
        DiffFormat::Dot | DiffFormat::Svg | DiffFormat::Html => {
            let picture = |inferred: &Inferred| -> Result<Picture, Failure> {
                Ok(picture::of_model(inferred, &[], &inferred.padding()?))
            };
            let both = picture::of_difference(&picture(&before)?, &picture(&after)?, &changes);
            commands::print(&match arguments.format {
                DiffFormat::Dot => dot::write(&both),
                DiffFormat::Html => page::write_difference((&before, &after), &both, &changes)?,
                _ => svg::draw(&both),
            })?;
        }
    }
    if changes.is_empty() {
        terminal.inform("the same calls, and the same masks");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(1))
}
