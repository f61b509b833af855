//! What a shell script shows without running it: whether a shell would understand it ([`syntax`], and
//! [`blame`] for the line at fault), and what it reads and runs (by tree-sitter, which guesses on where
//! it does not understand).

mod blame;
mod compound;
mod syntax;
mod word;
mod words;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use tree_sitter::{Node, Parser};

pub(super) use blame::ShellFault;

/// Byte ranges in the script.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Why no shell would accept it.
    pub error: Option<ShellFault>,
    /// The first command that is `sudo`.
    pub sudo: Option<(usize, usize)>,
    /// Upper-case variables that are read, but never set: first use each.
    pub unset: Vec<Unset>,
    /// The first construct that only bash has and that `dash` does not notice before it runs it.
    pub of_bash: Option<(usize, usize, String)>,
    /// What a shell takes otherwise than it looks, in the order of the script.
    pub remarks: Vec<Remark>,
}

/// The first use of a variable that nothing sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unset {
    pub name: String,
    pub start: usize,
    pub end: usize,
    /// It is put into a here-document, which may be a file that has variables of its own.
    pub in_heredoc: bool,
}

/// Something that a shell does not say no to, or not every shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub start: usize,
    pub end: usize,
    pub message: &'static str,
    pub label: String,
    pub help: &'static str,
    /// It is bash's own: for other shells only.
    pub posix_only: bool,
}

/// Longest script that is parsed, in bytes.
const LIMIT: usize = 256 << 10;

/// Set by the shell, the system or sudo.
const GIVEN: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "LANG",
    "LC_ALL",
    "TERM",
    "HOSTNAME",
    "RANDOM",
    "SECONDS",
    "UID",
    "EUID",
    "PPID",
    "IFS",
    "OPTARG",
    "OPTIND",
    "OPTERR",
    "LINENO",
    "FUNCNAME",
    "REPLY",
    "PIPESTATUS",
    "TMPDIR",
    "MAIL",
    "EDITOR",
    "DEBIAN_FRONTEND",
    "HOSTTYPE",
    "MACHTYPE",
    "OSTYPE",
    "SHLVL",
    "GROUPS",
    "DIRSTACK",
    "EPOCHSECONDS",
    "COLUMNS",
    "LINES",
    "XDG_RUNTIME_DIR",
    "PS1",
    "PS4",
    "MAPFILE",
    "COPROC",
    "SRANDOM",
    "EPOCHREALTIME",
];

/// Most that is remembered, in bytes of scripts.
const MEMORY: usize = 4 << 20;

