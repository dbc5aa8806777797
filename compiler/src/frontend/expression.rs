//! Expressions of settings: `$units`, `$features // $heads`, `2 * $units + 1`.

use serde_json::{Map, Value as Json};

/// How deep parentheses may lie within one another.
const DEEPEST: u32 = 32;

/// The value of a text with `$` in it: a setting as it is, or a number made of several.
///
/// # Errors
///
/// What was expected where.
pub(super) fn value(text: &str, settings: &Map<String, Json>) -> Result<Json, String> {
    if let Some(name) = text.strip_prefix('$').filter(|name| name.chars().all(in_name)) {
        return settings.get(name).cloned().ok_or_else(|| unknown(name, settings));
    }
    let mut reading = Reading { rest: text, settings, depth: 0 };
    let number = reading.sum()?;
    match reading.blank().is_empty() {
        true => Ok(number.json()),
        false => Err(format!("an operator, found `{}`", brief(reading.rest))),
    }
}

/// Values with every text that has a `$` in it worked out.
pub(super) fn all(json: &Json, settings: &Map<String, Json>) -> Result<Json, String> {
    Ok(match json {
        Json::String(text) if text.contains('$') => value(text, settings)?,
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| all(item, settings)).collect::<Result<_, _>>()?)
        }
        Json::Object(map) => {
            let entry = |(key, item): (&String, &Json)| Ok((key.clone(), all(item, settings)?));
            Json::Object(map.iter().map(entry).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
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

#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    fn json(self) -> Json {
        match self {
            Number::Integer(number) => number.into(),
            Number::Float(number) => masque_ir::Float(number).to_json(),
        }
    }

    fn with(
        self,
        other: Number,
        whole: fn(i64, i64) -> Option<i64>,
        float: fn(f64, f64) -> f64,
    ) -> Result<Number, String> {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => {
                whole(a, b).map(Number::Integer).ok_or_else(|| "a number of 64 bits, found none".to_owned())
            }
            (a, b) => Ok(Number::Float(float(a.float(), b.float()))),
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

    fn sum(&mut self) -> Result<Number, String> {
        let mut left = self.product()?;
        loop {
            left = if self.eat("+") {
                left.with(self.product()?, i64::checked_add, |a, b| a + b)?
            } else if self.eat("-") {
                left.with(self.product()?, i64::checked_sub, |a, b| a - b)?
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self) -> Result<Number, String> {
        let mut left = self.factor()?;
        loop {
            left = if self.eat("*") {
                left.with(self.factor()?, i64::checked_mul, |a, b| a * b)?
            } else if self.eat("//") {
                left.with(self.factor()?, checked_floor, |a, b| (a / b).floor())?
            } else if self.eat("/") {
                Number::Float(left.float() / self.factor()?.float())
            } else {
                return Ok(left);
            }
        }
    }

    fn factor(&mut self) -> Result<Number, String> {
        if self.eat("-") {
            return Number::Integer(0).with(self.deeper(Reading::factor)?, i64::checked_sub, |a, b| a - b);
        }
        let base = self.atom()?;
        if !self.eat("**") {
            return Ok(base);
        }
        // Binds more than a sign before it and less than one behind it, and groups from the right.
        let exponent = self.deeper(Reading::factor)?;
        match exponent {
            Number::Integer(0..) => base.with(exponent, whole_power, f64::powf),
            _ => Ok(Number::Float(base.float().powf(exponent.float()))),
        }
    }

    fn atom(&mut self) -> Result<Number, String> {
        if self.eat("(") {
            let inner = self.deeper(Reading::sum)?;
            return if self.eat(")") { Ok(inner) } else { Err("`)`".to_owned()) };
        }
        if self.eat("$") {
            let name = self.take(in_name).to_owned();
            let value = self.settings.get(&name).ok_or_else(|| unknown(&name, self.settings))?;
            return number(value).ok_or_else(|| {
                format!("a number for `${name}`, found {}", crate::layer::config::brief(value))
            });
        }
        self.blank();
        let digits = self.take(|letter| letter.is_ascii_digit() || letter == '.').to_owned();
        let whole = digits.parse().ok().map(Number::Integer);
        let float = || digits.parse().ok().map(Number::Float);
        whole.or_else(float).ok_or_else(|| format!("a number or a setting, found `{}`", brief(self.rest)))
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Result<Number, String>) -> Result<Number, String> {
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

fn number(value: &Json) -> Option<Number> {
    value.as_i64().map(Number::Integer).or_else(|| value.as_f64().map(Number::Float))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::all;

    #[test]
    fn settings_stand_by_name_and_in_arithmetic() {
        let settings = json!({"units": 7, "heads": 2, "rate": 0.5, "name": "gelu"});
        let worked = |text: &str| all(&json!(text), settings.as_object().unwrap());
        assert_eq!(worked("$name"), Ok(json!("gelu")));
        assert_eq!(worked("gelu"), Ok(json!("gelu")));
        assert_eq!(worked("$units // $heads"), Ok(json!(3)));
        assert_eq!(worked("-$units // $heads"), Ok(json!(-4)));
        assert_eq!(worked("2 * ($units + 1) - 3"), Ok(json!(13)));
        assert_eq!(worked("$units ** -$rate * 1.0"), Ok(json!(7f64.powf(-0.5))));
        assert_eq!(worked("2 * $units ** $heads"), Ok(json!(98)));
        assert_eq!(worked("-$heads ** 2 ** 3"), Ok(json!(-256)));
        assert_eq!(worked("$heads ** -1"), Ok(json!(0.5)));
        for wrong in [
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
