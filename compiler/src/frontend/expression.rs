//! Expressions of settings: `$units`, `$features // $heads`, `$inputs_shape[-1] + 1`, `not $causal or $heads == 1`.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use crate::layer::config::brief as shown;

/// How deep parentheses may lie within one another.
const DEEPEST: u32 = 32;

/// The value of a text with `$` in it: a setting as it is, or what is worked out of several.
///
/// # Errors
///
/// What was expected where.
pub(super) fn value(text: &str, settings: &Map<String, Json>) -> Result<Json, String> {
    if let Some(name) = text.strip_prefix('$').filter(|name| name.chars().all(in_name)) {
        return settings.get(name).cloned().ok_or_else(|| unknown(name, settings));
    }
    let mut reading = Reading { rest: text, settings, depth: 0 };
    let value = reading.chosen()?;
    match reading.blank().is_empty() {
        true => Ok(value.json()),
        false => Err(format!("an operator, found `{}`", brief(reading.rest))),
    }
}

/// Values with every text that has a `$` in it worked out, as long as there is room for what they come to.
pub(super) fn all(json: &Json, settings: &Map<String, Json>, room: &mut Room) -> Result<Json, String> {
    room.take(1)?;
    Ok(match json {
        Json::String(text) if text.contains('$') => {
            let value = value(text, settings).map_err(|wrong| placed(wrong, json))?;
            room.take(within(&value))?;
            value
        }
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| all(item, settings, room)).collect::<Result<_, _>>()?)
        }
        Json::Object(map) => {
            let entry = |(key, item): (&String, &Json)| Ok((key.clone(), all(item, settings, room)?));
            Json::Object(map.iter().map(entry).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// How many values lie within one.
fn within(json: &Json) -> u64 {
    match json {
        Json::Array(items) => items.iter().map(|item| 1 + within(item)).sum(),
        Json::Object(map) => map.values().map(|item| 1 + within(item)).sum(),
        _ => 0,
    }
}

/// How many calls and values may still come out of the descriptions for a model: a list of two lists of two lists grows
/// fast.
#[derive(Debug)]
pub(super) struct Room(u64);

impl Room {
    const LARGEST: u64 = 1 << 20;

    pub(super) fn new() -> Room {
        Room(Room::LARGEST)
    }

    /// Takes some of it, if it is there.
    pub(super) fn take(&mut self, count: u64) -> Result<(), String> {
        let most = Room::LARGEST;
        self.0 = self.0.checked_sub(count).ok_or_else(|| {
            format!("at most {most} calls and values from descriptions in a model, found more")
        })?;
        Ok(())
    }
}

/// The same words with the text that they are about.
fn placed(wrong: String, text: &Json) -> String {
    match wrong.split_once(", found ") {
        Some((expected, found)) => format!("{expected} in {}, found {found}", shown(text)),
        None => wrong,
    }
}

fn in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn brief(text: &str) -> String {
    text.chars().take(20).collect()
}

fn unknown(name: &str, settings: &Map<String, Json>) -> String {
    let known: Vec<&str> = settings.keys().map(String::as_str).collect();
    format!("a setting of the layer ({}), found `${}`", known.join(", "), brief(name))
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Integer(i64),
    Float(f64),
    /// A text, true or false, nothing, or a list.
    Other(Json),
}

impl Value {
    fn of(json: &Json) -> Value {
        let whole = json.as_i64().map(Value::Integer);
        whole.or_else(|| json.as_f64().map(Value::Float)).unwrap_or_else(|| Value::Other(json.clone()))
    }

    fn json(self) -> Json {
        match self {
            Value::Integer(number) => number.into(),
            Value::Float(number) => masque_ir::Float(number).to_json(),
            Value::Other(json) => json,
        }
    }

    fn number(self) -> Result<Number, String> {
        match self {
            Value::Integer(number) => Ok(Number::Integer(number)),
            Value::Float(number) => Ok(Number::Float(number)),
            Value::Other(json) => Err(format!("a number, found {}", shown(&json))),
        }
    }

    fn length(self) -> Result<i64, String> {
        match self {
            Value::Other(Json::Array(items)) => Ok(items.len() as i64),
            other => Err(format!("a list, found {}", shown(&other.json()))),
        }
    }

    fn truth(self) -> Result<bool, String> {
        match self {
            Value::Other(Json::Bool(truth)) => Ok(truth),
            other => Err(format!("true or false, found {}", shown(&other.json()))),
        }
    }

    fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Integer(a), Value::Float(b)) | (Value::Float(b), Value::Integer(a)) => *a as f64 == *b,
            (a, b) => a == b,
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Other(truth.into())
    }
}

#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f64),
}