/// What scripts showed, by their text: between two keystrokes in an editor hardly one changes.
#[derive(Default)]
struct Seen {
    parser: Option<Parser>,
    facts: HashMap<String, Rc<Facts>>,
    bytes: usize,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

/// Looks into `script`; `None` if it is too long to be worth it. `posix` if it is not for bash.
pub(super) fn look(script: &str, posix: bool) -> Option<Rc<Facts>> {
    if script.len() > LIMIT {
        return None;
    }
    SEEN.with_borrow_mut(|seen| {
        if let Some(facts) = seen.facts.get(script) {
            return Some(Rc::clone(facts));
        }
        if seen.parser.is_none() {
            let mut parser = Parser::new();
            parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
            seen.parser = Some(parser);
        }
        let mut facts = parse(seen.parser.as_mut()?, script)?;
        (facts.error, facts.remarks) = fault(script, posix);
        let facts = Rc::new(facts);
        seen.bytes += script.len();
        if seen.bytes > MEMORY {
            seen.facts.clear();
            seen.bytes = script.len();
        }
        seen.facts.insert(script.to_owned(), Rc::clone(&facts));
        Some(facts)
    })
}

/// Why no shell would accept a script, and what some take otherwise.
fn fault(script: &str, posix: bool) -> (Option<ShellFault>, Vec<Remark>) {
    let mut parser = syntax::Parser::new(script, posix);
    match parser.script() {
        Err(wrong) if wrong.gave_up => (None, Vec::new()),
        Err(wrong) => (Some(blame::blame(&parser, &wrong)), Vec::new()),
        Ok(()) => match in_backquotes(&parser, script) {
            Some(fault) => (Some(fault), Vec::new()),
            None => (None, std::mem::take(&mut parser.remarks)),
        },
    }
}

/// What is wrong between backquotes: `dash` reads that with the script, bash when it comes to it.
fn in_backquotes(parser: &syntax::Parser<'_>, script: &str) -> Option<ShellFault> {
    if !parser.posix {
        return None;
    }
    let quotes = parser.quotes.iter().filter(|(start, _)| parser.text[*start] == b'`');
    quotes.map(|(start, end)| (start + 1, &script[start + 1..*end])).find_map(|(start, inner)| {
        // What is escaped there is read twice.
        if inner.contains('\\') {
            return None;
        }
        let mut parser = syntax::Parser::new(inner, true);
        let wrong = parser.script().err().filter(|wrong| !wrong.gave_up)?;
        let mut fault = blame::blame(&parser, &wrong);
        for label in std::iter::once(&mut fault.label).chain(&mut fault.others) {
            label.start += start;
            label.end += start;
        }
        Some(fault)
    })
}

/// Whether `sudo` with these words does no more than to become root.
fn becomes_root_only(command: &str) -> bool {
    // A line that goes on ends in a backslash.
    let words = command.split_whitespace().skip(1).filter(|word| *word != "\\");
    words.take_while(|word| word.starts_with('-')).all(|option| {
        matches!(
            option,
            "-n" | "-E" | "-H" | "-S" | "-k" | "-A" | "-b" | "--" | "--non-interactive" | "--set-home"
        ) || option.starts_with("--preserve-env")
    })
}

fn parse(parser: &mut Parser, script: &str) -> Option<Facts> {
    let tree = parser.parse(script, None)?;
    let mut facts = Facts::default();
    let mut set: HashSet<String> = GIVEN.iter().map(|name| (*name).to_owned()).collect();
    let mut read: Vec<Unset> = Vec::new();
    // Whatever a sourced file or `eval` sets is out of sight.
    let mut open = false;
    let text = |node: Node<'_>| script.get(node.byte_range()).unwrap_or_default();
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        let range = (node.start_byte(), node.end_byte().max(node.start_byte() + 1));
        if node.is_error() || node.is_missing() {
            // What was not understood may set any variable.
            open = true;
        }
        if facts.of_bash.is_none() {
            facts.of_bash = of_bash(node, script).map(|what| (range.0, range.1, what));
        }
        match node.kind() {
            "command_name" => match text(node) {
                "sudo" if node.parent().map(text).is_some_and(becomes_root_only) => {
                    facts.sudo = facts.sudo.or(Some(range));
                }
                "source" | "." | "eval" | "mapfile" | "readarray" | "getopts" => open = true,
                "read" => {
                    let words = node.parent().map(text).unwrap_or_default();
                    set.extend(words.split_whitespace().map(str::to_owned));
                }
                "printf" => {
                    let words: Vec<&str> =
                        node.parent().map(text).unwrap_or_default().split_whitespace().collect();
                    if let Some(at) = words.iter().position(|word| *word == "-v") {
                        set.extend(words.get(at + 1).map(|word| (*word).to_owned()));
                    }
                }
                _ => {}
            },
            "variable_name" => {
                let name = text(node);
                let parent = node.parent().map_or("", |parent| parent.kind());
                let mut above = std::iter::successors(node.parent(), Node::parent);
                let mut use_of_it = || Unset {
                    name: name.to_owned(),
                    start: range.0,
                    end: range.1,
                    in_heredoc: above.by_ref().take(8).any(|node| node.kind() == "heredoc_body"),
                };
                match parent {
                    "simple_expansion" => read.push(use_of_it()),
                    "expansion" => {
                        // `${X:-}`, `${X+…}` and the like say themselves that X may be unset.
                        let rest = script.get(node.end_byte()..).unwrap_or_default();
                        if rest.starts_with('}') {
                            read.push(use_of_it());
                        } else if rest.starts_with([':', '=']) {
                            set.insert(name.to_owned());
                        }
                    }
                    _ => {
                        set.insert(name.to_owned());
                    }
                }
            }
            _ => {}
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                if !open {
                    facts.unset = unset(read, &set);
                }
                // Whoever has a `sudo` of their own means that one.
                if ["BASH_VERSION", "exec bash", "/bin/bash"]
                    .iter()
                    .any(|own| after_first_line(script).contains(own))
                {
                    // It looks which shell it is in, or goes on in the right one.
                    facts.of_bash = None;
                }
                if ["sudo()", "sudo ()", "function sudo"].iter().any(|own| script.contains(own)) {
                    facts.sudo = None;
                }
                return Some(facts);
            }
        }
    }
}

