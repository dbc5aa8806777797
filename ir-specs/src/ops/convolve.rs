//! The convolutional layer.

use super::{Elementwise, Family, Op, OpError, OpInfo, OperandTypes, Shape, Window, agree, family};
use crate::activation::Activation;
use crate::program::{Builder, Operand};
use crate::ty::Type;

family! {
    /// The convolutional layer.
    Convolve {
        /// `activation(conv(p, kernel) + bias)`, where `p` is `x` `[B, …, C]` with zeros around and after its positions, as `pad` puts them there.
        Convolve = "convolve" ("x", "kernel", "bias?") {
            /// The distance between windows, for each spatial axis.
            strides: Vec<u32>,
            /// The distance between a window's positions, for each spatial axis.
            dilation: Vec<u32>,
            /// Into how many groups the channels fall; each has its own part of the results.
            groups: u32,
            /// Is there a window for every stride begun, as in `conv`?
            same: bool,
            /// How many zeros are before `x`, for each spatial axis; of a negative number, positions are left out.
            low: Vec<i64>,
            /// How many zeros are after `x`.
            high: Vec<i64>,
            /// How many zeros are after each position of `x`; with any, the convolution is a transposed one.
            spread: Vec<u32>,
            /// What is applied at the end.
            activation: Activation,
        };
    }
}

impl Convolve {
    /// The convolution alone.
    pub fn window(&self) -> Window {
        let Convolve::Convolve { strides, dilation, groups, same, .. } = self;
        Window::Conv { strides: strides.clone(), dilation: dilation.clone(), groups: *groups, same: *same }
    }

    /// Are there zeros around or after the positions?
    pub fn is_padded(&self) -> bool {
        let Convolve::Convolve { low, high, spread, .. } = self;
        low.iter().chain(high).any(|&zeros| zeros != 0) || spread.iter().any(|&zeros| zeros != 0)
    }

    /// What puts the zeros there; `None` where there are none.
    fn pad(&self) -> Option<Shape> {
        let Convolve::Convolve { low, high, spread, .. } = self;
        let around = |zeros: &[i64]| [&[0], zeros, &[0]].concat();
        self.is_padded().then(|| Shape::Pad {
            low: around(low),
            high: around(high),
            spread: [&[0], spread.as_slice(), &[0]].concat(),
        })
    }
}

impl Family for Convolve {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let (x, kernel) = (operands[0].expect("arity was checked"), operands[1].expect("arity was checked"));
        let Convolve::Convolve { low, high, spread, activation, .. } = self;
        let axes = x.rank().saturating_sub(2);
        if [low.len(), high.len(), spread.len()] != [axes; 3] {
            let found = format!("{x} with zeros {low:?}, {high:?} and {spread:?}");
            return Err(self.expects("numbers of zeros for each spatial axis", found));
        }
        let padded = match self.pad() {
            Some(pad) => Op::from(pad).infer(&[Some(x), Some(&Type::scalar(x.dtype))])?.swap_remove(0),
            None => x.clone(),
        };
        let sums = Op::from(self.window()).infer(&[Some(&padded), Some(kernel)])?;
        let filters = &sums[0].shape[sums[0].rank() - 1..];
        if let Some(bias) = operands[2].filter(|bias| bias.dtype != x.dtype || !agree(&bias.shape, filters)) {
            return Err(self.expects(format!("a bias for {}", sums[0]), bias));
        }
        if !activation.fits(sums[0].rank()) {
            return Err(self.expects("the axis that the activation looks along", &sums[0]));
        }
        Ok(sums)
    }

    fn is_composite(&self) -> bool {
        true
    }

    fn decompose(
        &self,
        builder: &mut Builder,
        operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        let Convolve::Convolve { activation, .. } = self;
        let [x, kernel, bias] = operands else { return None };
        Some((|| {
            let zero = builder.number(x, 0.0);
            let padded = match self.pad() {
                Some(pad) => builder.emit(pad, &[x.clone(), zero])?,
                None => x.clone(),
            };
            let mut y = builder.emit(self.window(), &[padded, kernel.clone()])?;
            if *bias != Operand::Absent {
                y = builder.emit(Elementwise::Add, &[y, bias.clone()])?;
            }
            Ok(vec![activation.decompose(builder, y)?])
        })())
    }
}
