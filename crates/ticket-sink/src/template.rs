//! The templates of a generic desk: compiled once, with a budget, and wrong ones named by their key.

use minijinja::value::Value as Jinja;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;
use std::collections::BTreeMap;

/// The steps one rendering may take: a long body needs some hundreds.
const FUEL: u64 = 50_000;

/// What a template may use.
pub(crate) type Context = BTreeMap<&'static str, Value>;

/// Templates by the key under which they stand in the configuration.
pub(crate) struct Templates {
    environment: Environment<'static>,
}

/// A JSON document whose texts are templates.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    /// The whole body is one text, under this key.
    Text(String),
    /// A JSON value; each text in it is a template under its own key.
    Json(Part),
}

/// A piece of a document.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Stays as it is.
    Literal(Value),
    /// A template, which makes a text.
    Text(String),
    /// One expression, which keeps its type.
    Expression {
        key: String,
        source: String,
    },
    Object(Vec<(String, Part)>),
    Array(Vec<Part>),
}

impl Templates {
    pub(crate) fn new() -> Templates {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("urlencode", |text: String| crate::http::urlencode(&text));
        Templates { environment }
    }

    /// Takes a template in. The error says what is wrong with it.
    pub(crate) fn add(&mut self, key: &str, source: &str) -> Result<(), String> {
        self.environment
            .add_template_owned(key.to_owned(), source.to_owned())
            .map_err(|e| describe(&e))
    }

    /// Takes a body in. The error comes with the key of the text that is wrong.
    pub(crate) fn add_document(
        &mut self,
        key: &str,
        body: &Value,
    ) -> Result<Document, (String, String)> {
        if let Value::String(source) = body {
            self.add(key, source).map_err(|e| (key.to_owned(), e))?;
            return Ok(Document::Text(key.to_owned()));
        }
        Ok(Document::Json(self.add_part(key, body)?))
    }

    fn add_part(&mut self, key: &str, value: &Value) -> Result<Part, (String, String)> {
        Ok(match value {
            Value::String(source) => {
                if let Some(expression) = lone_expression(source) {
                    self.environment
                        .compile_expression(expression)
                        .map_err(|e| (key.to_owned(), describe(&e)))?;
                    Part::Expression { key: key.to_owned(), source: expression.to_owned() }
                } else {
                    self.add(key, source).map_err(|e| (key.to_owned(), e))?;
                    Part::Text(key.to_owned())
                }
            }
            Value::Object(fields) => Part::Object(
                fields
                    .iter()
                    .map(|(name, v)| {
                        Ok((name.clone(), self.add_part(&format!("{key}.{name}"), v)?))
                    })
                    .collect::<Result<_, (String, String)>>()?,
            ),
            Value::Array(items) => Part::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(n, v)| self.add_part(&format!("{key}.{n}"), v))
                    .collect::<Result<_, _>>()?,
            ),
            literal => Part::Literal(literal.clone()),
        })
    }

    /// Renders the template under `key`.
    pub(crate) fn render(&self, key: &str, context: &Context) -> Result<String, String> {
        let wrong = |e| format!("{key}: {}", describe(&e));
        let template = self.environment.get_template(key).map_err(wrong)?;
        template.render(jinja(context)).map_err(wrong)
    }

    /// Renders a body.
    pub(crate) fn render_document(
        &self,
        document: &Document,
        context: &Context,
    ) -> Result<String, String> {
        match document {
            Document::Text(key) => self.render(key, context),
            Document::Json(part) => Ok(self.render_part(part, context)?.to_string()),
        }
    }

    fn render_part(&self, part: &Part, context: &Context) -> Result<Value, String> {
        Ok(match part {
            Part::Literal(value) => value.clone(),
            Part::Text(key) => Value::String(self.render(key, context)?),
            Part::Expression { key, source } => {
                let wrong = |e| format!("{key}: {}", describe(&e));
                let expression = self.environment.compile_expression(source).map_err(wrong)?;
                let value = expression.eval(jinja(context)).map_err(wrong)?;
                if value.is_undefined() {
                    return Err(format!("{key}: there is no {source} here"));
                }
                serde_json::to_value(&value).map_err(|_| format!("{key}: the value is no JSON"))?
            }
            Part::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, part)| Ok((name.clone(), self.render_part(part, context)?)))
                    .collect::<Result<_, String>>()?,
            ),
            Part::Array(parts) => Value::Array(
                parts
                    .iter()
                    .map(|part| self.render_part(part, context))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }
}

fn jinja(context: &Context) -> Jinja {
    Jinja::from(minijinja::value::Serde(context))
}

/// The expression of a text that is `{{ expression }}` and nothing else.
fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then(|| inner.trim())
}

/// What is wrong, without the values that were put in.
fn describe(error: &minijinja::Error) -> String {
    let mut out = error.kind().to_string();
    if let Some(detail) = error.detail() {
        out = format!("{out}: {detail}");
    }
    if let Some(line) = error.line().filter(|l| *l > 1) {
        out = format!("{out} (line {line})");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context() -> Context {
        Context::from([
            ("title", json!("a \"quoted\" é 😀 </script>\n")),
            ("priority", json!(3)),
            ("key", json!("kent-a b&c")),
        ])
    }

    #[test]
    fn a_table_is_json_whatever_stands_in_the_values() {
        let mut t = Templates::new();
        let body = json!({ "a": "[{{ title }}]", "n": "{{ priority }}", "s": "p{{ priority }}", "fix": [1, "{{ title }}"] });
        let doc = t.add_document("create.body", &body).unwrap();
        let out: Value =
            serde_json::from_str(&t.render_document(&doc, &context()).unwrap()).unwrap();
        let title = context()["title"].clone();
        assert_eq!(out["n"], json!(3));
        assert_eq!(out["s"], json!("p3"));
        assert_eq!(out["fix"], json!([1, title]));
        assert_eq!(out["a"], json!(format!("[{}]", title.as_str().unwrap())));
    }

    #[test]
    fn a_text_is_the_whole_body_and_tojson_makes_it_safe() {
        let mut t = Templates::new();
        let doc = t
            .add_document(
                "b",
                &json!("{\"t\": {{ title | tojson }}, \"k\": \"{{ key | urlencode }}\"}"),
            )
            .unwrap();
        let out: Value =
            serde_json::from_str(&t.render_document(&doc, &context()).unwrap()).unwrap();
        assert_eq!(out["t"], context()["title"]);
        assert_eq!(out["k"], json!("kent-a%20b%26c"));
    }

    #[test]
    fn what_is_wrong_is_named_and_a_runaway_template_ends() {
        let mut t = Templates::new();
        let (key, what) =
            t.add_document("create.body", &json!({ "x": { "y": "{{ title" } })).unwrap_err();
        assert_eq!(key, "create.body.x.y");
        assert!(what.contains("syntax error"), "{what}");
        t.add("u", "{{ titel }}").unwrap();
        assert!(t.render("u", &context()).unwrap_err().starts_with("u: undefined value"));
        let doc = t.add_document("v", &json!({ "a": "{{ nothing }}" })).unwrap();
        assert_eq!(
            t.render_document(&doc, &context()).unwrap_err(),
            "v.a: there is no nothing here"
        );
        t.add(
            "loop",
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        )
        .unwrap();
        assert!(t.render("loop", &context()).unwrap_err().contains("fuel"));
    }
}
