//! Tokens to numbers: looked up in a list, spread over bins by a hash, counted. Primitives: what they do to texts has no
//! meaning in terms of arithmetic.

use serde::{Deserialize, Serialize};

use super::{Family, OpError, OpInfo, OperandTypes, agree, at, family};
use crate::dim::Dim;
use crate::flow::{Flow, Fold, Joint, Role};
use crate::ty::{DType, Type};

/// How tokens are spread over bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// The rest of an integer divided by the number of bins, never negative.
    Remainder,
    /// FarmHash64 of the text; of an integer's decimal digits.
    Farm,
    /// SipHash-2-4 of the same, with a key of two words.
    Sip {
        /// The first word.
        first: i64,
        /// The second word.
        second: i64,
    },
}

family! {
    /// Tokens to numbers.
    Lookup {
        /// The place of each text or integer of `x` in a list, as i64; of one that stands there twice the first place,
        /// -1 for one that does not, or an error of the run where it is `required`.
        Find = "find" ("x", "list") {
            /// Is it an error if an element is not in the list?
            required: bool,
        };
        /// The bin that each text or integer of `x` falls into, from 0 below `bins`, as i64.
        Bucket = "bucket" ("x") {
            /// How many bins there are.
            bins: i64,
            /// What decides.
            by: Spread,
        };
        /// The bin that the elements at the same place of all `parts` fall into together, as i64: a text's FarmHash64 or
        /// an integer itself, joined in the order of the parts.
        Cross = "cross" ("parts*") {
            /// How many bins there are.
            bins: i64,
        };
        /// How often each number from 0 below `size` stands along the last axis of `x`, or the sum of its `weights`;
        /// numbers from `size` on do not count, negative ones are an error of the run.
        Tally = "tally" ("x", "weights?") {
            /// The size of the last axis of the result.
            size: i64,
        };
    }
}

impl Family for Lookup {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let rank = operands.first().copied().flatten().map_or(0, Type::rank) as u32;
        let roles = |(place, operand): (usize, &Option<&Type>)| match (self, place, operand) {
            (_, _, None) => vec![],
            // Of a list, any element may be the one that is found.
            (Lookup::Find { .. }, 1, Some(_)) => at(rank..rank + 1),
            // Every element of a row is counted in one of the columns.
            (Lookup::Tally { .. }, _, Some(_)) if rank > 0 => {
                at(0..rank - 1).into_iter().chain([Role::Scattered(rank - 1)]).collect()
            }
            (_, _, Some(ty)) => at(0..ty.rank() as u32),
        };
        let operands = operands.iter().enumerate().map(roles).collect();
        Flow::Joint(Joint { operands, rank: rank as usize, fold: Fold::EVERY })
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let tokens = |ty: &Type| ty.dtype == DType::Str || ty.dtype.is_int();
        let x = operands.first().copied().flatten();
        let x = x.ok_or_else(|| self.expects("at least one operand", "none"))?;
        if !tokens(x) {
            return Err(self.expects("texts or integers", x));
        }
        match self {
            Lookup::Find { .. } => {
                let list = operands[1].expect("arity was checked");
                if list.rank() != 1 || list.dtype != x.dtype {
                    return Err(self.expects(format!("a list of {}", x.dtype), list));
                }
            }
            Lookup::Bucket { bins, by } => {
                self.check_bins(*bins)?;
                if *by == Spread::Remainder && x.dtype == DType::Str {
                    return Err(self.expects("integers for the rest of a division", x));
                }
            }
            Lookup::Cross { bins } => {
                self.check_bins(*bins)?;
                let differs = |part: &&&Type| !tokens(part) || !agree(&part.shape, &x.shape);
                if let Some(other) = operands.iter().flatten().find(differs) {
                    return Err(self.expects(format!("texts or integers of the shape of {x}"), other));
                }
            }
            Lookup::Tally { size } => return self.tally(x, operands[1], *size),
        }
        Ok(vec![x.with_dtype(DType::I64)])
    }
}

impl Lookup {
    fn check_bins(&self, bins: i64) -> Result<(), OpError> {
        if bins > 0 { Ok(()) } else { Err(self.expects("at least one bin", bins)) }
    }

    fn tally(&self, x: &Type, weights: Option<&Type>, size: i64) -> Result<Vec<Type>, OpError> {
        if x.dtype == DType::Str || x.rank() == 0 || size < 0 {
            return Err(self.expects("integers with an axis, and a size", format!("{x} and {size}")));
        }
        let fits = |weights: &&Type| weights.dtype.is_float() && agree(&weights.shape, &x.shape);
        if let Some(other) = weights.filter(|weights| !fits(weights)) {
            return Err(self.expects(format!("weights, floats of the shape of {x}"), other));
        }
        let mut shape = x.shape.clone();
        shape.pop();
        shape.push(Dim::constant(size));
        Ok(vec![Type { dtype: weights.map_or(DType::I64, |weights| weights.dtype), shape }])
    }
}
