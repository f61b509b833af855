//! The table of rules in docs/inspect.md is the registry.

use std::{fs, path::Path};

use imgfile::{hygiene::RULES, model::CleanupPreset};

#[test]
fn the_table_of_rules_is_the_registry() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inspect.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| H"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let told: Vec<[String; 3]> = rows.iter().map(|row| [row[0], row[1], row[2]].map(str::to_owned)).collect();
    let known: Vec<[String; 3]> = RULES
        .iter()
        .map(|rule| {
            let presets = if rule.presets() == CleanupPreset::ALL {
                "all".to_owned()
            } else {
                rule.presets().iter().map(|preset| preset.as_str()).collect::<Vec<_>>().join(", ")
            };
            [rule.id.to_owned(), rule.severity.as_str().to_owned(), presets]
        })
        .collect();
    assert_eq!(told, known);
    for row in rows {
        assert!(row.len() == 5 && row[3].len() > 10 && row[4].len() > 10, "{row:?}");
    }
}
