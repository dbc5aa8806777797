//! Formulas as MathML, which browsers typeset.

use masque_ir::activation::Activation;
use masque_ir::ops::{Elementwise, Notation, Op};

use super::formula::{Equation, Fold, Formula, Var};
use super::known;
use super::print::{ADD, Form, MUL, PREFIX, Shape, TIGHTEST, notation, number, root, shape, square_root};
use crate::xml::escaped;

/// Equations as one block of MathML, aligned at the sign.
pub fn mathml(equations: &[Equation]) -> String {
    let row = |Equation { left, right }: &Equation| {
        format!(
            "<mtr><mtd>{}</mtd><mtd>{}</mtd><mtd>{}</mtd></mtr>",
            typeset(left),
            sign("="),
            typeset(right)
        )
    };
    let rows: String = equations.iter().map(row).collect();
    format!("<math display=\"block\"><mtable>{rows}</mtable></math>")
}

fn element(tag: &str, text: &str) -> String {
    format!("<{tag}>{}</{tag}>", escaped(text))
}

fn word(text: &str) -> String {
    element("mi", text)
}

fn sign(text: &str) -> String {
    element("mo", text)
}

fn row(parts: &[String]) -> String {
    format!("<mrow>{}</mrow>", parts.concat())
}

fn fraction(above: &str, below: &str) -> String {
    format!("<mfrac>{above}{below}</mfrac>")
}

fn between(open: &str, of: &str, close: &str) -> String {
    row(&[sign(open), of.to_owned(), sign(close)])
}

fn listed(parts: impl IntoIterator<Item = String>) -> String {
    row(&[parts.into_iter().collect::<Vec<_>>().join("<mo separator=\"true\">,</mo>")])
}

/// A name with the indices below it.
fn at(name: String, indices: &[Formula]) -> String {
    match indices {
        [] => name,
        indices => format!("<msub>{name}{}</msub>", listed(indices.iter().map(typeset))),
    }
}

fn call(function: String, of: impl IntoIterator<Item = String>) -> String {
    row(&[function, "<mo>&#x2061;</mo>".to_owned(), between("(", &listed(of), ")")])
}

fn within(formula: &Formula, least: u8) -> String {
    let text = typeset(formula);
    if formula.strength() < least { between("(", &text, ")") } else { text }
}

fn typeset(formula: &Formula) -> String {
    match formula {
        Formula::Number(value) => written(*value),
        Formula::Index(var) => word(&var.name),
        Formula::Size(size) => word(&size.to_string()),
        Formula::Element(name, indices) => at(word(name), indices),
        Formula::Apply(op, of) => operation(op, of),
        Formula::Activation(function, of) => applied(*function, None, of),
        Formula::Fold { kind, over, given, of } => fold(*kind, &running(over, given.as_deref()), of),
        Formula::Along { function, over, given, of } => {
            let given = given.as_ref().map(|(given, _)| &**given);
            applied(*function, Some(running(over, given)), of)
        }
        Formula::Cases(arms, otherwise) => cases(arms, otherwise),
        Formula::Whole { function, of, settings, at: indices } => {
            let settings = settings.iter().map(|(name, value)| setting(name, value));
            at(call(word(function), of.iter().map(typeset).chain(settings)), indices)
        }
        Formula::Free => sign("·"),
    }
}

fn written(value: f64) -> String {
    match root(value) {
        Some(root) => fraction("<mn>1</mn>", &rooted(root)),
        None => element("mn", &number(value, Form::Plain).replace('-', "−")),
    }
}

fn rooted(number: i64) -> String {
    match square_root(number) {
        Some(root) => format!("<mn>{root}</mn>"),
        None => format!("<msqrt><mn>{number}</mn></msqrt>"),
    }
}

fn setting(name: &str, value: &str) -> String {
    element("mtext", &format!("{name} = {value}"))
}

fn applied(function: Activation, running: Option<String>, of: &Formula) -> String {
    let (name, parameters) = known::word(function);
    let name = match running {
        Some(running) => format!("<msub>{}{running}</msub>", word(&name)),
        None => word(&name),
    };
    let parameters = parameters.iter().map(|(name, value)| setting(name, value));
    call(name, std::iter::once(typeset(of)).chain(parameters))
}

/// Indices, and the condition on them.
fn running(over: &[Var], given: Option<&Formula>) -> String {
    let letters = listed(over.iter().map(|var| word(&var.name)));
    match given {
        None => letters,
        Some(given) => row(&[letters, sign(":"), typeset(given)]),
    }
}

fn fold(kind: Fold, running: &str, of: &Formula) -> String {
    let name = match kind {
        Fold::Sum => sign("∑"),
        Fold::Product => sign("∏"),
        Fold::Max => sign("max"),
        Fold::Min => sign("min"),
        Fold::Mean => sign("mean"),
        Fold::Any => sign("any"),
        Fold::All => sign("all"),
        Fold::Count => sign("count"),
    };
    let below = format!("<munder>{name}{running}</munder>");
    match kind {
        Fold::Sum | Fold::Product => row(&[below, within(of, MUL)]),
        _ => call(below, [typeset(of)]),
    }
}

