//! The schema of dumps in JSON, and whether a dump keeps to it.

use std::fs;

use serde_json::Value as Json;

use crate::root;

/// `docs/dump.schema.json`.
pub struct Schema(Json);

impl Schema {
    /// Reads the schema.
    pub fn read() -> Schema {
        let text = fs::read_to_string(root().join("docs/dump.schema.json")).unwrap();
        Schema(serde_json::from_str(&text).unwrap())
    }

    /// What of a value does not keep to the schema, each with its place.
    pub fn wrong(&self, value: &Json) -> Vec<String> {
        mismatches(&self.0, &self.0, value, "")
    }
}

/// What of a value does not keep to a schema; the words of JSON Schema that `docs/dump.schema.json` uses, and no other.
fn mismatches(schema: &Json, root: &Json, value: &Json, place: &str) -> Vec<String> {
    let mut found = vec![];
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                found.extend(mismatches(target, root, value, place));
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule {
                Json::Array(types) => types.iter().any(|name| is(name, value)),
                name => is(name, value),
            },
            "required" => {
                rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        found.extend(mismatches(rule, root, inner, &format!("{place}/{name}")));
                    }
                }
                true
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(mismatches(rule, root, item, &format!("{place}/{number}")));
                }
                true
            }
            "additionalProperties" => value
                .as_object()
                .is_none_or(|fields| fields.keys().all(|name| schema["properties"].get(name).is_some())),
            "$schema" | "title" | "description" | "$defs" => true,
            other => panic!("the schema uses {other}, which nobody checks"),
        };
        if !fits {
            found.push(format!("{place}: {word} {rule}, found {value}"));
        }
    }
    found
}

fn is(name: &Json, value: &Json) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}
