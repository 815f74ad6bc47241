//! From the tree to the structs of `raw`, without stopping at the first thing that is wrong.
//!
//! serde gives up at an error, and forgets where it was. So every field of ours is a [`Key`]: it
//! remembers its place, and when its value cannot be read the error goes to the list of findings
//! and the field is [`Key::Bad`]. Unknown keys are found in [`Reader::deserialize_struct`], where
//! serde tells which ones there are. Structs of other crates (desks) hold plain fields: those are
//! read again without the key that was wrong, until nothing more is.

use super::origin::{Place, is_secret};
use super::report::Finding;
use super::tree::{Node, Table, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

/// What was written for a key.
#[derive(Debug, Clone, Default)]
pub enum Key<T> {
    /// Nothing.
    #[default]
    Absent,
    /// Something that could not be read; it has been reported already.
    Bad(Place),
    /// This.
    Set(T, Place),
}

impl<T> Key<T> {
    /// What was written, when it could be read.
    pub fn get(&self) -> Option<&T> {
        match self {
            Key::Set(value, _) => Some(value),
            _ => None,
        }
    }

    /// Where it stands.
    pub fn place(&self) -> Option<Place> {
        match self {
            Key::Absent => None,
            Key::Bad(place) | Key::Set(_, place) => Some(*place),
        }
    }

    /// Whether nothing was written.
    pub fn is_absent(&self) -> bool {
        matches!(self, Key::Absent)
    }

    /// What was written, else this.
    pub fn or(&self, default: T) -> T
    where
        T: Clone,
    {
        self.get().cloned().unwrap_or(default)
    }
}

impl<T: JsonSchema> JsonSchema for Key<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The name by which a [`Reader`] knows that a [`Key`] is asked for.
const KEY: &str = "$kentongan::Key";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Key<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(KEY, KeyVisitor(PhantomData))
    }
}

struct KeyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for KeyVisitor<T> {
    type Value = Key<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in a configuration file")
    }

    /// What a [`Reader`] sends: the place in three numbers, then the value, as often as it takes
    /// to find what is wrong with it.
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Key<T>, A::Error> {
        let mut number = || seq.next_element::<u32>().map(Option::unwrap_or_default);
        let place = Place { origin: number()?, start: number()?, end: number()? };
        loop {
            if let Some(value) = seq.next_element::<T>()? {
                return Ok(Key::Set(value, place));
            }
            if seq.size_hint() == Some(0) {
                return Ok(Key::Bad(place));
            }
        }
    }
}

/// Reads a whole tree. What is wrong goes to `findings`.
pub(super) fn read<'de, T: Deserialize<'de> + Default>(
    node: &'de Node,
    findings: &mut Vec<Finding>,
) -> T {
    let found = RefCell::new(std::mem::take(findings));
    let muted = Cell::new(false);
    let reader = Reader { node, key: "", found: &found, muted: &muted, skip: &[] };
    let read = Key::<T>::deserialize(reader);
    *findings = found.into_inner();
    match read {
        Ok(Key::Set(value, _)) => value,
        _ => T::default(),
    }
}

/// Why a value could not be read.
#[derive(Debug)]
pub(super) struct ReadError {
    message: String,
    help: String,
    place: Option<Place>,
    /// The unknown key that it is about.
    unknown: Option<String>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // "MESSAGE\nHELP": how our own types hand over both.
        let text = message.to_string();
        let (message, help) = text.split_once('\n').unwrap_or((&text, ""));
        ReadError { message: message.into(), help: help.into(), place: None, unknown: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = in_words(&expected.to_string());
        Self::custom(format!("this must be {expected}, not {}", found_in_words(&found)))
    }

    fn invalid_length(found: usize, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("this must be {expected}, not a list of {found}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::custom(format!("{variant:?} is not possible here"));
        error.help = did_you_mean(variant, expected.iter().copied());
        error
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::custom(unknown_key(field));
        error.help = did_you_mean(field, expected.iter().copied());
        error.unknown = Some(field.to_owned());
        error
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key {field} is missing\nadd {field} = …"))
    }
}

fn unknown_key(key: &str) -> String {
    format!("there is no key called {key:?} here")
}

fn in_words(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" | "u64" | "usize" => "a whole number that is not negative".into(),
        "i64" | "i32" => "a whole number".into(),
        "f64" | "f32" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "string" => "a text in quotes".into(),
        "a sequence" => "a list".into(),
        "a map" => "a table".into(),
        other if other.starts_with("struct ") => "a table".into(),
        other => other.into(),
    }
}

fn found_in_words(found: &de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Str(s) => format!("the text {s:?}"),
        de::Unexpected::Signed(n) => format!("the number {n}"),
        de::Unexpected::Unsigned(n) => format!("the number {n}"),
        de::Unexpected::Float(n) => format!("the number {n}"),
        de::Unexpected::Bool(b) => format!("{b}"),
        de::Unexpected::Seq => "a list".into(),
        de::Unexpected::Map => "a table".into(),
        other => other.to_string(),
    }
}

