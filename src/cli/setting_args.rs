//! Settings on the command line, for the commands that use them.

use std::sync::OnceLock;

use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser};

use crate::{
    driver::{AcceleratorChoice, DRIVERS, DriverEntry},
    ops::settings::{Flags, Key},
};

/// What the command line says of settings. Set once, before the command runs.
static GIVEN: OnceLock<Flags> = OnceLock::new();

/// What the command line of this process says of settings.
pub(super) fn given() -> Flags {
    GIVEN.get().cloned().unwrap_or_default()
}

// A command's own arguments, and the settings that it uses. No doc comments on it and on what is flattened: clap would
// take them for the command's own.
#[derive(Debug, clap::Args)]
pub(super) struct With<A: clap::Args, S: clap::Args> {
    #[command(flatten)]
    args: A,
    #[command(flatten)]
    settings: S,
}

impl<A: clap::Args, S: clap::Args + Into<Flags>> With<A, S> {
    /// The command's own arguments; the settings hold from now on.
    pub(super) fn apart(self) -> A {
        // A process runs one command.
        let _ = GIVEN.set(self.settings.into());
        self.args
    }
}

// Every setting.
#[derive(Debug)]
pub(super) struct All(Flags);

// The store: for commands that only look at what was built.
#[derive(Debug)]
pub(super) struct OfStore(Flags);

const STORE: &[Key] = &[Key::Store];

fn augment(command: Command, keys: &[Key]) -> Command {
    keys.iter().fold(command, |command, key| {
        let arg = Arg::new(key.name())
            .long(key.flag().trim_start_matches("--"))
            .value_name(key.value())
            .help(key.about())
            .help_heading("Settings")
            .global(true);
        command.arg(match key {
            Key::Accel => arg.value_parser(PossibleValuesParser::new(
                AcceleratorChoice::ALL.map(AcceleratorChoice::as_str),
            )),
            Key::Driver => arg.value_parser(PossibleValuesParser::new(DRIVERS.iter().map(DriverEntry::name))),
            Key::AllowPrivateNetwork | Key::AllowWeakerCell | Key::CachePlainHttp => {
                arg.num_args(0..=1).require_equals(true).default_missing_value("true")
            }
            _ => arg,
        })
    })
}

fn read(matches: &ArgMatches, keys: &[Key]) -> Flags {
    keys.iter()
        .fold(Flags::default(), |flags, key| flags.with(*key, matches.get_one::<String>(key.name()).cloned()))
}

macro_rules! settings {
    ($type:ident, $keys:expr) => {
        impl clap::Args for $type {
            fn augment_args(command: Command) -> Command {
                augment(command, $keys)
            }

            fn augment_args_for_update(command: Command) -> Command {
                augment(command, $keys)
            }
        }

        impl clap::FromArgMatches for $type {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(read(matches, $keys)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = read(matches, $keys);
                Ok(())
            }
        }

        impl From<$type> for Flags {
            fn from(settings: $type) -> Self {
                settings.0
            }
        }
    };
}

settings!(All, Key::ALL);
settings!(OfStore, STORE);