fn cases(arms: &[(Formula, Formula)], otherwise: &Formula) -> String {
    let line =
        |value: &Formula, when: String| format!("<mtr><mtd>{}</mtd><mtd>{when}</mtd></mtr>", typeset(value));
    let arms = arms
        .iter()
        .map(|(value, condition)| line(value, row(&[element("mtext", "where\u{a0}"), typeset(condition)])));
    let rows: String = arms.chain([line(otherwise, element("mtext", "otherwise"))]).collect();
    row(&[sign("{"), format!("<mtable>{rows}</mtable>")])
}

fn operation(op: &Elementwise, of: &[Formula]) -> String {
    match shape(op, of) {
        Some(Shape::Minus(a, b)) => {
            let least = if matches!(b, Formula::Number(_)) { 0 } else { MUL };
            return row(&[within(a, ADD), sign("−"), within(&b, least)]);
        }
        Some(Shape::OverRoot(rest, root)) => {
            return fraction(&typeset(rest), &rooted(root));
        }
        Some(Shape::Between([a, b, c], [low, high])) => {
            return row(&[typeset(a), signs(low), typeset(b), signs(high), typeset(c)]);
        }
        None => {}
    }
    match (op, of) {
        (Elementwise::Div, [a, b]) => fraction(&typeset(a), &typeset(b)),
        (Elementwise::Pow, [a, b]) => format!("<msup>{}{}</msup>", within(a, TIGHTEST), typeset(b)),
        (Elementwise::Sqrt, [a]) => format!("<msqrt>{}</msqrt>", typeset(a)),
        (Elementwise::Abs, [a]) => between("|", &typeset(a), "|"),
        (Elementwise::Floor, [a]) => between("⌊", &typeset(a), "⌋"),
        (Elementwise::FloorDiv, [a, b]) => between("⌊", &fraction(&typeset(a), &typeset(b)), "⌋"),
        (Elementwise::Mod, [a, b]) => {
            between("(", &row(&[within(a, MUL), sign("mod"), within(b, MUL + 1)]), ")")
        }
        (Elementwise::Cast { .. }, [a]) => call(word("int"), [typeset(a)]),
        (op, of) => by_notation(op, of),
    }
}

fn by_notation(op: &Elementwise, of: &[Formula]) -> String {
    match (notation(op), of) {
        (Notation::Infix { strength, .. }, [a, b]) => {
            let strength = strength * 2;
            let associative = matches!(op, Elementwise::And | Elementwise::Or);
            let right = if associative { strength } else { strength + 1 };
            row(&[within(a, strength), signs(op), within(b, right)])
        }
        (Notation::Prefix { symbol, .. }, [a]) => row(&[sign(symbol.trim()), within(a, PREFIX)]),
        _ => call(word(Op::from(op.clone()).info().mnemonic), of.iter().map(typeset)),
    }
}

fn signs(op: &Elementwise) -> String {
    match notation(op) {
        Notation::Infix { symbol: "-", .. } => sign("−"),
        Notation::Infix { symbol: symbol @ ("and" | "or"), .. } => {
            element("mtext", &format!("\u{a0}{symbol}\u{a0}"))
        }
        Notation::Infix { symbol, .. } => sign(symbol),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masque_ir::dim::Dim;

    /// The signs that a reader sees, without the elements.
    fn read(formula: &Formula) -> String {
        let text = typeset(formula);
        text.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
    }

    #[test]
    fn what_is_typeset_reads_as_the_text_does() {
        let t = Var { name: "t".to_owned(), size: Dim::symbol("T") };
        let x = Formula::Element("x".to_owned(), vec![Formula::Index(t.clone())]);
        let sum = Formula::Apply(Elementwise::Add, vec![x.clone(), Formula::Number(-1.0)]);
        let product = Formula::Apply(Elementwise::Mul, vec![sum.clone(), x.clone()]);
        assert_eq!(read(&product), "(xt−1)·xt");
        assert_eq!(read(&Formula::fold(Fold::Sum, vec![t.clone()], sum.clone())), "∑t(xt−1)");
        let below = Formula::Apply(Elementwise::Lt, vec![x.clone(), Formula::Number(3.0)]);
        assert_eq!(read(&below), "xt&lt;3");
        let cases = Formula::Cases(vec![(x, below)], Box::new(Formula::Number(f64::NEG_INFINITY)));
        assert_eq!(read(&cases), "{xtwhere\u{a0}xt&lt;3−∞otherwise");
    }

    #[test]
    fn a_fraction_needs_no_parentheses() {
        let a = Formula::Element("a<b".to_owned(), vec![]);
        let sum = Formula::Apply(Elementwise::Add, vec![a.clone(), a.clone()]);
        let over = Formula::Apply(Elementwise::Div, vec![sum, a]);
        let name = "<mi>a&lt;b</mi>";
        assert_eq!(typeset(&over), format!("<mfrac><mrow>{name}<mo>+</mo>{name}</mrow>{name}</mfrac>"));
    }
}