/// The sentence that helps with a wrong word: the nearest of those there are, else all of them.
pub(super) fn did_you_mean<'a>(wrong: &str, all: impl Iterator<Item = &'a str> + Clone) -> String {
    let near =
        |word: &str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &word.to_lowercase());
    let best = all.clone().map(|w| (near(w), w)).min();
    match best {
        Some((d, word)) if d <= 2.max(wrong.chars().count() / 3) && d < word.chars().count() => {
            format!("did you mean {word:?}?")
        }
        Some(_) => {
            let mut words: Vec<_> = all.collect();
            words.sort_unstable();
            words.dedup();
            format!("possible here: {}", words.join(", "))
        }
        None => String::new(),
    }
}

/// What is said of a secret instead of what is wrong with it.
const SECRET: &str = "this secret cannot be read: it must be a text in quotes";

#[derive(Clone, Copy)]
struct Reader<'de, 'c> {
    node: &'de Node,
    /// The key that the value stands under; its value is not repeated in messages when it is one
    /// of a secret.
    key: &'de str,
    found: &'c RefCell<Vec<Finding>>,
    /// When a table is read again, what lies in it has been reported already …
    muted: &'c Cell<bool>,
    /// … and these keys of it are taken for absent.
    skip: &'c [&'de str],
}

impl<'de> Reader<'de, '_> {
    fn report(&self, finding: Finding) {
        if !self.muted.get() {
            self.found.borrow_mut().push(finding);
        }
    }

    fn at(self, node: &'de Node, key: &'de str) -> Self {
        Reader { node, key, skip: &[], ..self }
    }

    /// The error, with this reader's place unless it has a nearer one.
    fn place(self, mut e: ReadError) -> ReadError {
        if e.place.is_none() {
            e.place = Some(self.node.place);
            if is_secret(self.key) {
                e.message = SECRET.into();
            }
        }
        e
    }

    fn wrong_type(self, expected: &str) -> ReadError {
        let found = match &self.node.value {
            Value::Text(t) | Value::Loose(t) => format!("the text {t:?}"),
            Value::Integer(n) => format!("the number {n}"),
            Value::Float(n) => format!("the number {n}"),
            Value::Bool(b) => b.to_string(),
            _ => self.node.kind().to_owned(),
        };
        de::Error::custom(format!("this must be {expected}, not {found}"))
    }

    /// Gives what stands there to a visitor that takes anything.
    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Integer(n) => visitor.visit_i64(*n),
            Value::Float(n) => visitor.visit_f64(*n),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Loose(t) if !is_secret(self.key) => {
                match (t.parse::<i64>(), t.parse::<bool>()) {
                    (Ok(n), _) => visitor.visit_i64(n),
                    (_, Ok(b)) => visitor.visit_bool(b),
                    _ => visitor.visit_borrowed_str(t),
                }
            }
            Value::Text(t) | Value::Datetime(t) | Value::Loose(t) => visitor.visit_borrowed_str(t),
            Value::List(list) => visitor.visit_seq(Items { reader: self, list: list.iter() }),
            Value::Table(table) => visitor.visit_map(Entries::new(self, table, |_| true)),
        }
    }
}

macro_rules! numbers {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.node.value {
                Value::Loose(t) => match (t.trim().parse::<i64>(), t.trim().parse::<f64>()) {
                    (Ok(n), _) => visitor.visit_i64(n),
                    (_, Ok(n)) => visitor.visit_f64(n),
                    _ => Err(self.wrong_type("a number")),
                },
                _ => self.any(visitor),
            }
            .map_err(|e| self.place(e))
        }
    )+};
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.any(visitor)
    }

    numbers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Loose(t) => match t.trim() {
                "true" | "1" | "yes" => visitor.visit_bool(true),
                "false" | "0" | "no" => visitor.visit_bool(false),
                _ => Err(self.wrong_type("true or false")),
            },
            _ => self.any(visitor),
        }
        .map_err(|e| self.place(e))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Loose(t) => visitor.visit_borrowed_str(t),
            _ => self.any(visitor),
        }
        .map_err(|e| self.place(e))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == KEY {
            visitor.visit_seq(Parts { reader: self, step: 0, wrong: Vec::new(), done: false })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Loose(t) => {
                // A list in the environment is comma-separated; commas are enough to tell them.
                let items = t.split(',').map(str::trim).filter(|i| !i.is_empty());
                visitor.visit_seq(de::value::SeqDeserializer::new(items))
            }
            _ => self.any(visitor),
        }
        .map_err(|e| self.place(e))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::List(list) if list.len() == len => self.any(visitor),
            Value::List(list) => {
                let message = format!("this must be a list of {len}, not of {}", list.len());
                Err(self.place(de::Error::custom(message)))
            }
            Value::Loose(t) if t.split(',').count() == len => self.deserialize_seq(visitor),
            _ => Err(self.place(self.wrong_type(&format!("a list of {len}")))),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Some(table) = self.node.as_table() else {
            return Err(self.place(self.wrong_type("a table")));
        };
        for (key, entry) in table {
            if !fields.contains(&key.as_str()) {
                let help = did_you_mean(key, fields.iter().copied());
                self.report(Finding::error(entry.key, unknown_key(key), help));
            }
        }
        visitor
            .visit_map(Entries::new(self, table, |k| fields.contains(&k)))
            .map_err(|e| self.place(e))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(t) | Value::Loose(t) => visitor.visit_enum(t.as_str().into_deserializer()),
            Value::Table(table) => {
                let entries = Entries::new(self, table, |_| true);
                de::value::MapAccessDeserializer::new(entries)
                    .deserialize_enum(name, variants, visitor)
            }
            _ => Err(self.wrong_type(&format!("one of {}", variants.join(", ")))),
        }
        .map_err(|e| self.place(e))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple_struct map identifier
    }
}

