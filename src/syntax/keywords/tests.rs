//! The table is held to itself and to the grammar.

use std::collections::BTreeSet;

use super::*;

/// The rule of the grammar with this name.
fn rule(name: &str) -> &'static str {
    const GRAMMAR: &str = include_str!("../../../grammar/imagefile.pest");
    let found = GRAMMAR.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    let is_it = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
    let start = found.into_iter().find(|(_, line)| is_it(line)).map(|(start, _)| start).unwrap();
    let rest = &GRAMMAR[start..];
    // A rule ends where the next line starts with a name.
    let end = rest
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .find(|&at| rest[at..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '\n'));
    &rest[..end.unwrap_or(rest.len())]
}

/// The words in quotes of a rule.
fn words(name: &str) -> BTreeSet<&'static str> {
    let quoted = rule(name).split('"').skip(1).step_by(2);
    quoted.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())).collect()
}

fn keywords(wanted: impl Fn(&StatementInfo) -> bool) -> BTreeSet<&'static str> {
    STATEMENTS.iter().filter(|info| wanted(info)).map(|info| info.keyword.as_str()).collect()
}

#[test]
fn each_keyword_has_its_line() {
    for (number, info) in STATEMENTS.iter().enumerate() {
        assert_eq!(info.keyword as usize, number, "{}", info.keyword);
        assert_eq!(Keyword::of(info.keyword.as_str()), Some(info.keyword));
        assert!(!info.summary.is_empty(), "{}", info.keyword);
        assert_eq!(info.example.split(' ').next(), Some(info.keyword.as_str()));
    }
    assert_eq!(Keyword::of("provisioner"), None);
}

#[test]
fn the_grammar_knows_the_statements_of_the_table_and_no_other() {
    assert_eq!(words("statement_word"), keywords(|_| true));
    assert_eq!(words("top_word"), keywords(|info| info.place == Place::Top));
    assert_eq!(words("pair_like"), keywords(|info| info.form == Form::Pair));
    for blocks in ["container", "nested"] {
        assert_eq!(words(blocks), keywords(|info| info.form == Form::Block), "{blocks}");
    }
    assert_eq!(words("lone_statement"), keywords(|info| info.example == info.keyword.as_str()));
}

#[test]
fn each_thing_is_said_once() {
    let unique = |names: Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    for info in STATEMENTS {
        assert!(unique(info.options().iter().map(|option| option.name).collect()), "{}", info.keyword);
        let quoting = info.operands.iter().filter(|operand| operand.quoting != Quoting::Kept);
        assert!(quoting.map(|operand| operand.at).collect::<BTreeSet<_>>().len() <= 1, "{}", info.keyword);
    }
    let synonyms: Vec<&str> = STATEMENTS.iter().flat_map(|info| info.synonyms).copied().collect();
    assert!(unique(synonyms.clone()), "{synonyms:?}");
}

#[test]
fn an_operand_depends_on_those_before_it() {
    let role = |written: &[&str], at: usize| {
        let keyword = Keyword::of(written[0]).unwrap();
        keyword.info().operand(at, |at| written.get(at + 1).copied()).map(|operand| operand.role)
    };
    assert_eq!(role(&["base", "image"], 1), Some(Role::Image));
    assert_eq!(role(&["base", "url"], 1), Some(Role::Url));
    assert_eq!(role(&["base", "debian-13"], 1), Some(Role::BaseVersion));
    assert_eq!(role(&["copy", "url", "\"https://example.org\""], 1), Some(Role::Url));
    assert_eq!(role(&["copy", "\"site/\""], 1), Some(Role::Value));
    assert_eq!(role(&["secret", "token", "from", "file"], 3), Some(Role::Path(PathKind::Machine)));
    assert_eq!(role(&["secret", "token", "from", "env"], 3), None);
    assert_eq!(role(&["reboot"], 0), None);
}
