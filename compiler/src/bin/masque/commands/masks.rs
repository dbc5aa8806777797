//! `masque masks MODEL`

use std::process::ExitCode;

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use masque::table;

use crate::args::{Common, Masks, TableFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Masks, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let rows = table::rows(inferred.graph());
    match arguments.format {
        TableFormat::Json => commands::print_json(&rows)?,
        TableFormat::Text => commands::print(&table::text(&rows))?,
        TableFormat::Table => {
            let cells: Vec<[String; 5]> = rows.iter().map(table::cells).collect();
            commands::print(&drawn(&table::HEADER, &cells))?;
            let findings = inferred.diagnostics(common.on_unsupported_mask.into()).len();
            if findings > 0 {
                terminal.inform(&format!(
                    "{findings} of them get a mask that they do not support: see `masque check`"
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A table with lines.
pub(crate) fn drawn<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.to_vec());
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}