fn after_first_line(script: &str) -> &str {
    script.split_once('\n').map_or("", |(_, rest)| rest)
}

/// What bash has and `dash` has not, though it reads it as something else: a command, a job in the background.
fn of_bash(node: Node<'_>, script: &str) -> Option<String> {
    let text = script.get(node.byte_range())?;
    let parent = node.parent();
    match node.kind() {
        "[[" | "&>" | "&>>" => Some(node.kind().to_owned()),
        "==" if parent?.parent()?.kind() == "test_command"
            && script[parent?.parent()?.byte_range()].starts_with("[ ") =>
        {
            Some("==` in `[".to_owned())
        }
        "command_name" if text == "source" => Some("source".to_owned()),
        "word"
            if text == "pipefail"
                && parent?.child(0)?.kind() == "command_name"
                && script[parent?.byte_range()].starts_with("set ") =>
        {
            Some("pipefail".to_owned())
        }
        "variable_name" if parent?.kind() == "expansion" => {
            let rest = script.get(node.end_byte()..)?;
            let own = rest.starts_with(['/', '^', ','])
                || rest.strip_prefix(':').is_some_and(|rest| !rest.starts_with(['-', '=', '?', '+']));
            own.then(|| script[parent?.byte_range()].lines().next().map(str::to_owned))?
        }
        _ => None,
    }
}

