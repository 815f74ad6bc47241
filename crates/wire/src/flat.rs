//! One walk through an event's object, whatever its kind.
//!
//! An object whose first key says what the others mean is usually read twice: once into a tree, to
//! find the key, once out of the tree. That costs more than everything else that happens to an
//! observation. So the walk knows every key of every kind, puts each value in its place without
//! copying it, and remembers in one word of bits which keys were there; whether they belong to the
//! kind is a single AND afterwards.

use crate::event::EventError;
use crate::limits;
use model::Values;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

macro_rules! keys {
    ($($key:ident = $name:literal),+ $(,)?) => {
        /// Every key of every kind.
        #[expect(clippy::enum_variant_names, reason = "the key of a signal is called `key`")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Key { $($key),+ }

        impl Key {
            pub(crate) const ALL: &'static [Key] = &[$(Key::$key),+];
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Key::$key => $name),+ }
            }
            fn from_name(name: &str) -> Option<Key> {
                match name { $($name => Some(Key::$key),)+ _ => None }
            }
        }
    };
}

// The keys of an observation first: most lines are one. Those that hold a text come before the
// others, so that a text's place is its key's number.
keys! {
    Kind = "kind", At = "at", Probe = "probe", Target = "target", Check = "check",
    Outcome = "outcome", Reason = "reason", Received = "received",
    Source = "source", Key = "key", State = "state", Severity = "severity", Summary = "summary",
    Op = "op", Incident = "incident", By = "by", Text = "text", Priority = "priority",
    Id = "id", Owner = "owner", Start = "start", End = "end",
    Until = "until", Rrule = "rrule", Team = "team",
    Desk = "desk", Change = "change", Hash = "hash", Instance = "instance", Since = "since",
    Values = "values", Seq = "seq", Scope = "scope",
}

/// How many of the keys hold a text.
const TEXTS: usize = Key::Values as usize;

impl Key {
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// The keys in a word of bits, as a list for a person.
    pub(crate) fn names(bits: u64) -> Vec<&'static str> {
        Key::ALL.iter().filter(|k| bits & k.bit() != 0).map(|k| k.name()).collect()
    }
}

/// Everything an object said, by key.
pub(crate) struct Flat<'a> {
    /// Which keys were there.
    pub(crate) seen: u64,
    pub(crate) texts: [Cow<'a, str>; TEXTS],
    pub(crate) values: Values<'a>,
    pub(crate) seq: u64,
    pub(crate) scope: Vec<String>,
    /// The first key that no event has. Which ones were allowed is known only with the kind.
    pub(crate) stranger: Option<String>,
}

impl<'a> Flat<'a> {
    /// Reads the object that `line` is, the whole of it.
    pub(crate) fn read(line: &'a str) -> Result<Flat<'a>, EventError> {
        let mut flat = Flat {
            seen: 0,
            texts: [const { Cow::Borrowed("") }; TEXTS],
            values: Values::new(),
            seq: 0,
            scope: Vec::new(),
            stranger: None,
        };
        let mut walk = Walk { flat: &mut flat, place: Place::Line, found: None };
        let mut json = serde_json::Deserializer::from_str(line);
        match json.deserialize_map(&mut walk).and_then(|()| json.end()) {
            Ok(()) => Ok(flat),
            Err(e) => Err(walk.explain(&e)),
        }
    }
}

/// Where the walk is, for the error.
enum Place {
    Line,
    Key(Key),
    Value(String),
}

struct Walk<'f, 'a> {
    flat: &'f mut Flat<'a>,
    place: Place,
    /// What is wrong, when it is something that JSON itself has nothing to say about.
    found: Option<EventError>,
}

impl Walk<'_, '_> {
    fn fail<E: Error>(&mut self, error: EventError) -> E {
        self.found = Some(error);
        E::custom("")
    }

    /// Puts what serde_json said in our words.
    fn explain(self, error: &serde_json::Error) -> EventError {
        if let Some(found) = self.found {
            return found;
        }
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(w, _)| w);
        match (error.classify(), self.place) {
            (serde_json::error::Category::Data, Place::Key(key)) => {
                EventError::Wrong { key: key.name().into(), problem: plain(what) }
            }
            (serde_json::error::Category::Data, Place::Value(name)) => {
                EventError::Wrong { key: format!("values.{name}").into(), problem: plain(what) }
            }
            (serde_json::error::Category::Data, Place::Line) => {
                EventError::NotJson { what: plain(what), column: error.column() }
            }
            _ => EventError::NotJson { what: what.to_owned(), column: error.column() },
        }
    }
}

