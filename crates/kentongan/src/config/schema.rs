//! The JSON Schema of the configuration, for editors.

use super::raw::Root;

/// The schema as it stands in `schemas/config.schema.json`, with a line end at the end.
pub fn text() -> String {
    let schema = schemars::schema_for!(Root);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
