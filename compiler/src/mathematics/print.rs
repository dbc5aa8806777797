//! Formulas as plain text and as LaTeX.

use masque_ir::activation::Activation;
use masque_ir::ops::{Elementwise, Notation, Op};

use super::formula::{Equation, Fold, Formula, Var};
use super::known;

/// How mathematics is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Plain text.
    Plain,
    /// Aligned equations in LaTeX.
    Latex,
    /// Markdown with LaTeX in it.
    Markdown,
}

/// How many columns an equation may take.
const COLUMNS: usize = 98;

/// Up to how many columns conditions are aligned behind values.
const WIDEST_VALUE: usize = 60;

/// How tightly a sum over an index binds: more than a sum of two, less than a product.
const FOLD: u8 = 9;
pub(super) const ADD: u8 = 8;
pub(super) const MUL: u8 = 10;
pub(super) const PREFIX: u8 = 13;
pub(super) const TIGHTEST: u8 = 20;

impl Formula {
    pub(super) fn strength(&self) -> u8 {
        match self {
            Formula::Apply(op, of) => match (notation(op), of.as_slice()) {
                (_, [_, Formula::Number(number)]) if *op == Elementwise::Add && *number < 0.0 => ADD,
                (_, [Formula::Number(number), _]) if *op == Elementwise::Mul && root(*number).is_some() => {
                    MUL
                }
                (Notation::Infix { strength, .. }, _) => strength * 2,
                (Notation::Prefix { .. }, _) => PREFIX,
                _ => TIGHTEST,
            },
            Formula::Fold { kind: Fold::Sum | Fold::Product, .. } => FOLD,
            Formula::Number(number) if *number < 0.0 => PREFIX - 1,
            Formula::Number(number) if root(*number).is_some() => MUL,
            Formula::Size(size) if size.as_symbol().is_none() => ADD,
            _ => TIGHTEST,
        }
    }

    fn within(&self, least: u8, form: Form) -> String {
        match (self.strength() < least, form) {
            (false, form) => self.text(form),
            (true, Form::Plain) => format!("({})", self.text(form)),
            (true, _) => format!(r"\left( {}\right)", self.text(form)),
        }
    }

    /// The formula as text, or as LaTeX for math mode.
    pub fn text(&self, form: Form) -> String {
        let plain = form == Form::Plain;
        match self {
            Formula::Number(value) => number(*value, form),
            Formula::Index(var) => var.name.clone(),
            Formula::Size(size) if plain => size.to_string(),
            Formula::Size(size) => size.to_string().replace("floor", r"\operatorname{floor}"),
            Formula::Element(name, at) => {
                let name = if plain { name.clone() } else { identifier(name) };
                match (at.as_slice(), plain) {
                    ([], _) => name,
                    (at, true) => format!("{name}[{}]", places(at, form)),
                    (at, false) => format!("{name}_{{{}}}", places(at, form)),
                }
            }
            Formula::Apply(op, of) => operation(op, of, form),
            Formula::Activation(function, of) => applied(*function, "", of, form),
            Formula::Fold { kind, over, given, of } => fold(*kind, over, given.as_deref(), of, form),
            Formula::Along { function, over, given, of } => {
                let given = given.as_ref().map(|(given, _)| &**given);
                applied(*function, &running(over, given, form), of, form)
            }
            Formula::Cases(arms, otherwise) if plain => {
                let arms = arms.iter().map(|(value, condition)| {
                    format!("{} where {}; ", value.text(form), condition.text(form))
                });
                format!("({}otherwise {})", arms.collect::<String>(), otherwise.text(form))
            }
            Formula::Cases(arms, otherwise) => {
                let arms = arms.iter().map(|(value, condition)| {
                    format!(r"{} & \text{{if }} {} \\ ", value.text(form), condition.text(form))
                });
                let otherwise = otherwise.text(form);
                format!(
                    r"\begin{{cases}} {}{otherwise} & \text{{otherwise}} \end{{cases}}",
                    arms.collect::<String>()
                )
            }
            Formula::Whole { function, of, settings, at } => {
                let of = of.iter().map(|of| of.text(form));
                let of = of.chain(settings.iter().map(|(name, value)| setting(name, value, form)));
                let call = call(function, &of.collect::<Vec<_>>().join(", "), form);
                match (at.as_slice(), plain) {
                    ([], _) => call,
                    (at, true) => format!("{call}[{}]", places(at, form)),
                    (at, false) => format!("{call}_{{{}}}", places(at, form)),
                }
            }
            Formula::Free => if plain { "·" } else { r"\cdot" }.to_owned(),
        }
    }
}

