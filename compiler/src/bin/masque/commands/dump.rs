//! `masque dump MODEL --stage STAGE`

use std::process::ExitCode;

use masque::Options;
use masque_ir::text::{ProgramStage, Stage, print_layers, print_masks, print_plan, print_program};

use crate::args::{Common, Dump, DumpFormat};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Dump, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let DumpFormat::Text = arguments.format;
    let model = commands::open(&arguments.model, common, terminal)?;
    if arguments.stage == Stage::Layers {
        commands::print(&print_layers(model.graph()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut inferred = model.infer_masks(common.mask_source())?;
    inferred.load_weights()?;
    if arguments.stage == Stage::Masks {
        commands::print(&print_masks(inferred.graph()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal) else {
        return Ok(ExitCode::from(1));
    };
    let options = Options {
        on_unsupported_mask: common.on_unsupported_mask.into(),
        mask_outputs: arguments.stage == Stage::Plan,
        ..Options::default()
    };
    let lowered = inferred.lower(options)?;
    let text = match arguments.stage {
        Stage::Tensor => print_program(lowered.program(), ProgramStage::Tensor),
        Stage::Optimized => print_program(lowered.optimize().program(), ProgramStage::Optimized),
        Stage::Packed => print_program(&lowered.optimize().packed(), ProgramStage::Packed),
        _ => print_plan(&lowered.optimize().plan()?.plan),
    };
    commands::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