/// `invalid type: integer `5`, expected a text` → `has to be a text, not integer `5``.
fn plain(what: &str) -> String {
    let what = what.strip_prefix("invalid type: ").unwrap_or(what);
    let what = what.strip_prefix("invalid value: ").unwrap_or(what);
    match what.rsplit_once(", expected ") {
        Some((got, wanted)) => format!("has to be {wanted}, not {got}"),
        None => what.to_owned(),
    }
}

impl<'de> Visitor<'de> for &mut Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as {\"kind\":\"observation\",…}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name>()? {
            let key = match name {
                Name::Known(key) => key,
                Name::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    self.flat.stranger.get_or_insert(name);
                    continue;
                }
            };
            if self.flat.seen & key.bit() != 0 {
                return Err(self.fail(EventError::Twice { key: key.name().into() }));
            }
            self.flat.seen |= key.bit();
            self.place = Place::Key(key);
            match key {
                Key::Values => map.next_value_seed(ValuesSeed(self))?,
                Key::Seq => self.flat.seq = map.next_value::<Count>()?.0,
                Key::Scope => self.flat.scope = map.next_value_seed(ScopeSeed(self))?,
                text => self.flat.texts[text as usize] = map.next_value::<Text<'de>>()?.0,
            }
            self.place = Place::Line;
        }
        Ok(())
    }
}

/// What a stranger wrote, short enough to be repeated to him.
pub(crate) fn cut_short(text: &str) -> String {
    crate::event::cut(text, 64).into_owned()
}

enum Name {
    Known(Key),
    Unknown(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Name, E> {
                Ok(Key::from_name(v).map_or_else(|| Name::Unknown(v.to_owned()), Name::Known))
            }
        }
        d.deserialize_str(V)
    }
}

/// A text, borrowed unless it had escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
            fn visit_string<E: Error>(self, v: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(v)))
            }
        }
        d.deserialize_str(V)
    }
}

struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0")
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Count, E> {
                Ok(Count(v))
            }
        }
        d.deserialize_u64(V)
    }
}

struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, true or false")
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Number, E> {
                Ok(Number(v))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Number, E> {
                Ok(Number(v as f64))
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Number, E> {
                Ok(Number(f64::from(u8::from(v))))
            }
        }
        d.deserialize_any(V)
    }
}

struct ValuesSeed<'w, 'f, 'a>(&'w mut Walk<'f, 'a>);

impl<'de> serde::de::DeserializeSeed<'de> for ValuesSeed<'_, '_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ValuesSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if let Err(problem) = crate::event::id_problem(&name) {
                let key = format!("values.{}", cut_short(&name)).into();
                return Err(self.0.fail(EventError::Wrong { key, problem }));
            }
            if self.0.flat.values.iter().any(|(known, _)| *known == name) {
                let key = format!("values.{}", cut_short(&name)).into();
                return Err(self.0.fail(EventError::Twice { key }));
            }
            if self.0.flat.values.len() == limits::VALUES_MAX {
                let problem = format!("has more than the {} values allowed", limits::VALUES_MAX);
                return Err(self.0.fail(EventError::Wrong { key: "values".into(), problem }));
            }
            match map.next_value::<Number>() {
                Ok(Number(v)) => self.0.flat.values.push((name, v)),
                Err(e) => {
                    self.0.place = Place::Value(cut_short(&name));
                    return Err(e);
                }
            }
        }
        Ok(())
    }
}

struct ScopeSeed<'w, 'f, 'a>(&'w mut Walk<'f, 'a>);

impl<'de> serde::de::DeserializeSeed<'de> for ScopeSeed<'_, '_, '_> {
    type Value = Vec<String>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Vec<String>, D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ScopeSeed<'_, '_, '_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut scope = Vec::new();
        while let Some(Text(id)) = list.next_element::<Text<'de>>()? {
            let wrong = match crate::event::id_problem(&id) {
                Err(problem) => Some(format!("{:?} {problem}", cut_short(&id))),
                Ok(()) if scope.len() == limits::SCOPE_MAX => {
                    Some(format!("has more than the {} ids allowed", limits::SCOPE_MAX))
                }
                Ok(()) => None,
            };
            if let Some(problem) = wrong {
                return Err(self.0.fail(EventError::Wrong { key: "scope".into(), problem }));
            }
            scope.push(id.into_owned());
        }
        Ok(scope)
    }
}