/// The items of a list.
struct Items<'de, 'c> {
    reader: Reader<'de, 'c>,
    list: std::slice::Iter<'de, Node>,
}

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(node) = self.list.next() else { return Ok(None) };
        let reader = self.reader.at(node, self.reader.key);
        seed.deserialize(reader).map(Some).map_err(|e| reader.place(e))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

/// The keys and values of a table.
struct Entries<'de, 'c> {
    reader: Reader<'de, 'c>,
    rest: std::vec::IntoIter<(&'de String, &'de Node)>,
    value: Option<Reader<'de, 'c>>,
}

impl<'de, 'c> Entries<'de, 'c> {
    fn new(reader: Reader<'de, 'c>, table: &'de Table, wanted: impl Fn(&str) -> bool) -> Self {
        let entries: Vec<_> = table
            .iter()
            .filter(|(k, _)| wanted(k) && !reader.skip.contains(&k.as_str()))
            .map(|(k, e)| (k, &e.node))
            .collect();
        Entries { reader, rest: entries.into_iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some((key, node)) = self.rest.next() else { return Ok(None) };
        let reader = self.reader.at(node, key);
        self.value = Some(reader);
        let key: de::value::BorrowedStrDeserializer<'de, ReadError> =
            de::value::BorrowedStrDeserializer::new(key);
        seed.deserialize(key).map(Some).map_err(|e| reader.place(e))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let reader = self.value.take().expect("serde asks for a key first");
        seed.deserialize(reader).map_err(|e| reader.place(e))
    }
}

/// What a [`Key`] is told, see [`KeyVisitor::visit_seq`].
struct Parts<'de, 'c> {
    reader: Reader<'de, 'c>,
    step: usize,
    /// Keys of the table that were wrong, and are left out from now on.
    wrong: Vec<&'de str>,
    done: bool,
}

impl<'de> de::SeqAccess<'de> for Parts<'de, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Place { origin, start, end } = self.reader.node.place;
        self.step += 1;
        if let n @ 1..=3 = self.step {
            let number: u32 = [origin, start, end][n - 1];
            return seed.deserialize(number.into_deserializer()).map(Some);
        }
        let again = !self.wrong.is_empty();
        let muted = self.reader.muted.replace(again || self.reader.muted.get());
        let read = seed.deserialize(Reader { skip: &self.wrong, ..self.reader });
        self.reader.muted.set(muted);
        match read {
            Ok(value) if !again => return Ok(Some(value)),
            Ok(_) => self.done = true,
            Err(e) => self.failed(e),
        }
        Ok(None)
    }

    /// Zero means: there is nothing more to find out.
    fn size_hint(&self) -> Option<usize> {
        Some(usize::from(!self.done))
    }
}

impl Parts<'_, '_> {
    /// Reports what is wrong; when that is one key of a table, the others may be wrong as well.
    fn failed(&mut self, error: ReadError) {
        let node = self.reader.node;
        let place = error.place.unwrap_or(node.place);
        let table = node.as_table();
        let place = match (table, &error.unknown) {
            (Some(table), Some(unknown)) => key_place(table, unknown).unwrap_or(place),
            _ => place,
        };
        let key =
            table.and_then(|t| t.iter().find(|(_, e)| e.key == place || e.node.covers(place)));
        let first = self.wrong.is_empty();
        match key {
            Some((key, _)) if !self.wrong.contains(&key.as_str()) => self.wrong.push(key),
            _ => self.done = true,
        }
        // Read again, a table may lack what was left out: that is no news.
        if first || !self.done {
            self.reader.report(Finding::error(place, error.message, error.help));
        }
    }
}

fn key_place(table: &Table, name: &str) -> Option<Place> {
    table
        .get(name)
        .map(|e| e.key)
        .or_else(|| table.values().find_map(|e| e.node.as_table().and_then(|t| key_place(t, name))))
}