fn list(parts: &[Formula], form: Form, between: &str) -> String {
    parts.iter().map(|part| part.text(form)).collect::<Vec<_>>().join(between)
}

/// Indices, with no more space in them than they need.
fn places(at: &[Formula], form: Form) -> String {
    let place = |index: &Formula| match index {
        Formula::Apply(Elementwise::Mod, of) if form == Form::Plain => {
            let side = |part: &Formula| match part.strength() < MUL {
                true => format!("({})", tight(part)),
                false => tight(part),
            };
            format!("{} mod {}", side(&of[0]), side(&of[1]))
        }
        index if form == Form::Plain => tight(index),
        index => index.text(form),
    };
    at.iter().map(place).collect::<Vec<_>>().join(",")
}

fn tight(index: &Formula) -> String {
    let text = index.text(Form::Plain);
    if !index.is_index() {
        return text;
    }
    [" + ", " - ", " · ", " / "].iter().fold(text, |text, sign| text.replace(sign, sign.trim()))
}

pub(super) fn notation(op: &Elementwise) -> Notation {
    Op::from(op.clone()).notation(&[])
}

fn setting(name: &str, value: &str, form: Form) -> String {
    match form {
        Form::Plain => format!("{name} = {value}"),
        _ => format!(r"\text{{{}}}", escaped(&format!("{name} = {value}"))),
    }
}

fn call(function: &str, of: &str, form: Form) -> String {
    match form {
        Form::Plain => format!("{function}({of})"),
        _ => format!(r"\operatorname{{{}}}\left( {of}\right)", escaped(function)),
    }
}

fn applied(function: Activation, running: &str, of: &Formula, form: Form) -> String {
    let (word, parameters) = known::word(function);
    let parameters = parameters.iter().map(|(name, value)| setting(name, value, form));
    let of = std::iter::once(of.text(form)).chain(parameters).collect::<Vec<_>>().join(", ");
    match form {
        Form::Plain => format!("{word}{running}({of})"),
        _ => format!(r"\operatorname{{{}}}{running}\left( {of}\right)", escaped(&word)),
    }
}

/// The indices below a sign, and the condition on them.
fn running(over: &[Var], given: Option<&Formula>, form: Form) -> String {
    let letters = over.iter().map(|var| var.name.as_str()).collect::<Vec<_>>().join(",");
    match (given, form) {
        (None, Form::Plain) if over.len() == 1 => format!("_{letters}"),
        (None, _) => format!("_{{{letters}}}"),
        (Some(given), Form::Plain) => format!("_{{{letters} : {}}}", given.text(form)),
        (Some(given), _) => format!(r"_{{{letters} \,:\, {}}}", given.text(form)),
    }
}

fn fold(kind: Fold, over: &[Var], given: Option<&Formula>, of: &Formula, form: Form) -> String {
    let plain = form == Form::Plain;
    let (sign, latex) = match kind {
        Fold::Sum => ("Σ", r"\sum"),
        Fold::Product => ("Π", r"\prod"),
        Fold::Max => ("max", r"\max"),
        Fold::Min => ("min", r"\min"),
        Fold::Mean => ("mean", r"\operatorname{mean}"),
        Fold::Any => ("any", r"\operatorname{any}"),
        Fold::All => ("all", r"\operatorname{all}"),
        Fold::Count => ("count", r"\operatorname{count}"),
    };
    let sign = format!("{}{}", if plain { sign } else { latex }, running(over, given, form));
    match kind {
        Fold::Sum | Fold::Product => format!("{sign} {}", of.within(MUL, form)),
        _ if plain => format!("{sign}({})", of.text(form)),
        _ => format!(r"{sign} \left( {}\right)", of.text(form)),
    }
}