fn unset(read: Vec<Unset>, set: &HashSet<String>) -> Vec<Unset> {
    let mut said = HashSet::new();
    read.into_iter()
        .filter(|Unset { name, .. }| {
            let upper = name.starts_with(|c: char| c.is_ascii_uppercase())
                && !name.contains(|c: char| c.is_ascii_lowercase());
            upper
                && name.len() > 1
                && !name.starts_with("BASH")
                && !name.starts_with("LC_")
                && !name.starts_with("SUDO_")
                && !set.contains(name)
        })
        .filter(|one| said.insert(one.name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_shows() {
        let facts = look(
            "#!/bin/bash\nsudo systemctl restart nginx\necho $RELEASE ${OTHER:-x} $HOME $lower\n",
            false,
        )
        .unwrap();
        assert_eq!(facts.error, None);
        assert!(facts.sudo.is_some());
        assert_eq!(facts.unset.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["RELEASE"]);
    }

    #[test]
    fn sudo_that_becomes_another_user_is_needed_by_root_too() {
        let is_pointless =
            |line: &str| look(&format!("#!/bin/bash\n{line}\n"), false).unwrap().sudo.is_some();
        for line in ["sudo ls", "sudo -n ls", "sudo -E -- ls", "true && sudo --preserve-env=X ls"] {
            assert!(is_pointless(line), "{line}");
        }
        for line in [
            "sudo \\\n  -u bob id",
            "sudo() { \"$@\"; }\nsudo ls",
            "sudo -u postgres createdb shop",
            "sudo --user=www-data id",
            "sudo -i",
            "sudo -g adm id",
        ] {
            assert!(!is_pointless(line), "{line}");
        }
    }

    #[test]
    fn what_an_exec_hides_is_not_surely_wrong() {
        let wrapper =
            "#!/bin/sh -e\n'''exec' python3 \"$0\" \"$@\"\n' '''\nimport sys\nsys.exit(main(\"x\"))\n";
        assert!(!look(wrapper, true).unwrap().error.as_ref().unwrap().sure);
    }

    #[test]
    fn what_is_set_in_any_way_is_set() {
        for set in [
            "X1=1",
            "read -r X1",
            "for X1 in a b; do :; done",
            "export X1=2",
            "local X1",
            "source ./env",
            "printf -v X1 a",
            ": ${X1:=a}",
        ] {
            let facts = look(&format!("#!/bin/bash\n{set}\necho $X1\n"), false).unwrap();
            assert!(facts.unset.is_empty(), "{set}: {:?}", facts.unset);
        }
    }

    #[test]
    fn broken_scripts_are_seen() {
        for broken in [
            "if true; then\n  echo\n",
            "echo \"open\n",
            "case x in\n",
            "foo() {\n",
            "for x in a; do\n",
            ")\n",
            "fi\n",
            "echo $(if true)\n",
            "for ((i = 0; i < 3)) do :; done\n",
            "[[ a b ]]\n",
            "a && && b\n",
            "echo (a)\n",
            "f() { }\n",
            "if true; then fi\n",
            "a=(1 ; 2)\n",
            "cat <\n",
        ] {
            assert!(look(&format!("#!/bin/bash\n{broken}"), false).unwrap().error.is_some(), "{broken:?}");
        }
    }

    #[test]
    fn sound_scripts_are_left_alone() {
        for sound in [
            "cat <<EOF | sudo tee /etc/x\n$HOME\nEOF\n",
            "[[ $a == b* && -n ${c:-} ]] && echo yes\n",
            "while read -r line; do echo \"$line\"; done < <(ls -1)\n",
            "case \"$1\" in\n  a|b) echo;;\n  *) exit 1;;\nesac\n",
            "f() { local x=$1; echo \"${x%%.*}\" \"${x//a/b}\" \"${#x}\"; }\nf a.b\n",
            "arr=(a b \"c d\")\nfor i in \"${arr[@]}\"; do echo \"$i\"; done\n",
            "(( i = 1 + 2 )); echo $(( i * 2 ))\n",
            "curl --fail --silent http://localhost:8080/ | grep -q shop\n",
            "set -o pipefail; trap 'rm -rf \"$tmp\"' EXIT\n",
            "if ! command -v jq >/dev/null 2>&1; then exit 3; fi\n",
            "ls / \\\n  | sort `# in order` \\\n  | head -n1 `# the first` \\\n  | cat\n",
            "eval devices=( $list )\n",
            "for i do echo \"$i\"; done\n",
            "if [[ \"$x\" = *\"a\"* || \"$x\" = *any* ]]; then echo yes; fi\n",
            "if [[ (! $e =~ final) && \"$e\" == x ]]; then echo yes; fi\n",
            "<<EOF cat\nhi\nEOF\n",
            "cat <<EOF >/tmp/x;\nhello\nEOF\n",
            "cat >/tmp/x <<<\"a\"\n",
            "echo \"$((0x$v))\"\n",
            "if [[ \"$f\" = '/a' && \"$(grep -v 'a b| c' \"$f\" | wc -c)\" -gt 10 ]]; then echo big; fi\n",
            "cat <<A - <<B\na\nA\nb\nB\n",
            "{ echo; } 5<>/tmp/a 6<>/tmp/b\n",
            "x=$(cat <<EOF\n)\nEOF\n)\n",
            "case x in (a|b) ;; *) echo ;& esac\n",
            "a=([k]=v [\"x y\"]=$(ls) # note\n  z)\ndeclare -A m=([a]=1)\n",
            "f() (\n  cd /\n)\nfunction g { :; } >/dev/null\n",
            "(( a ) ; ( b ))\n",
            "[[ $x =~ ^(a b|c)+$ ]]\n",
            "echo \"${x#\"'\"}\" ${y//'}'/} ${#z} $$ ${$}\n",
        ] {
            assert_eq!(look(&format!("#!/bin/bash -e\n{sound}"), false).unwrap().error, None, "{sound:?}");
        }
    }
}
