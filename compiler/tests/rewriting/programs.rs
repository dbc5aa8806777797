//! Whole programs: optimized, they are sound, mean the same to the last bit, and are optimal already.

use masque::rewrite::{Limits, optimize};
use masque_ir::activation::Activation;
use masque_ir::dim::Bindings;
use masque_ir::float::Float;
use masque_ir::ops::{Activate, Dense, Elementwise, Op, Pool, Recurrent, RecurrentOptions, Reduce, Shape};
use masque_ir::program::{Builder, Operand, Program};
use masque_ir::{DType, Dim, Semantics, Type, verify};

use super::random::Random;
use super::{assert_same_meaning, text};

const PROGRAMS: u64 = 400;

/// Features of every sequence.
const WIDTH: i64 = 2;

#[test]
fn optimized_programs_mean_the_same() {
    let mut compared = 0;
    for seed in 0..PROGRAMS {
        let program = program(&mut Random::new(seed));
        let (optimized, _) = optimize(&program, Limits::DEFAULT);
        verify::program(&optimized).unwrap_or_else(|wrong| panic!("{wrong}\n{}", text(&optimized)));
        for (batch, steps) in [(2, 3), (1, 1), (0, 2), (2, 0)] {
            let sizes = Bindings::from([("B".into(), batch), ("T".into(), steps)]);
            compared += u64::from(assert_same_meaning(&program, &optimized, &sizes, seed));
        }
        assert_eq!(program.input_types(), optimized.input_types(), "inputs stay, in order");
    }
    assert!(compared > 3 * PROGRAMS, "only {compared} runs could be compared");
}

#[test]
fn an_optimized_program_is_its_own_optimized_program() {
    for seed in 0..PROGRAMS {
        let program = program(&mut Random::new(seed));
        let (once, _) = optimize(&program, Limits::DEFAULT);
        let (twice, _) = optimize(&once, Limits::DEFAULT);
        assert_eq!(text(&once), text(&twice), "from\n{}", text(&program));
    }
}

#[test]
fn the_same_program_gives_the_same_bytes() {
    for seed in 0..PROGRAMS / 4 {
        let program = program(&mut Random::new(seed));
        let (first, second) = (optimize(&program, Limits::DEFAULT), optimize(&program, Limits::DEFAULT));
        assert_eq!(text(&first.0), text(&second.0));
        assert_eq!(first.1, second.1);
    }
}

fn sizes(text: &str) -> Vec<Dim> {
    text.split_whitespace().map(|size| size.parse().unwrap()).collect()
}

/// A program over masks `[B, T]` and sequences `[B, T, 2]`.
struct Growing<'r> {
    random: &'r mut Random,
    builder: Builder,
    masks: Vec<Operand>,
    sequences: Vec<Operand>,
    others: Vec<Operand>,
}

fn program(random: &mut Random) -> Program {
    let mut builder = Builder::new("random", Semantics::Keras3_15);
    let ids = builder.input("ids", Type::new(DType::I32, sizes("B T")));
    let floats = Type::new(DType::F32, sizes(&format!("B T {WIDTH}")));
    let x = builder.input("nested/x", floats.clone());
    let y = builder.input("y", floats);
    builder.input("unused", Type::new(DType::F64, sizes("B")));
    let zero = builder.number(&ids, 0.0);
    let mask = builder.emit(Elementwise::Ne, &[ids, zero]).unwrap();
    let ones = builder.number(&mask, 1.0);
    let ones = builder.emit(Shape::Broadcast { shape: sizes("B T").into() }, &[ones]).unwrap();
    let mut growing =
        Growing { random, builder, masks: vec![mask, ones], sequences: vec![x, y], others: vec![] };
    for place in 0..growing.random.below(16) {
        let layer = growing.random.pick(&["a", "b", "a/inner", "c/inner"]);
        growing.builder.set_scope(format!("{layer}{}", place / 3));
        growing.step();
    }
    growing.finish()
}

