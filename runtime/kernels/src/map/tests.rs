//! The numbers are held against the operations' meaning in the package's tests; here: neither blocks nor threads show.

use super::*;
use crate::testing::{Lcg, bits, with_threads};

/// `tanh(x) + select(x < y, x, y * 2)`, with `y` along the last axis alone.
fn code() -> Code {
    let element = |op: Element, kind| Function::Element(op, kind);
    let none = Place::Register(0);
    let step = |function, operands, to| Step { function, operands, to };
    let (x, y) = (Place::Input(0), Place::Input(1));
    let register = Place::Register;
    Code {
        steps: vec![
            step(element(Element::Lt, Kind::F32), [x, y, none], register(0)),
            step(element(Element::Mul, Kind::F32), [y, register(2), none], register(3)),
            step(element(Element::Select, Kind::F32), [register(0), x, register(3)], register(4)),
            step(element(Element::Tanh, Kind::F32), [x, none, none], Place::Output(1)),
            step(element(Element::Add, Kind::F32), [Place::Output(1), register(4), none], Place::Output(0)),
        ],
        constants: vec![Constant { kind: Kind::F32, register: 2, number: 2.0 }],
        inputs: vec![(Kind::F32, 0), (Kind::F32, 1)],
        registers: [5, 0, 0, 0, 1],
    }
}

fn run(x: &[f32], y: &[f32], rows: usize) -> [Vec<f32>; 2] {
    let shape = [rows, y.len()];
    let mut results = [vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]];
    let inputs =
        [Input::new(Elements::F32(x), &shape, &shape), Input::new(Elements::F32(y), &shape[1..], &shape)];
    let [first, second] = &mut results;
    map(&code(), &inputs, vec![Output::F32(first), Output::F32(second)], x.len());
    results
}

#[test]
fn neither_blocks_nor_threads_show() {
    for (rows, columns) in [(1, 1), (3, 5), (1, 700), (200, 333), (3000, 100), (4, 0)] {
        let mut lcg = Lcg::new(rows as u64);
        let (x, y) = (lcg.floats(rows * columns, 3.0), lcg.floats(columns, 1.0));
        let all = run(&x, &y, rows);
        for threads in [2, 3] {
            let threaded = with_threads(threads, || run(&x, &y, rows));
            assert_eq!(threaded.map(|all| bits(&all)), [bits(&all[0]), bits(&all[1])]);
        }
        for row in [0, rows / 2, rows - 1] {
            let part = row * columns..(row + 1) * columns;
            let alone = run(&x[part.clone()], &y, 1);
            assert_eq!(bits(&alone[0]), bits(&all[0][part]));
        }
        for (place, found) in all[0].iter().enumerate() {
            let (x, y) = (x[place], y[place % columns]);
            let want = f64::from(x).tanh() + f64::from(if x < y { x } else { y * 2.0 });
            assert!((f64::from(*found) - want).abs() < 1e-6);
        }
    }
}
