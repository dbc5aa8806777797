//! What a program starts from: its inputs, its weights, what it kept of the run before, and arrays known at compile time.

use super::{Family, OpError, OpInfo, OperandTypes, family};
use crate::dim::Names;
use crate::float::Float;
use crate::flow::Flow;
use crate::ty::{DType, Type};

family! {
    /// What a program starts from. The type stands in the attribute: nothing else tells it.
    Leaf {
        /// A tensor that the caller passes.
        Input = "input" () {
            /// Element type and shape.
            ty: Type,
        };
        /// A tensor stored with the model, by name and hash.
        Weight = "weight" () {
            /// Element type and shape, all sizes known.
            ty: Type,
            /// The content's hash; none where a model came without weights.
            hash: Option<String>,
        };
        /// What the last run kept, zeros before the first: the program's output of the same name says what is kept of this one.
        State = "state" () {
            /// Element type and shape, all sizes known.
            ty: Type,
        };
        /// A small array known at compile time, row by row.
        Constant = "constant" () {
            /// Element type and shape, all sizes known.
            ty: Type,
            /// The elements; truth values as 0 and 1.
            values: Vec<Float>,
        };
    }
}

impl Leaf {
    /// Is it part of the program's face, whether anybody reads it or not?
    pub fn is_given(&self) -> bool {
        matches!(self, Leaf::Input { .. } | Leaf::State { .. })
    }
}

impl Family for Leaf {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn renamed(&self, names: &Names) -> Leaf {
        match self {
            Leaf::Input { ty } => Leaf::Input { ty: ty.renamed(names) },
            leaf => leaf.clone(),
        }
    }

    fn flow(&self, _: OperandTypes<'_>) -> Flow<'_> {
        let number = match self {
            Leaf::Constant { values, .. } => match values.as_slice() {
                [first, rest @ ..] if rest.iter().all(|value| value == first) => Some(first.0),
                _ => None,
            },
            _ => None,
        };
        Flow::Given { caller: matches!(self, Leaf::Input { .. }), number }
    }

    fn infer(&self, _: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        match self {
            Leaf::Input { ty } | Leaf::Weight { ty, .. } | Leaf::State { ty } => Ok(vec![ty.clone()]),
            Leaf::Constant { ty, values } => {
                if ty.dtype == DType::Str {
                    return Err(self.expects("a type of numbers", ty));
                }
                let found = values.len() as i64;
                match ty.known_elements() {
                    Some(elements) if elements == found => Ok(vec![ty.clone()]),
                    _ => Err(self.expects(format!("the values of {ty}"), format!("{found} values"))),
                }
            }
        }
    }
}
