//! `masque generate SHELL`, `masque generate man [COMMAND]`

use std::process::ExitCode;

use clap_mangen::Man;

use crate::args::{Arguments, Generate};
use crate::commands;
use crate::report::Failure;

pub(crate) fn run(arguments: &Generate) -> Result<ExitCode, Failure> {
    let mut command = Arguments::described();
    // Names of pages are made then.
    command.build();
    let mut text: Vec<u8> = vec![];
    match (arguments.what.shell(), &arguments.command) {
        (Some(shell), None) => clap_complete::generate(shell, &mut command, "masque", &mut text),
        (Some(_), Some(name)) => {
            let message = format!("{name}: a script is for all commands; only `man` takes one");
            return Err(Failure::Other(message));
        }
        (None, name) => {
            let page = match name {
                Some(name) => {
                    command.find_subcommand(name).cloned().ok_or_else(|| unknown(&command, name))?
                }
                None => command,
            };
            let rendered = Man::new(page).render(&mut text);
            rendered.map_err(|error| Failure::Other(error.to_string()))?;
        }
    }
    commands::print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(command: &clap::Command, name: &str) -> Failure {
    let known = command.get_subcommands().filter(|each| !each.is_hide_set());
    let known: Vec<&str> = known.map(clap::Command::get_name).collect();
    Failure::Other(format!("unknown command `{name}`: expected one of {}", known.join(", ")))
}
