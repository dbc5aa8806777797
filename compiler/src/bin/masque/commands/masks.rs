//! `masque masks MODEL`

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use masque::diagnostics::{Code, UnsupportedMask};
use masque::diff::{self, Change};
use masque::renumber::renumbered;
use masque::table;
use masque::{Inferred, Model};
use masque_ir::facts::MaskStatus;
use masque_runtime::io::Kind;

use crate::args::{Common, Masks, TableFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Masks, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let (Some(file), true) = (&arguments.check, arguments.bless) {
        let mut targets = commands::targets(&arguments.model, common, arguments.force);
        targets.write(file, Kind::MaskTable).check()?;
    }
    let model = commands::open(&arguments.model, common, terminal)?;
    let model = match arguments.by_structure {
        true => Model::of_graph(&renumbered(model.graph()).map_err(|error| {
            Failure::Other(format!("{}: --by-structure: {error}", arguments.model.display()))
        })?)?,
        false => model,
    };
    let inferred = model.infer_masks(common.mask_source())?;
    if arguments.distinct {
        return distinct(&inferred, arguments.format);
    }
    if let Some(file) = &arguments.check {
        return check(&arguments.model, file, &table::text(inferred.graph()), arguments.bless, terminal);
    }
    let rows = table::rows(inferred.graph());
    let mut misfits = inferred.diagnostics(UnsupportedMask::Drop);
    inferred.advise(&mut misfits);
    terminal.findings(&arguments.model.display().to_string(), inferred.graph(), &misfits);
    match arguments.format {
        TableFormat::Json => commands::print_json(&rows)?,
        TableFormat::Text => commands::print(&table::text(inferred.graph()))?,
        TableFormat::Table => {
            let shown = rows.iter().filter(|row| !row.plumbing);
            let cells: Vec<[String; 5]> = shown.map(table::signed_cells).collect();
            let table = drawn(&table::HEADER, &cells);
            commands::print(&if terminal.styles_output() { coloured(&table) } else { table })?;
            legend(&rows, terminal);
            if rows.iter().all(|row| !row.mask_in.contains(&true) && !row.mask_out.contains(&true)) {
                commands::print(&format!("{}\n", commands::check::NOTHING_KNOWN))?;
            }
            let left_out = rows.len() - cells.len();
            if left_out > 0 {
                terminal.inform(&format!(
                    "left out: {left_out} calls that only build masks (--format json has them)"
                ));
            }
            let findings = inferred.diagnostics(common.on_unsupported_mask.into());
            let findings = findings.iter().filter(|finding| finding.code == Code::MaskUnsupported).count();
            if findings > 0 {
                terminal.inform(&format!(
                    "{findings} of them get a mask that they do not support: see `masque check`"
                ));
            }
        }
    }
    inferred.require_stated()?;
    Ok(if misfits.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The table with the signs of masks, and the words behind them, in colours.
fn coloured(table: &str) -> String {
    let mut table = table.to_owned();
    for (status, colour) in COLOURS {
        let plain = format!("{} {status}", table::sign(status));
        table = table.replace(&plain, &format!("\x1b[{colour}m{plain}\x1b[0m"));
    }
    table
}

/// Green where a mask begins, blue where it is used, yellow where it is another, red where it is lost.
const COLOURS: [(MaskStatus, &str); 5] = [
    (MaskStatus::Born, "32"),
    (MaskStatus::Changed, "33"),
    (MaskStatus::Consumed, "34"),
    (MaskStatus::Dropped, "1;31"),
    (MaskStatus::Unknown, "35"),
];

/// What the signs in the table mean: those that are there.
fn legend(rows: &[table::Row], terminal: &Terminal) {
    let meaning = |status: MaskStatus| match status {
        MaskStatus::None => "there is none",
        MaskStatus::Born => "the call makes a mask",
        MaskStatus::Carried => "passes it on",
        MaskStatus::Changed => "passes on another",
        MaskStatus::Consumed => "uses it, and gives what needs none",
        MaskStatus::Dropped => "loses it, and what follows takes padding for data",
        MaskStatus::Unknown => "a layer that is not known: there may be a mask after it, or none",
    };
    for status in MaskStatus::ALL.into_iter().filter(|&status| status != MaskStatus::None) {
        if rows.iter().any(|row| !row.plumbing && row.status == status) {
            terminal.inform(&format!("{} {status}: {}", table::sign(status), meaning(status)));
        }
    }
}

/// Every mask once.
fn distinct(inferred: &Inferred, format: TableFormat) -> Result<ExitCode, Failure> {
    let masks = table::distinct(inferred.graph(), &inferred.mask_statics());
    match format {
        TableFormat::Json => commands::print_json(&masks)?,
        TableFormat::Text | TableFormat::Table => {
            let cells: Vec<[String; 6]> = masks.iter().map(table::DistinctMask::cells).collect();
            commands::print(&drawn(&table::DistinctMask::HEADER, &cells))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares the table with the committed one, or writes it.
fn check(
    model: &Path,
    file: &Path,
    table: &str,
    bless: bool,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let (model, name) = (model.display(), file.display());
    let fail = |error: std::io::Error| Failure::Other(format!("{name}: {error}"));
    let committed = match std::fs::read(file) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(_) if bless => None,
            Err(_) => return Err(Failure::Other(format!("{name}: not UTF-8 text"))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && bless => None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::Other(format!("{name}: there is no such file; --bless writes it")));
        }
        Err(error) => return Err(fail(error)),
    };
    let changes = diff::lines(committed.as_deref().unwrap_or_default(), table);
    let changed = changes.iter().filter(|change| !matches!(change, Change::Kept(_))).count();
    if changed == 0 {
        terminal.inform(&format!("{name}: the masks of {model}"));
        return Ok(ExitCode::SUCCESS);
    }
    if bless {
        masque_runtime::io::replace(file, |file| file.write_all(table.as_bytes())).map_err(fail)?;
        terminal.inform(&format!("{name}: written, {changed} lines changed"));
        return Ok(ExitCode::SUCCESS);
    }
    terminal.inform(&format!("the masks of {model} are not those of {name}: {changed} lines changed"));
    terminal.inform(&terminal.differences(&changes));
    terminal.inform("--bless accepts them");
    Ok(ExitCode::from(1))
}

/// A table with lines, as wide as it has to be.
pub(crate) fn drawn<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> String {
    lines_of(&filled(header, rows))
}

/// A table with lines, whose cells are wrapped to be at most so wide, all together; the first ones stay whole.
pub(crate) fn drawn_within<const N: usize>(header: &[&str; N], rows: &[[String; N]], width: u16) -> String {
    let mut table = filled(header, rows);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    lines_of(&table)
}

fn filled<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.to_vec());
    }
    table
}

fn lines_of(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}