/// What an operation is written as, where that is not its own sign or word.
pub(super) enum Shape<'a> {
    /// A difference.
    Minus(&'a Formula, Formula),
    /// What is divided by the root of a number.
    OverRoot(&'a Formula, i64),
    /// `a ≤ b < c`: what is compared, and by which operations.
    Between([&'a Formula; 3], [&'a Elementwise; 2]),
}

/// Finds what is written in another way than it is built.
pub(super) fn shape<'a>(op: &Elementwise, of: &'a [Formula]) -> Option<Shape<'a>> {
    match (op, of) {
        (Elementwise::Add, [a, Formula::Number(number)]) if *number < 0.0 => {
            Some(Shape::Minus(a, Formula::Number(-number)))
        }
        (Elementwise::Add, [a, Formula::Apply(Elementwise::Mul, parts)]) => match parts.as_slice() {
            [Formula::Number(-1.0), rest] => Some(Shape::Minus(a, rest.clone())),
            [Formula::Number(number), rest] if *number < 0.0 && root(*number).is_none() => {
                let product = vec![Formula::Number(-number), rest.clone()];
                Some(Shape::Minus(a, Formula::Apply(Elementwise::Mul, product)))
            }
            _ => None,
        },
        (Elementwise::Mul, [Formula::Number(factor), rest]) => {
            root(*factor).map(|root| Shape::OverRoot(rest, root))
        }
        (Elementwise::And, [Formula::Apply(low, a), Formula::Apply(high, b)])
            if a.len() == 2 && b.len() == 2 && a[1] == b[0] && is_order(low) && is_order(high) =>
        {
            Some(Shape::Between([&a[0], &a[1], &b[1]], [low, high]))
        }
        _ => None,
    }
}

fn shaped(shape: &Shape, form: Form) -> String {
    match shape {
        Shape::Minus(a, b) => {
            let least = if matches!(b, Formula::Number(_)) { 0 } else { MUL };
            format!("{} - {}", a.within(ADD, form), b.within(least, form))
        }
        Shape::OverRoot(rest, root) if form == Form::Plain => {
            format!("{} / {}", rest.within(MUL, form), rooted(*root, form))
        }
        Shape::OverRoot(rest, root) => format!(r"\frac{{{}}}{{{}}}", rest.text(form), rooted(*root, form)),
        Shape::Between([a, b, c], [low, high]) => {
            let [a, b, c] = [a, b, c].map(|part| part.text(form));
            format!("{a} {} {b} {} {c}", signs(low, form), signs(high, form))
        }
    }
}

fn operation(op: &Elementwise, of: &[Formula], form: Form) -> String {
    let plain = form == Form::Plain;
    if let Some(shape) = shape(op, of) {
        return shaped(&shape, form);
    }
    match (op, of) {
        (Elementwise::Div, [a, b]) if !plain => format!(r"\frac{{{}}}{{{}}}", a.text(form), b.text(form)),
        (Elementwise::Pow, [a, Formula::Number(2.0)]) if plain => format!("{}²", a.within(TIGHTEST, form)),
        (Elementwise::Pow, [a, b]) if !plain => format!("{}^{{{}}}", a.within(TIGHTEST, form), b.text(form)),
        (Elementwise::Sqrt, [a]) => match plain {
            true => format!("√{}", bracketed(a)),
            false => format!(r"\sqrt{{{}}}", a.text(form)),
        },
        (Elementwise::Abs, [a]) => format!("|{}|", a.text(form)),
        (Elementwise::FloorDiv, [a, b]) => match plain {
            true => format!("floor({} / {})", a.within(MUL, form), b.within(MUL + 1, form)),
            false => format!(r"\left\lfloor \frac{{{}}}{{{}}} \right\rfloor", a.text(form), b.text(form)),
        },
        (Elementwise::Floor, [a]) if !plain => format!(r"\left\lfloor {} \right\rfloor", a.text(form)),
        (Elementwise::Mod, [a, b]) => {
            let (a, b) = (a.within(MUL, form), b.within(MUL + 1, form));
            if plain { format!("({a} mod {b})") } else { format!(r"\left( {a} \bmod {b}\right)") }
        }
        (Elementwise::Cast { .. }, [a]) => call("int", &a.text(form), form),
        (op, of) => by_notation(op, of, form),
    }
}

