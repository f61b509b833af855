//! The published schemas of catalogue files, walked by the keys of a file.

use std::sync::LazyLock;

use serde_json::Value;

use super::context::Step;
use crate::catalog::wire::{AppFile, BaseFile};

static APP: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(AppFile).to_value());
static BASE: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(BaseFile).to_value());

/// A part of a schema, with the whole that its references lead into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    root: &'a Value,
    part: &'a Value,
}

/// The schema of a catalogue file: by what it says of itself, else by its folder.
pub(super) fn of_file(path: &str, text: &str) -> Option<Shape<'static>> {
    let named = text.lines().find_map(|line| line.strip_prefix("schema:")).map(str::trim);
    let is_app = match named {
        Some(schema) if schema.contains("imgfile/app/") => true,
        Some(schema) if schema.contains("imgfile/base/") => false,
        _ => {
            let folder = path.rsplit('/').nth(1)?;
            match folder {
                "apps" => true,
                "bases" => false,
                _ => return None,
            }
        }
    };
    let root: &Value = if is_app { &APP } else { &BASE };
    Some(Shape { root, part: root })
}

impl<'a> Shape<'a> {
    /// What stands at a path.
    pub fn at(self, path: &[Step]) -> Option<Self> {
        path.iter().try_fold(self, Shape::step)
    }

    fn step(self, step: &Step) -> Option<Self> {
        self.alternatives().into_iter().find_map(|shape| {
            let part = match step {
                Step::Item => shape.part.get("items")?,
                Step::Key(key) => match shape.part.get("properties").and_then(|all| all.get(key)) {
                    Some(part) => part,
                    None => shape.part.get("additionalProperties").filter(|part| part.is_object())?,
                },
            };
            Some(Self { part, ..shape })
        })
    }

    /// The part itself, or what it refers to, or each of what it may be.
    fn alternatives(self) -> Vec<Self> {
        if let Some(target) = self.part.get("$ref").and_then(Value::as_str) {
            let part = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return part.map_or_else(Vec::new, |part| Self { part, ..self }.alternatives());
        }
        if let Some(any) = self.part.get("anyOf").and_then(Value::as_array) {
            return any.iter().flat_map(|part| Self { part, ..self }.alternatives()).collect();
        }
        vec![self]
    }

    /// The keys that a mapping may have here.
    pub fn keys(self) -> Vec<(String, Self)> {
        let properties = self
            .alternatives()
            .into_iter()
            .filter_map(|shape| Some((shape, shape.part.get("properties")?.as_object()?)));
        properties
            .flat_map(|(shape, all)| all.iter().map(move |(key, part)| (key.clone(), Self { part, ..shape })))
            .collect()
    }

    /// What the schema says of it, or of what it refers to.
    pub fn description(self) -> &'a str {
        let own = self.part.get("description").and_then(Value::as_str);
        let referred = || {
            self.alternatives()
                .into_iter()
                .find_map(|shape| shape.part.get("description").and_then(Value::as_str))
        };
        own.or_else(referred).unwrap_or_default()
    }

    fn has_type(self, name: &str) -> bool {
        self.alternatives().iter().any(|shape| match shape.part.get("type") {
            Some(Value::String(one)) => one == name,
            Some(Value::Array(many)) => many.iter().any(|one| one == name),
            _ => false,
        })
    }

    /// Whether what is written under the key starts on a line of its own.
    pub fn is_nested(self) -> bool {
        (self.has_type("object") || self.has_type("array")) && !self.has_type("string")
    }

    pub fn is_boolean(self) -> bool {
        self.has_type("boolean") && !self.has_type("string")
    }

    /// The words that it may be, where these are few.
    pub fn words(self) -> Vec<(String, String)> {
        let mut words = Vec::new();
        for shape in self.alternatives() {
            let listed = shape.part.get("enum").and_then(Value::as_array).into_iter().flatten();
            words.extend(listed.filter_map(Value::as_str).map(|word| (word.to_owned(), String::new())));
            for one in shape.part.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                let about = one.get("description").and_then(Value::as_str).unwrap_or_default();
                let listed = one.get("enum").and_then(Value::as_array).into_iter().flatten();
                let all = listed.chain(one.get("const")).filter_map(Value::as_str);
                words.extend(all.map(|word| (word.to_owned(), about.to_owned())));
            }
        }
        words
    }
}