impl Growing<'_> {
    fn step(&mut self) {
        match self.random.below(9) {
            0 | 1 => self.mask(),
            2 => self.recurrent(),
            3 => self.dense(),
            4 => self.moved(),
            5 => self.reduced(),
            _ => self.elementwise(),
        }
    }

    fn emit(&mut self, op: impl Into<Op>, operands: &[Operand]) -> Operand {
        self.builder.emit(op, operands).unwrap()
    }

    fn either(&mut self, ops: &[Elementwise], operands: &[Operand]) -> Operand {
        let op = self.random.pick(ops);
        self.emit(op, operands)
    }

    fn sequence(&mut self) -> Operand {
        self.random.pick(&self.sequences)
    }

    fn some_mask(&mut self) -> Operand {
        self.random.pick(&self.masks)
    }

    fn mask(&mut self) {
        let (a, b) = (self.some_mask(), self.some_mask());
        let made = match self.random.below(4) {
            0 => self.emit(Elementwise::Not, &[a]),
            1 => {
                let number = self.builder.number(&a, self.random.pick(&[0.0, 1.0]));
                self.either(&[Elementwise::And, Elementwise::Or], &[a, number])
            }
            2 => {
                let there = self.emit(Elementwise::Cast { to: DType::F32 }, &[a]);
                self.emit(Elementwise::Cast { to: DType::Bool }, &[there])
            }
            _ => self.either(&[Elementwise::And, Elementwise::Or, Elementwise::Eq], &[a, b]),
        };
        self.masks.push(made);
    }

    fn elementwise(&mut self) {
        let (x, y) = (self.sequence(), self.sequence());
        let made = match self.random.below(5) {
            0 => {
                let mask = self.some_mask();
                let mask = self.builder.trail_axes(&mask, 3).unwrap();
                self.emit(Elementwise::Select, &[mask, x, y])
            }
            1 => self.emit(Elementwise::Neg, &[x]),
            2 => {
                let number = self.builder.number(&x, self.random.pick(&[0.0, -0.0, 1.0, 0.1]));
                self.either(&[Elementwise::Sub, Elementwise::Mul, Elementwise::Add], &[x, number])
            }
            _ => self.either(&[Elementwise::Add, Elementwise::Max, Elementwise::Min], &[x, y]),
        };
        let mask = self.some_mask().value().filter(|_| self.random.once_in(2));
        self.builder.set_mask(&made, mask);
        self.sequences.push(made);
    }

    fn dense(&mut self) {
        let x = self.sequence();
        let (kernel, bias) = (Type::new(DType::F32, sizes("2 2")), Type::new(DType::F32, sizes("2")));
        let kernel = self.builder.weight("kernel", kernel, None);
        let bias = self.builder.weight("layer/bias", bias, None);
        let dense = self.emit(Dense::Dense { activation: Activation::Linear }, &[x, kernel, bias]);
        let activated = self.emit(Activate::Activate { f: Activation::RELU }, std::slice::from_ref(&dense));
        self.sequences.push(activated);
        if self.random.once_in(3) {
            self.sequences.push(dense);
        }
    }

    /// Moved away and back, or nearly so.
    fn moved(&mut self) {
        let x = self.sequence();
        let turned = self.random.pick(&[vec![0, 1, 2], vec![2, 1, 0], vec![1, 2, 0]]);
        let there: [Shape; 4] = [
            Shape::Transpose { perm: turned.clone() },
            Shape::Reshape { shape: sizes("B*T 2").into() },
            Shape::Reverse { axis: 1 },
            Shape::Slice { axis: 1, start: 0.into(), stop: Dim::symbol("T"), step: 1 },
        ];
        let mut inverse = vec![0; 3];
        turned.iter().enumerate().for_each(|(place, axis)| inverse[*axis as usize] = place as u32);
        let back: [Shape; 4] = [
            Shape::Transpose { perm: inverse },
            Shape::Reshape { shape: sizes("B T 2").into() },
            Shape::Reverse { axis: self.random.below(2) as u32 },
            Shape::Concat { axis: 0 },
        ];
        let kind = self.random.below(4);
        let there = self.emit(there[kind].clone(), &[x]);
        let made = self.emit(back[kind].clone(), &[there]);
        if self.random.once_in(2) {
            self.builder.rename(&made, "layer");
        }
        self.sequences.push(made);
    }

    fn reduced(&mut self) {
        let (x, mask) = (self.sequence(), self.some_mask());
        let made = match self.random.below(2) {
            0 => self.emit(Pool::MeanOverTime { keep: false }, &[x, mask]),
            _ => self.emit(Reduce::ReduceMax { axes: vec![1], keep: false }, &[x]),
        };
        self.others.push(made);
    }

    fn recurrent(&mut self) {
        let options = RecurrentOptions {
            activation: Activation::Tanh,
            sequences: self.random.once_in(2),
            states: self.random.once_in(2),
            backwards: self.random.once_in(2),
            in_order: self.random.once_in(2),
            zero_masked: self.random.once_in(2),
        };
        let gate = Activation::Sigmoid;
        let lstm = self.random.once_in(2);
        let (op, columns) = match lstm {
            true => (Recurrent::Lstm { options, recurrent_activation: gate }, "2 8"),
            false => (Recurrent::Gru { options, recurrent_activation: gate, reset_after: true }, "2 6"),
        };
        let ty = Type::new(DType::F32, sizes(columns));
        let x = self.sequence();
        let (kernel, inner) =
            (self.builder.weight("kernel", ty.clone(), None), self.builder.weight("recurrent", ty, None));
        let mask = if self.random.once_in(3) { Operand::Absent } else { self.some_mask() };
        let mut operands = vec![x, kernel, inner, Operand::Absent, mask, Operand::Absent];
        operands.extend(lstm.then_some(Operand::Absent));
        operands.extend([Operand::Absent, Operand::Absent]);
        for result in self.builder.emit_all(op, &operands).unwrap() {
            match self.builder.type_of(&result).rank() {
                3 => self.sequences.push(result),
                _ => self.others.push(result),
            }
        }
    }

    fn finish(mut self) -> Program {
        let all = [self.masks, self.sequences, self.others].concat();
        for place in 0..1 + self.random.below(3) {
            // The last ones are made of most others.
            let back = self.random.below(all.len().min(6));
            self.builder.output(format!("output_{place}"), all[all.len() - 1 - back].clone());
        }
        let epsilon =
            Operand::Literal(masque_ir::program::Literal { dtype: DType::F32, number: Float(1e-3) });
        self.builder.output("number", epsilon);
        self.builder.finish()
    }
}