fn by_notation(op: &Elementwise, of: &[Formula], form: Form) -> String {
    match (notation(op), of) {
        (Notation::Infix { strength, .. }, [a, b]) => {
            let strength = strength * 2;
            let associative = matches!(op, Elementwise::And | Elementwise::Or);
            let right = b.within(if associative { strength } else { strength + 1 }, form);
            format!("{} {} {right}", a.within(strength, form), signs(op, form))
        }
        (Notation::Prefix { symbol, latex }, [a]) => {
            format!("{}{}", if form == Form::Plain { symbol } else { latex }, a.within(PREFIX, form))
        }
        _ => call(Op::from(op.clone()).info().mnemonic, &list(of, form, ", "), form),
    }
}

fn is_order(op: &Elementwise) -> bool {
    matches!(op, Elementwise::Le | Elementwise::Lt)
}

fn signs(op: &Elementwise, form: Form) -> &'static str {
    match (notation(op), form) {
        (Notation::Infix { symbol, .. }, Form::Plain) => symbol,
        (Notation::Infix { latex, .. }, _) => latex,
        _ => "",
    }
}

/// What a root is taken of: in parentheses, unless it is a number or a name.
fn bracketed(of: &Formula) -> String {
    match of {
        Formula::Number(_) | Formula::Element(..) | Formula::Index(_) => of.text(Form::Plain),
        of => format!("({})", of.text(Form::Plain)),
    }
}

/// The `n` of `1/√n`, where a number is that and would be long otherwise.
pub(super) fn root(number: f64) -> Option<i64> {
    let square = 1.0 / (number * number);
    let whole = square.round();
    let long = number > 0.0 && number.to_string().len() > 6;
    (long && (2.0..=65536.0).contains(&whole) && (square - whole).abs() < whole * 1e-7)
        .then_some(whole as i64)
}

/// The root of a square, or the root as a sign.
fn rooted(number: i64, form: Form) -> String {
    match (square_root(number), form) {
        (Some(root), _) => root.to_string(),
        (None, Form::Plain) => format!("√{number}"),
        (None, _) => format!(r"\sqrt{{{number}}}"),
    }
}

/// The root of a number that is a square.
pub(super) fn square_root(number: i64) -> Option<i64> {
    let root = (number as f64).sqrt().round() as i64;
    (root * root == number).then_some(root)
}

pub(super) fn number(value: f64, form: Form) -> String {
    let plain = form == Form::Plain;
    if let Some(root) = root(value) {
        let root = rooted(root, form);
        return if plain { format!("1/{root}") } else { format!(r"\frac{{1}}{{{root}}}") };
    }
    let sign = if value < 0.0 { "-" } else { "" };
    match value.abs() {
        size if size.is_infinite() => format!("{sign}{}", if plain { "∞" } else { r"\infty" }),
        size if size.is_nan() => if plain { "NaN" } else { r"\mathrm{NaN}" }.to_owned(),
        size if size != 0.0 && !(1e-4..1e7).contains(&size) => {
            let text = format!("{value:e}");
            match text.split_once('e') {
                Some((digits, power)) if !plain => {
                    let factor = match digits {
                        "1" => String::new(),
                        "-1" => "-".to_owned(),
                        digits => format!(r"{digits} \cdot "),
                    };
                    format!("{factor}10^{{{power}}}")
                }
                _ => text,
            }
        }
        _ => value.to_string(),
    }
}

/// A name as LaTeX: one letter is slanted, a word stands upright.
fn identifier(name: &str) -> String {
    if name.chars().count() == 1 && name.chars().all(char::is_alphabetic) {
        return name.to_owned();
    }
    format!(r"\mathrm{{{}}}", escaped(name))
}