impl From<Number> for Value {
    fn from(number: Number) -> Value {
        match number {
            Number::Integer(number) => Value::Integer(number),
            Number::Float(number) => Value::Float(number),
        }
    }
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    fn with(
        self,
        other: Number,
        whole: fn(i64, i64) -> Option<i64>,
        float: fn(f64, f64) -> f64,
    ) -> Result<Value, String> {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => {
                whole(a, b).map(Value::Integer).ok_or_else(|| "a number of 64 bits, found none".to_owned())
            }
            (a, b) => Ok(Value::Float(float(a.float(), b.float()))),
        }
    }
}

struct Reading<'a> {
    rest: &'a str,
    settings: &'a Map<String, Json>,
    depth: u32,
}

impl Reading<'_> {
    fn blank(&mut self) -> &str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn eat(&mut self, mark: &str) -> bool {
        match self.blank().strip_prefix(mark).map(str::len) {
            Some(length) => {
                self.rest = &self.rest[self.rest.len() - length..];
                true
            }
            None => false,
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let ends = |rest: &str| !rest.starts_with(in_name);
        self.blank().strip_prefix(word).is_some_and(ends) && self.eat(word)
    }

    /// `a if condition else b`
    fn chosen(&mut self) -> Result<Value, String> {
        let value = self.either()?;
        if !self.eat_word("if") {
            return Ok(value);
        }
        let holds = self.either()?.truth()?;
        if !self.eat_word("else") {
            return Err("`else`".to_owned());
        }
        let other = self.deeper(Reading::chosen)?;
        Ok(if holds { value } else { other })
    }

    fn either(&mut self) -> Result<Value, String> {
        let mut left = self.both()?;
        while self.eat_word("or") {
            let right = self.both()?.truth()?;
            left = (left.truth()? || right).into();
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Value, String> {
        let mut left = self.compared()?;
        while self.eat_word("and") {
            let right = self.compared()?.truth()?;
            left = (left.truth()? && right).into();
        }
        Ok(left)
    }

    fn compared(&mut self) -> Result<Value, String> {
        if self.eat_word("not") {
            let truth = self.deeper(Reading::compared)?.truth()?;
            return Ok((!truth).into());
        }
        let left = self.sum()?;
        for (mark, wanted) in [("==", true), ("!=", false)] {
            if self.eat(mark) {
                return Ok((left.equals(&self.sum()?) == wanted).into());
            }
        }
        for mark in ["<=", ">=", "<", ">"] {
            if self.eat(mark) {
                let right = self.sum()?.number()?.float();
                let order = left.number()?.float().partial_cmp(&right);
                return Ok(order.is_some_and(|order| mark_holds(mark, order)).into());
            }
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Value, String> {
        let mut left = self.product()?;
        loop {
            left = if self.eat("+") {
                left.number()?.with(self.product()?.number()?, i64::checked_add, |a, b| a + b)?
            } else if self.eat("-") {
                left.number()?.with(self.product()?.number()?, i64::checked_sub, |a, b| a - b)?
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self) -> Result<Value, String> {
        let mut left = self.factor()?;
        loop {
            left = if self.eat("*") {
                left.number()?.with(self.factor()?.number()?, i64::checked_mul, |a, b| a * b)?
            } else if self.eat("//") {
                left.number()?.with(self.factor()?.number()?, checked_floor, |a, b| (a / b).floor())?
            } else if self.eat("/") {
                Value::Float(left.number()?.float() / self.factor()?.number()?.float())
            } else {
                return Ok(left);
            }
        }
    }

    fn factor(&mut self) -> Result<Value, String> {
        if self.eat("-") {
            let negated = self.deeper(Reading::factor)?.number()?;
            return Number::Integer(0).with(negated, i64::checked_sub, |a, b| a - b);
        }
        let base = self.atom()?;
        if !self.eat("**") {
            return Ok(base);
        }
        // Binds more than a sign before it and less than one behind it, and groups from the right.
        let (base, exponent) = (base.number()?, self.deeper(Reading::factor)?.number()?);
        match exponent {
            Number::Integer(0..) => base.with(exponent, whole_power, f64::powf),
            _ => Ok(Value::Float(base.float().powf(exponent.float()))),
        }
    }

    fn atom(&mut self) -> Result<Value, String> {
        if self.eat("(") {
            let inner = self.deeper(Reading::chosen)?;
            return if self.eat(")") { Ok(inner) } else { Err("`)`".to_owned()) };
        }
        if self.eat("$") {
            let name = self.take(in_name).to_owned();
            let value = self.settings.get(&name).ok_or_else(|| unknown(&name, self.settings))?;
            return self.items(&name, value);
        }
        if self.blank().starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            return self.word();
        }
        let digits = self.take(|letter| letter.is_ascii_digit() || letter == '.').to_owned();
        let whole = digits.parse().ok().map(Value::Integer);
        let float = || digits.parse().ok().map(Value::Float);
        whole.or_else(float).ok_or_else(|| format!("a number or a setting, found `{}`", brief(self.rest)))
    }

    fn word(&mut self) -> Result<Value, String> {
        let word = self.take(in_name).to_owned();
        Ok(match word.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            "null" => Value::Other(Json::Null),
            "len" if self.blank().starts_with('(') => Value::Integer(self.atom()?.length()?),
            "log" if self.blank().starts_with('(') => Value::Float(self.atom()?.number()?.float().ln()),
            _ => Value::Other(word.into()),
        })
    }

    /// `[-1]`, `[config]`: items of a list, counted from the end below zero, and members of an object. Nothing has nothing
    /// in it.
    fn items(&mut self, name: &str, value: &Json) -> Result<Value, String> {
        let mut value = value.clone();
        while self.eat("[") {
            let place = self.deeper(Reading::sum)?;
            if !self.eat("]") {
                return Err("`]`".to_owned());
            }
            let item = match (&value, &place) {
                (Json::Null, _) => Some(&Json::Null),
                (Json::Array(items), Value::Integer(place @ ..0)) => {
                    items.len().checked_sub(place.unsigned_abs() as usize).and_then(|place| items.get(place))
                }
                (Json::Array(items), Value::Integer(place)) => items.get(*place as usize),
                (Json::Object(members), Value::Other(Json::String(key))) => members.get(key),
                _ => None,
            };
            let missing = || {
                format!("`${name}` with an item {}, found {}", shown(&place.clone().json()), shown(&value))
            };
            value = item.ok_or_else(missing)?.clone();
        }
        Ok(Value::of(&value))
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("at most {DEEPEST} parentheses, signs and powers within one another"));
        }
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> &str {
        let end = self.rest.find(|letter| !accept(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn mark_holds(mark: &str, order: Ordering) -> bool {
    match mark {
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        _ => order.is_gt(),
    }
}

fn whole_power(base: i64, exponent: i64) -> Option<i64> {
    match base {
        0 | 1 => Some(if exponent == 0 { 1 } else { base }),
        -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}

fn checked_floor(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Room, all};

    #[test]
    fn settings_stand_by_name_and_in_arithmetic() {
        let settings = json!({"units": 7, "heads": 2, "rate": 0.5, "name": "gelu", "on": true, "none": null, "inner": {"units": [5]}, "shape": [null, 4, 6]});
        let worked = |text: &str| all(&json!(text), settings.as_object().unwrap(), &mut Room::new());
        assert_eq!(worked("$name"), Ok(json!("gelu")));
        assert_eq!(worked("gelu"), Ok(json!("gelu")));
        assert_eq!(worked("$units // $heads"), Ok(json!(3)));
        assert_eq!(worked("-$units // $heads"), Ok(json!(-4)));
        assert_eq!(worked("2 * ($units + 1) - 3"), Ok(json!(13)));
        assert_eq!(worked("$units ** -$rate * 1.0"), Ok(json!(7f64.powf(-0.5))));
        assert_eq!(worked("2 * $units ** $heads"), Ok(json!(98)));
        assert_eq!(worked("-$heads ** 2 ** 3"), Ok(json!(-256)));
        assert_eq!(worked("$heads ** -1"), Ok(json!(0.5)));
        assert_eq!(worked("$shape[-1] // $heads"), Ok(json!(3)));
        assert_eq!(worked("$shape[$heads - 1]"), Ok(json!(4)));
        assert_eq!(worked("$inner[units][0] if $inner != null else $units"), Ok(json!(5)));
        assert_eq!(worked("1 + ($none[units][0] if $none != null else $units)"), Ok(json!(8)));
        assert_eq!(worked("$shape[0]"), Ok(json!(null)));
        assert_eq!(worked("len($shape) - len($inner[units])"), Ok(json!(2)));
        assert_eq!(worked("log($units) * 2"), Ok(json!(7f64.ln() * 2.0)));
        for (condition, holds) in [
            ("not $on", false),
            ("$on and $heads == 2.0", true),
            ("$name == gelu and not ($units < 7 or $none != null)", true),
            ("not $on or $name != gelu", false),
            ("$name == 2", false),
            ("$rate >= 0.5", true),
        ] {
            assert_eq!(worked(condition), Ok(json!(holds)), "{condition}");
        }
        for wrong in [
            "not $units",
            "$on and 1",
            "$name < 2",
            "$shape[3]",
            "$shape[-4]",
            "$shape[0] + 1",
            "$inner[heads]",
            "1 if $units else 2",
            "1 if $on",
            "$shape[1.0]",
            "$shape[-1",
            "$shape + 1",
            "len($units)",
            "len($none)",
            "$units ** 99",
            "$unit",
            "$units +",
            "$units $heads",
            "($units",
            "$name + 1",
            "$units // 0",
            "9e9$units",
        ] {
            assert!(worked(wrong).is_err(), "{wrong}");
        }
        assert!(worked(&format!("{}$units", "(".repeat(99))).is_err());
    }
}
