//! `masque summary MODEL`

use std::process::ExitCode;

use masque::summary::{Summary, of_model};
use masque::table;
use masque_ir::dim::Bindings;

use crate::args::{Common, Summary as Arguments, TableFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Arguments, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let sizes = sizes(&arguments.shape)?;
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let summary = of_model(&inferred, &sizes)?;
    match arguments.format {
        TableFormat::Json => commands::print_json(&summary)?,
        TableFormat::Text => commands::print(&table::align(&Summary::HEADER, &summary.cells()))?,
        TableFormat::Table => commands::print(&commands::masks::drawn(&Summary::HEADER, &summary.cells()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `B=32,T=128` as sizes by symbol.
fn sizes(shape: &[String]) -> Result<Bindings, Failure> {
    let size = |text: &String| {
        let (name, number) = text.split_once('=')?;
        let number: i64 = number.trim().parse().ok().filter(|&number| number >= 0)?;
        Some((name.trim().into(), number))
    };
    let named = shape.iter().map(|text| {
        size(text).ok_or_else(|| {
            Failure::Other(format!("--shape {text}: expected sizes by name, such as B=32,T=128,N=1024"))
        })
    });
    named.collect()
}
