//! Which of the options of all models mean something to which command.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// The options of all models, each with the commands that it means something to.
const MEANT_FOR: &[(&str, &str, &[&str])] = {
    const MODELS: &[&str] =
        &["bench", "build", "check", "diff", "dump", "evaluate", "explain", "masks", "run"];
    &[
        (
            "on_unsupported_mask",
            "--on-unsupported-mask",
            &["bench", "build", "check", "dump", "evaluate", "masks", "run"],
        ),
        ("semantics", "--semantics", MODELS),
        ("masks", "--masks", MODELS),
        ("weights", "--weights", MODELS),
        (
            "layers",
            "--layers",
            &["bench", "build", "check", "diff", "dump", "evaluate", "explain", "masks", "run", "summary"],
        ),
        ("opaque", "--opaque", &["check", "diff", "dump", "explain", "masks", "summary"]),
        ("threads", "--threads", &["bench", "evaluate", "run"]),
    ]
};

/// What is wrong with an option that means nothing to its command.
pub(super) fn ignored(matches: &ArgMatches) -> Option<String> {
    let (name, given) = matches.subcommand()?;
    let meant_for = MEANT_FOR.iter().find(|(id, _, commands)| {
        given.value_source(id) == Some(ValueSource::CommandLine) && !commands.contains(&name)
    });
    let (_, option, commands) = meant_for?;
    Some(format!("{option} means nothing to `{name}`, only to {}", commands.join(", ")))
}

/// Leaves options out of the help of commands to which they mean nothing: these have a hidden one of their own.
pub(super) fn hide_others(command: Command) -> Command {
    let hidden: Vec<(Arg, &[&str])> = MEANT_FOR
        .iter()
        .filter_map(|(id, _, commands)| {
            let argument = command.get_arguments().find(|argument| argument.get_id() == id)?;
            Some((argument.clone().hide(true), *commands))
        })
        .collect();
    command.mut_subcommands(|each| {
        let name = each.get_name().to_owned();
        let others = hidden.iter().filter(|(_, commands)| !commands.contains(&name.as_str()));
        others.fold(each, |each, (argument, _)| each.arg(argument.clone()))
    })
}