/// Text in which LaTeX sees nothing but text.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '_' | '%' | '$' | '#' | '&' | '{' | '}' => escaped.extend(['\\', letter]),
            '\\' => escaped.push_str(r"\backslash "),
            '~' | '^' => escaped.push_str(&format!(r"\{letter}{{}}")),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl Equation {
    /// As lines of plain text: cases one below the other.
    pub fn plain(&self) -> Vec<String> {
        let left = format!("{} =", self.left.text(Form::Plain));
        let right = match &self.right {
            Formula::Cases(arms, otherwise) => rows(arms, otherwise),
            right => vec![right.text(Form::Plain)],
        };
        let wide = |text: &String| text.chars().count();
        let margin = wide(&left) + 1;
        if margin + right.iter().map(wide).max().unwrap_or(0) > COLUMNS {
            let indented = right.iter().map(|row| format!("    {row}"));
            return std::iter::once(left).chain(indented).collect();
        }
        let mut rows = right.into_iter();
        let first = format!("{left} {}", rows.next().unwrap_or_default());
        std::iter::once(first).chain(rows.map(|row| format!("{}{row}", " ".repeat(margin)))).collect()
    }

    /// As LaTeX, to be aligned at the sign.
    pub fn latex(&self) -> String {
        format!("{} &= {}", self.left.text(Form::Latex), self.right.text(Form::Latex))
    }
}

/// Values and their conditions, one below the other.
fn rows(arms: &[(Formula, Formula)], otherwise: &Formula) -> Vec<String> {
    let values = arms.iter().map(|(value, _)| value).chain([otherwise]);
    let values: Vec<String> = values.map(|value| value.text(Form::Plain)).collect();
    let conditions = arms.iter().map(|(_, condition)| format!("where {}", condition.text(Form::Plain)));
    let conditions = conditions.chain(["otherwise".to_owned()]);
    let width = values.iter().map(|value| value.chars().count()).max().unwrap_or(0).min(WIDEST_VALUE);
    values.iter().zip(conditions).map(|(value, condition)| format!("{value:width$}   {condition}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use masque_ir::dim::Dim;

    fn x(name: &str) -> Formula {
        Formula::Element(name.to_owned(), vec![])
    }

    fn of(op: Elementwise, a: &Formula, b: &Formula) -> Formula {
        Formula::Apply(op, vec![a.clone(), b.clone()])
    }

    #[test]
    fn parentheses_are_where_they_are_needed() {
        use Elementwise::{Add, Div, Mul, Pow, Sub};
        let [a, b, c] = ["a", "b", "c"].map(x);
        let sum = of(Add, &a, &b);
        assert_eq!(of(Mul, &sum, &c).text(Form::Plain), "(a + b) · c");
        assert_eq!(of(Add, &sum, &c).text(Form::Plain), "a + b + c");
        assert_eq!(of(Sub, &c, &sum).text(Form::Plain), "c - (a + b)");
        assert_eq!(of(Div, &a, &of(Mul, &b, &c)).text(Form::Plain), "a / (b · c)");
        assert_eq!(of(Pow, &sum, &Formula::Number(2.0)).text(Form::Plain), "(a + b)²");
        assert_eq!(of(Div, &sum, &c).text(Form::Latex), r"\frac{a + b}{c}");
    }

    #[test]
    fn a_sum_reaches_as_far_as_a_product() {
        let t = Var { name: "t".to_owned(), size: Dim::symbol("T") };
        let [a, b] = ["a", "b"].map(x);
        let product = of(Elementwise::Mul, &a, &b);
        let sum = |of: Formula| Formula::fold(Fold::Sum, vec![t.clone()], of);
        assert_eq!(of(Elementwise::Add, &sum(product.clone()), &a).text(Form::Plain), "Σ_t a · b + a");
        assert_eq!(of(Elementwise::Mul, &sum(product), &a).text(Form::Plain), "(Σ_t a · b) · a");
        assert_eq!(sum(of(Elementwise::Add, &a, &b)).text(Form::Plain), "Σ_t (a + b)");
    }

    #[test]
    fn names_are_only_names_in_latex() {
        assert_eq!(x("x_%y").text(Form::Latex), r"\mathrm{x\_\%y}");
        assert_eq!(x("h").text(Form::Latex), "h");
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        let written = |number: f64| Formula::Number(number).text(Form::Plain);
        assert_eq!(written(1.0), "1");
        assert_eq!(written(0.5773502691896258), "1/√3");
        assert_eq!(written(1.0 / 3.0), "1/3");
        assert_eq!(written(f64::NEG_INFINITY), "-∞");
        assert_eq!(written(-1e9), "-1e9");
        assert_eq!(Formula::Number(-1e9).text(Form::Latex), "-10^{9}");
    }
}
