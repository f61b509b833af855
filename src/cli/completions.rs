//! `imgfile completions`: what a shell needs so that it completes commands, and the names in them.

use std::path::{Path, PathBuf};

use clap_complete::env::Shells;

use super::Exit;

/// Print what makes a shell complete commands, options, images, steps, codes and applications.
///
/// The shell asks imgfile itself while you type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell to write for.
    #[arg(value_enum)]
    shell: Shell,
    /// Write it to the place in your home where that shell looks, instead of printing it.
    #[arg(long)]
    install: bool,
}

/// Shells that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }

    /// Where the shell looks by itself; the others have no such place.
    fn file(self, home: &Path, data: &Path) -> Option<PathBuf> {
        match self {
            Self::Bash => Some(data.join("bash-completion/completions/imgfile")),
            Self::Zsh => Some(data.join("zsh/site-functions/_imgfile")),
            Self::Fish => Some(home.join(".config/fish/completions/imgfile.fish")),
            Self::Elvish | Self::Powershell => None,
        }
    }
}

/// The user's folder for data of programs.
pub(super) fn data_home() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))
}

pub(super) fn run(args: &Args) -> Exit {
    let script = match script(args.shell) {
        Ok(script) => script,
        Err(error) => {
            super::complain(&format!("cannot write for {}: {error}", args.shell.name()));
            return Exit::Host;
        }
    };
    if !args.install {
        super::print(&script);
        return Exit::Done;
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let file = home.zip(data_home()).and_then(|(home, data)| args.shell.file(&home, &data));
    let Some(file) = file else {
        super::complain(&format!(
            "{} has no folder that it reads such files from; let its start-up file run what \
             `imgfile completions {}` prints",
            args.shell.name(),
            args.shell.name()
        ));
        return Exit::Usage;
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, script));
    if let Err(error) = written {
        super::complain(&format!("cannot write {}: {error}", file.display()));
        return Exit::Host;
    }
    super::print(&format!("{}\n", file.display()));
    if args.shell == Shell::Zsh {
        super::screen::say!("zsh reads it if its `fpath` has {} before `compinit` runs", folder.display());
    }
    Exit::Done
}

fn script(shell: Shell) -> std::io::Result<String> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell.name())
        .ok_or_else(|| std::io::Error::other("it is not known how that shell completes"))?;
    completer.write_registration("COMPLETE", "imgfile", "imgfile", "imgfile", &mut script)?;
    let mut script = String::from_utf8(script).map_err(std::io::Error::other)?;
    if shell == Shell::Bash {
        script.push_str(include_str!("completions.bash"));
    }
    if shell == Shell::Zsh {
        // Read from `fpath` at the first Tab, the file is the function itself, and is to complete at once.
        script.push_str("[[ ${funcstack[1]} != _imgfile ]] || _clap_dynamic_completer_imgfile \"$@\"\n");
    }
    Ok(script)
}
