//! Every key of a configuration, as its schema has it: what it is, what it means, what it is if nobody says.

use foxhold_runtime::config::{Key, Reading, SECRET_FORMAT, meant};
use serde_json::Value;

/// What stands for an item of a list in a key.
const ITEM: &str = "[]";
/// What stands for a name that an operator chooses.
const NAME: &str = "NAME";
/// How a choice of words is told.
const ONE_OF: &str = "one of ";

/// When a change of a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// The value is read again while the process runs.
    Value,
    /// The file it names is.
    File,
}

impl Reload {
    fn of(schema: &Value) -> Option<Self> {
        match schema["x-reload"].as_str()? {
            "value" => Some(Self::Value),
            _ => Some(Self::File),
        }
    }

    /// In words.
    pub(crate) const fn in_words(reload: Option<Self>) -> &'static str {
        match reload {
            Some(Self::Value) => "read again while it runs",
            Some(Self::File) => "the file is read again while it runs; another path needs a restart",
            None => "needs a restart",
        }
    }
}

/// A key of a role.
#[derive(Debug, Clone)]
pub(crate) struct KnownKey {
    levels: Vec<String>,
    /// What it is, in words.
    pub(crate) kind: String,
    /// What it means.
    pub(crate) text: String,
    /// What it is if nobody says.
    pub(crate) default: Option<Value>,
    /// Whether it must be given.
    pub(crate) is_required: bool,
    /// Whether it is the path of a secret.
    pub(crate) is_secret: bool,
    /// When a change counts.
    pub(crate) reload: Option<Reload>,
}

impl KnownKey {
    /// As documents have it: `keys[].file`.
    pub(crate) fn name(&self) -> String {
        let mut name = String::new();
        for level in &self.levels {
            if level != ITEM && !name.is_empty() {
                name.push('.');
            }
            name.push_str(level);
        }
        name
    }

    /// The key itself, with what stands for items and names.
    pub(crate) fn key(&self) -> Key {
        Key::of(self.levels.clone())
    }

    /// The key as a configuration has it, once for each item of its lists that `asked` means; or itself, if there is none.
    pub(crate) fn instances(&self, asked: &Key, reading: &Reading) -> Vec<Key> {
        if self.fits(asked) {
            return vec![asked.clone()];
        }
        let mut found = instances(&self.levels, reading);
        if asked.levels().iter().any(|level| is_place(level)) {
            found.retain(|key| key.levels().starts_with(asked.levels()));
        }
        if found.is_empty() {
            found.push(self.key());
        }
        found
    }

    /// Whether a key of a configuration is this one.
    pub(crate) fn fits(&self, key: &Key) -> bool {
        self.levels.len() == key.levels().len() && self.is_in(key)
    }

    /// Whether it is this one or a table around it.
    pub(crate) fn is_in(&self, key: &Key) -> bool {
        let fits = |(own, given): (&String, &String)| own == given || own == NAME || own == ITEM;
        let given = key.levels();
        if given.iter().any(|level| is_place(level)) {
            return given.len() <= self.levels.len() && self.levels.iter().zip(given).all(fits);
        }
        // Whoever writes `keys.file` means that of every item.
        let own: Vec<_> = self.levels.iter().filter(|level| *level != ITEM).collect();
        given.len() <= own.len() && own.into_iter().zip(given).all(fits)
    }

    /// Takes what another shape of the same table has for it: other words, that is.
    fn is_also(&mut self, other: &Self) -> bool {
        let words = other.kind.strip_prefix(ONE_OF).unwrap_or_default();
        if self.kind.starts_with(ONE_OF) && !words.is_empty() && !self.kind.contains(words) {
            self.kind = format!("{}, {words}", self.kind);
        }
        true
    }

    /// In words.
    pub(crate) fn default_in_words(&self) -> String {
        match &self.default {
            _ if self.is_required => "none: it must be given".to_owned(),
            None | Some(Value::Null) => "-".to_owned(),
            Some(value) => value.to_string(),
        }
    }
}

fn is_place(level: &str) -> bool {
    level.parse::<usize>().is_ok()
}

/// A key for each item that the lists in it have.
fn instances(levels: &[String], reading: &Reading) -> Vec<Key> {
    let Some(at) = levels.iter().position(|level| level == ITEM) else {
        return vec![Key::of(levels.to_vec())];
    };
    let numbered = (0_usize..).map(|place| {
        let mut one = levels.to_vec();
        one[at] = place.to_string();
        one
    });
    numbered
        .take_while(|one| !reading.said(&Key::of(one[..=at].to_vec())).is_empty())
        .flat_map(|one| instances(&one, reading))
        .collect()
}

/// All keys that a schema knows, by name.
pub(crate) fn known(schema: &Value) -> Vec<KnownKey> {
    let walk = Walk { root: schema };
    let mut found = Vec::new();
    walk.table(&[], schema, None, &mut found);
    found.sort_by_key(KnownKey::name);
    found.dedup_by(|again, first| first.name() == again.name() && first.is_also(again));
    found
}

