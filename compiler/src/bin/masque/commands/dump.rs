//! `masque dump MODEL --stage STAGE --format FORMAT`

use std::fs::File;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use masque::picture::{self, Picture, dot, page, svg};
use masque::{Inferred, Options};
use masque_ir::layers::LayerGraph;
use masque_ir::program::Program;
use masque_ir::text::{ProgramStage, Stage, print_layers, print_masks, print_plan, print_program};

use crate::args::{Common, Dump, DumpFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Dump, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let model = commands::open(&arguments.model, common, terminal)?;
    if arguments.stage == Stage::Layers && arguments.format == DumpFormat::Text && !arguments.open {
        commands::print(&print_layers(model.graph()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut inferred = model.infer_masks(common.mask_source())?;
    inferred.load_weights()?;
    if arguments.open {
        return open(&page(inferred, common)?, terminal);
    }
    match (arguments.stage, arguments.format) {
        (_, DumpFormat::Html) => {
            commands::print(&page(inferred, common)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        (Stage::Masks, DumpFormat::Text) => {
            commands::print(&print_masks(inferred.graph()))?;
            return Ok(ExitCode::SUCCESS);
        }
        (Stage::Layers | Stage::Masks, _) => {
            let padding = inferred.padding()?;
            let mut findings = inferred.findings(common.on_unsupported_mask.into());
            findings.extend(inferred.leaks(&padding));
            draw(picture::of_model(&inferred, &findings, &padding), arguments)?;
            return Ok(ExitCode::SUCCESS);
        }
        (Stage::Plan, DumpFormat::Dot | DumpFormat::Svg) => {
            let message = "a plan has no picture: --stage packed draws what it computes";
            return Err(Failure::Other(message.to_owned()));
        }
        _ => {}
    }
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal) else {
        return Ok(ExitCode::from(1));
    };
    compiled(inferred, arguments, common)?;
    Ok(ExitCode::SUCCESS)
}

/// The stages behind those of layers.
fn compiled(inferred: Inferred, arguments: &Dump, common: &Common) -> Result<(), Failure> {
    let graph = inferred.graph().graph.clone();
    let options = Options {
        on_unsupported_mask: common.on_unsupported_mask.into(),
        mask_outputs: arguments.stage == Stage::Plan,
        ..Options::default()
    };
    let lowered = inferred.lower(options)?;
    match arguments.stage {
        Stage::Tensor => program(lowered.program(), &graph, ProgramStage::Tensor, arguments),
        Stage::Optimized => program(lowered.optimize().program(), &graph, ProgramStage::Optimized, arguments),
        Stage::Packed => program(&lowered.optimize().packed(), &graph, ProgramStage::Packed, arguments),
        _ => commands::print(&print_plan(&lowered.optimize().plan()?.plan)),
    }
}

fn program(
    program: &Program,
    graph: &LayerGraph,
    stage: ProgramStage,
    arguments: &Dump,
) -> Result<(), Failure> {
    match arguments.format {
        DumpFormat::Text => commands::print(&print_program(program, stage)),
        _ => draw(picture::of_program(program, graph), arguments),
    }
}

fn draw(picture: Picture, arguments: &Dump) -> Result<(), Failure> {
    let picture = if arguments.collapse { picture.folded(|_| true) } else { picture };
    commands::print(&match arguments.format {
        DumpFormat::Dot => dot::write(&picture),
        _ => svg::draw(&picture),
    })
}

/// The page of a model. A model that cannot be compiled has only its layers there.
fn page(inferred: Inferred, common: &Common) -> Result<String, Failure> {
    let options = Options { on_unsupported_mask: common.on_unsupported_mask.into(), ..Options::default() };
    let padding = inferred.padding()?;
    let findings = commands::check::findings(&inferred, &padding, common);
    Ok(page::write(inferred, &findings, &padding, options)?)
}

/// Writes the page where temporary files are, and hands it to what opens pages here.
fn open(page: &str, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let path = std::env::temp_dir().join(format!("masque-{}.html", std::process::id()));
    let written = File::create_new(&path).and_then(|mut file| file.write_all(page.as_bytes()));
    written.map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = Command::new(opener).arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match opened {
        Ok(status) if status.success() => terminal.inform(&format!("{} is open", path.display())),
        _ => terminal.inform(&format!("{} could not be opened: open it in a browser", path.display())),
    }
    Ok(ExitCode::SUCCESS)
}
