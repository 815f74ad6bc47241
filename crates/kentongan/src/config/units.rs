//! Values that people write as text: durations, sizes, secrets, instants, conditions, one or many.

use model::inventory::Needs as ModelNeeds;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A type that is written as a text which our own reader understands.
macro_rules! written_as_text {
    ($name:ident, $title:literal, $schema:tt, $read:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl Visitor<'_> for V {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($title)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let read: fn(&str) -> Result<$name, String> = $read;
                        read(text).map_err(E::custom)
                    }
                }
                d.deserialize_str(V)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// How long: `20s`, `1h30m`, `3d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

written_as_text!(
    Span,
    "a duration such as \"20s\", \"1h30m\" or \"3d\"",
    {
        "type": "string",
        "description": "A duration: numbers with ms, s, m, h or d, one after another.",
        "pattern": "^\\s*([0-9.]+(ms|s|m|min|h|d)\\s*)+$",
        "examples": ["20s", "1h30m", "3d"]
    },
    |text| model::time::parse_duration(text).map(Span)
);

/// How many bytes: `64KiB`, `1MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

written_as_text!(
    Size,
    "a size such as \"64KiB\" or \"1MiB\"",
    {
        "type": "string",
        "description": "A size: a whole number with B, KiB, MiB, GiB (powers of 1024) or kB, MB, GB.",
        "pattern": "^\\s*[0-9]+\\s*(B|KiB|MiB|GiB|kB|KB|MB|GB)?\\s*$",
        "examples": ["64KiB", "1MiB"]
    },
    |text| read_size(text)
        .map(Size)
        .ok_or_else(|| format!("{text:?} is not a size such as \"64KiB\" or \"1MiB\""))
);

fn read_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Something nobody may see.
#[derive(Debug, Clone)]
pub struct Secret(pub SecretString);

written_as_text!(
    Secret,
    "a text in quotes",
    { "type": "string", "description": "A secret. Better kept in a file of its own: use the key with _file behind it.", "writeOnly": true },
    |text| Ok(Secret(SecretString::from(text)))
);

/// An instant: an RFC 3339 text, or a TOML date and time. Without an offset it is local to
/// `[locale] timezone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When(pub String);

written_as_text!(
    When,
    "a time such as \"2026-11-24T22:00:00+07:00\"",
    {
        "type": "string",
        "description": "An instant. Without an offset it is local to [locale] timezone.",
        "examples": ["2026-11-24T22:00:00+07:00", "2026-11-24T22:00"]
    },
    |text| Ok(When(text.to_owned()))
);

/// One text, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany(all))
            }
        }
        // A list where the environment says `a,b`; a text where a file does.
        d.deserialize_seq(V)
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One text, or a list of them.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

/// Conditions may stand in each other this deep; nobody means more, and a file must not be able to
/// exhaust the stack.
const NEEDS_DEPTH_MAX: u32 = 16;

/// What must be there for something to work: an id, a list (all of them), or a table with one of
/// `all`, `any`, `at_least` + `of`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs(pub ModelNeeds<String>);

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(NeedsAt(NEEDS_DEPTH_MAX)).map(Needs)
    }
}

#[derive(Clone, Copy)]
struct NeedsAt(u32);

impl NeedsAt {
    fn deeper<E: de::Error>(self) -> Result<NeedsAt, E> {
        let deeper = self.0.checked_sub(1);
        deeper.map(NeedsAt).ok_or_else(|| {
            E::custom(format!("conditions stand in each other more than {NEEDS_DEPTH_MAX} deep"))
        })
    }
}

impl<'de> de::DeserializeSeed<'de> for NeedsAt {
    type Value = ModelNeeds<String>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

/// A list of conditions.
struct NeedsList(NeedsAt);

impl<'de> de::DeserializeSeed<'de> for NeedsList {
    type Value = Vec<ModelNeeds<String>>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for NeedsList {
    type Value = Vec<ModelNeeds<String>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ids and conditions")
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element_seed(self.0)? {
            all.push(one);
        }
        Ok(all)
    }
}

impl<'de> Visitor<'de> for NeedsAt {
    type Value = ModelNeeds<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an id, or { all = [\"…\"] }, { any = [\"…\"] }, { at_least = 2, of = [\"…\"] }",
        )
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<Self::Value, E> {
        Ok(ModelNeeds::Element(id.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        NeedsList(self.deeper()?).visit_seq(seq).map(ModelNeeds::All)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let deeper = self.deeper()?;
        let (mut all, mut any, mut n, mut of) = (None, None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "all" => all = Some(map.next_value_seed(NeedsList(deeper))?),
                "any" => any = Some(map.next_value_seed(NeedsList(deeper))?),
                "of" => of = Some(map.next_value_seed(NeedsList(deeper))?),
                "at_least" => n = Some(map.next_value::<u32>()?),
                other => {
                    return Err(de::Error::unknown_field(other, &["all", "any", "at_least", "of"]));
                }
            }
        }
        match (all, any, n, of) {
            (Some(all), None, None, None) => Ok(ModelNeeds::All(all)),
            (None, Some(any), None, None) => Ok(ModelNeeds::Any(any)),
            (None, None, Some(n), Some(of)) => Ok(ModelNeeds::AtLeast { n, of }),
            _ => Err(de::Error::custom(
                "a condition is exactly one of all, any, or at_least with of\nfor example { at_least = 2, of = [\"a\", \"b\", \"c\"] }",
            )),
        }
    }
}

impl JsonSchema for Needs {
    fn schema_name() -> Cow<'static, str> {
        "Needs".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let this = generator.subschema_for::<Needs>();
        let list = json_schema!({ "type": "array", "items": this });
        json_schema!({
            "description": "What must be there for something to work: the id of a device or link, a list (all of them), or a condition.",
            "anyOf": [
                { "type": "string" },
                list,
                { "type": "object", "additionalProperties": false, "required": ["all"], "properties": { "all": list } },
                { "type": "object", "additionalProperties": false, "required": ["any"], "properties": { "any": list } },
                { "type": "object", "additionalProperties": false, "required": ["at_least", "of"],
                  "properties": { "at_least": { "type": "integer", "minimum": 0 }, "of": list } }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("0", Some(0)),
            ("17", Some(17)),
            ("64KiB", Some(65536)),
            ("1 MiB", Some(1 << 20)),
            ("2GB", Some(2_000_000_000)),
            ("", None),
            ("MiB", None),
            ("1.5MiB", None),
            ("1mb", None),
            ("99999999999999999999", None),
            ("18446744073709551615GiB", None),
        ];
        for (text, want) in cases {
            assert_eq!(read_size(text), want, "{text}");
        }
    }
}