/// What to do for somebody who wrote `given`, which is no key.
pub(crate) fn nearest(given: &str, known: &[KnownKey]) -> String {
    let names: Vec<_> = known.iter().map(KnownKey::name).collect();
    match meant(given, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`? docs/configuration.md lists all"),
        None => "docs/configuration.md lists all; --role says whose".to_owned(),
    }
}

struct Walk<'a> {
    root: &'a Value,
}

impl<'a> Walk<'a> {
    /// The keys of a table; of one that has several shapes, those of all of them.
    fn table(&self, at: &[String], schema: &'a Value, reload: Option<Reload>, found: &mut Vec<KnownKey>) {
        let required = schema["required"].as_array();
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
            self.key(&deeper(at, name), below, is_required, reload, found);
        }
        // What a table is beside its own keys.
        let others = shapes(schema).into_iter().chain(self.referred(schema));
        others.for_each(|other| self.table(at, other, reload, found));
    }

    fn referred(&self, schema: &Value) -> Option<&'a Value> {
        let place = schema["$ref"].as_str()?.strip_prefix('#')?;
        self.root.pointer(place)
    }

    fn key(
        &self,
        at: &[String],
        schema: &'a Value,
        is_required: bool,
        reload: Option<Reload>,
        found: &mut Vec<KnownKey>,
    ) {
        let reload = Reload::of(schema).or(reload);
        let meant = self.meaning(schema);
        if self.has_keys(meant) {
            let first = found.len();
            self.table(at, meant, reload, found);
            // The word that tells tables apart means what all of them are for.
            let silent = found[first..].iter_mut().filter(|key| key.text.is_empty());
            return silent.for_each(|key| key.text = description(meant));
        }
        let items = self.meaning(&meant["items"]);
        if self.has_keys(items) {
            return self.table(&deeper(at, ITEM), items, reload, found);
        }
        let named = self.meaning(&meant["additionalProperties"]);
        if self.has_keys(named) {
            return self.table(&deeper(at, NAME), named, reload, found);
        }
        let own = Some(description(schema)).filter(|text| !text.is_empty());
        found.push(KnownKey {
            levels: at.to_vec(),
            kind: self.kind(meant),
            text: own.unwrap_or_else(|| description(meant)),
            default: schema.get("default").cloned(),
            is_required,
            is_secret: is_secret(meant) || is_secret(items),
            reload,
        });
    }

    fn has_keys(&self, schema: &Value) -> bool {
        let is_table = |schema: &Value| {
            schema["properties"]
                .as_object()
                .is_some_and(|keys| !keys.is_empty())
        };
        // Tables that a word in them tells apart are tables; the others choose between words and tables, and are values.
        let by_word = |shape: &&Value| {
            shape["required"].as_array().is_some_and(|keys| {
                keys.iter().any(|key| {
                    key.as_str()
                        .is_some_and(|key| shape["properties"][key]["const"].is_string())
                })
            })
        };
        let shapes = shapes(schema);
        is_table(schema) || (shapes.len() > 1 && shapes.iter().all(by_word))
    }

    /// Where a reference leads, and what stands beside `null`.
    fn meaning(&self, schema: &'a Value) -> &'a Value {
        if let Some(there) = self.referred(schema) {
            return self.meaning(there);
        }
        let mut others = shapes(schema).into_iter().filter(|shape| shape["type"] != "null");
        match (others.next(), others.next()) {
            (Some(only), None) => self.meaning(only),
            _ => schema,
        }
    }

    fn kind(&self, schema: &'a Value) -> String {
        let words = choices(schema);
        if !words.is_empty() {
            return format!("{ONE_OF}{}", words.join(", "));
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("string") if is_secret(schema) => "path of a secret's file".to_owned(),
            Some("string") => "text".to_owned(),
            Some("integer") => bounded(schema),
            Some("number") => "number".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => format!("list: {}", self.kind(self.meaning(&schema["items"]))),
            Some("object") => format!(
                "table: {} by name",
                self.kind(self.meaning(&schema["additionalProperties"]))
            ),
            _ => "a word, or a table".to_owned(),
        }
    }
}

fn deeper(at: &[String], level: &str) -> Vec<String> {
    let mut levels = at.to_vec();
    levels.push(level.to_owned());
    levels
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str();
    text.unwrap_or_default().replace('\n', " ")
}

fn is_secret(schema: &Value) -> bool {
    schema["format"] == SECRET_FORMAT
}

fn shapes(schema: &Value) -> Vec<&Value> {
    let of = |name: &str| schema[name].as_array().into_iter().flatten();
    of("oneOf").chain(of("anyOf")).collect()
}

/// A whole number, with the bounds that it has beside those of its type.
fn bounded(schema: &Value) -> String {
    let of_type = match schema["format"].as_str() {
        Some("uint8") => 255,
        Some("uint16") => 65_535,
        _ => u64::MAX,
    };
    let least = schema["minimum"].as_u64().unwrap_or_default();
    let most = schema["maximum"].as_u64().filter(|most| *most != of_type);
    match (least, most) {
        (least, Some(most)) => format!("number, {least} to {most}"),
        (0, None) => "number".to_owned(),
        (least, None) => format!("number, {least} or more"),
    }
}

/// The words that may stand there, if it is one of several.
fn choices(schema: &Value) -> Vec<String> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let words = |schema: &Value| -> Vec<String> {
        let one = schema.get("const").into_iter();
        let several = schema["enum"].as_array().into_iter().flatten();
        one.chain(several).map(Value::to_string).collect()
    };
    let listed = schema
        .get("const")
        .into_iter()
        .chain(listed)
        .map(Value::to_string);
    let of_shapes: Vec<_> = shapes(schema).into_iter().map(words).collect();
    if of_shapes.iter().any(Vec::is_empty) {
        return listed.collect();
    }
    listed.chain(of_shapes.into_iter().flatten()).collect()
}
