//! What `masque generate` takes.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The shell, or man
    #[arg(value_enum)]
    pub(crate) what: Generated,
    /// With man: the command whose page it is, such as dump; the page of all if absent
    pub(crate) command: Option<String>,
}

/// What is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generated {
    /// A script for bash
    Bash,
    /// A script for elvish
    Elvish,
    /// A script for fish
    Fish,
    /// A script for PowerShell
    Powershell,
    /// A script for zsh
    Zsh,
    /// A page of the manual
    Man,
}

impl Generated {
    /// The shell; none for a page of the manual.
    pub(crate) fn shell(self) -> Option<Shell> {
        match self {
            Generated::Bash => Some(Shell::Bash),
            Generated::Elvish => Some(Shell::Elvish),
            Generated::Fish => Some(Shell::Fish),
            Generated::Powershell => Some(Shell::PowerShell),
            Generated::Zsh => Some(Shell::Zsh),
            Generated::Man => None,
        }
    }
}
