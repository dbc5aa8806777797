//! `Resizing` and `CenterCrop`: images of another size.
//!
//! However an image is resized, each position of the result is a sum of a few positions along the height with their
//! weights, and the same again along the width. These positions and weights are known as soon as the sizes are; how they
//! are found is told in [`super::taps`].

use masque_ir::float::Float;
use masque_ir::ops::{Elementwise, Index, Leaf, OpError, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::image_augmentation::images;
use super::spatial::losing;
use super::taps::{Interpolation, Taps};
use crate::layer::{Arguments, Config, ConfigError, Layer, Scope, ShapeError, Signature, infer_by_lowering};

losing!(CENTER_CROP, "CenterCrop", center_crop);
losing!(RESIZING, "Resizing", resizing);

/// The largest height and width of images.
const LARGEST_IMAGE: i64 = 1 << 14;

/// Where the height is among the axes, and how the ends of the image are named.
#[derive(Clone, Copy, Debug)]
struct Frame {
    channels_first: bool,
    size: [i64; 2],
}

impl Frame {
    fn parse(config: &mut Config) -> Result<Frame, ConfigError> {
        let formats = [("channels_last", false), ("channels_first", true)];
        let channels_first = config.word("data_format", false, &formats)?;
        let mut size = [0; 2];
        for (key, size) in ["height", "width"].iter().zip(&mut size) {
            *size = config.size(key)?;
            if *size > LARGEST_IMAGE {
                return Err(ConfigError::new(key, format!("at most {LARGEST_IMAGE}"), &(*size).into()));
            }
        }
        Ok(Frame { channels_first, size })
    }

    /// The axis of the height; that of the width comes behind it.
    fn axis(self, rank: usize) -> usize {
        rank - if self.channels_first { 2 } else { 3 }
    }

    /// Height and width of the images, which must be known.
    fn found(self, x: &Type) -> Result<[i64; 2], ShapeError> {
        let axis = self.axis(x.rank());
        let known = |axis: usize| x.shape[axis].known().filter(|size| (1..=LARGEST_IMAGE).contains(size));
        match (known(axis), known(axis + 1)) {
            (Some(height), Some(width)) => Ok([height, width]),
            _ => Err(ShapeError::new("images whose height and width are known", x)),
        }
    }

    /// The same where the lowering is: the types were looked at before.
    fn sizes(self, scope: &Scope<'_>, x: &Operand) -> Result<[i64; 2], OpError> {
        let refused =
            |error: ShapeError| OpError { op: "slice", expected: error.expected, found: error.found };
        self.found(&scope.builder.type_of(x)).map_err(refused)
    }

    /// What is left of the images when only so many positions from a start on are kept.
    fn cut(
        self,
        scope: &mut Scope<'_>,
        mut x: Operand,
        start: [i64; 2],
        size: [i64; 2],
    ) -> Result<Operand, OpError> {
        let axis = self.axis(scope.builder.type_of(&x).rank()) as u32;
        for (place, (start, size)) in start.into_iter().zip(size).enumerate() {
            let (start, stop) = (Dim::constant(start), Dim::constant(start + size));
            let slice = Shape::Slice { axis: axis + place as u32, start, stop, step: 1 };
            x = scope.builder.emit(slice, &[x])?;
        }
        Ok(x)
    }

    /// The largest part in the middle that has the shape of the target.
    fn middle(self, scope: &mut Scope<'_>, x: Operand) -> Result<Operand, OpError> {
        let found @ [height, width] = self.sizes(scope, &x)?;
        let fits = self.fitting(found);
        let kept = [fits[0].clamp(1, height), fits[1].clamp(1, width)];
        self.cut(scope, x, [(height - kept[0]) / 2, (width - kept[1]) / 2], kept)
    }

    /// The height that goes with the width, and the other way round, for the shape of the target.
    fn fitting(self, [height, width]: [i64; 2]) -> [i64; 2] {
        let ratio = |size: i64, to: i64, of: i64| (size.saturating_mul(to) as f32 / of as f32) as i64;
        [ratio(width, self.size[0], self.size[1]), ratio(height, self.size[1], self.size[0])]
    }

    /// With a value around the images, until they have the shape of the target.
    fn surrounded(self, scope: &mut Scope<'_>, x: Operand, value: f64) -> Result<Operand, OpError> {
        let found = self.sizes(scope, &x)?;
        let fits = self.fitting(found);
        let rank = scope.builder.type_of(&x).rank();
        let (mut low, axis) = (vec![0; rank], self.axis(rank));
        for place in 0..2 {
            low[axis + place] = (fits[place].max(found[place]) - found[place]) / 2;
        }
        let value = scope.builder.number(&x, value);
        scope.builder.emit(Shape::Pad { high: low.clone(), low, spread: vec![0; rank] }, &[x, value])
    }

    /// Images of the target's size, as floats.
    fn resized(self, scope: &mut Scope<'_>, x: Operand, by: Interpolation) -> Result<Operand, OpError> {
        let (found, axis) = (self.sizes(scope, &x)?, self.axis(scope.builder.type_of(&x).rank()));
        if found == self.size {
            return Ok(x);
        }
        let mut x = scope.float(&x)?;
        for (place, (found, wanted)) in found.into_iter().zip(self.size).enumerate() {
            let taps = Taps::new(by, found, wanted);
            x = tapped(scope, x, axis + place, &taps)?;
        }
        Ok(x)
    }
}

/// Along an axis, the sum of some positions with their weights for each position of the result.
fn tapped(scope: &mut Scope<'_>, x: Operand, axis: usize, taps: &Taps) -> Result<Operand, OpError> {
    let rank = scope.builder.type_of(&x).rank() as u32;
    let axis = axis as u32;
    let to_front: Vec<u32> = [axis].into_iter().chain((0..rank).filter(|&other| other != axis)).collect();
    let mut back = vec![0; rank as usize];
    for (place, &axis) in to_front.iter().enumerate() {
        back[axis as usize] = place as u32;
    }
    let shape = [taps.size(), taps.each()].map(|size| Dim::constant(size as i64));
    let table = scope.builder.emit(Shape::Transpose { perm: to_front }, &[x])?;
    let places = taps.places.iter().map(|&place| Float(place as f64)).collect();
    let places = Leaf::Constant { ty: Type::new(DType::I64, shape.clone()), values: places };
    let places = scope.builder.emit(places, &[])?;
    let picked = scope.builder.emit(Index::Gather, &[table, places])?;
    let weights = taps.weights.iter().map(|&weight| Float(f64::from(weight))).collect();
    let weights =
        scope.builder.emit(Leaf::Constant { ty: Type::new(DType::F32, shape), values: weights }, &[])?;
    let weights = scope.builder.trail_axes(&weights, rank as usize + 1)?;
    let weighted = scope.builder.emit(Elementwise::Mul, &[picked, weights])?;
    let sum = scope.builder.emit(Reduce::Sum { axes: vec![1], keep: false }, &[weighted])?;
    scope.builder.emit(Shape::Transpose { perm: back }, &[sum])
}

#[derive(Debug)]
struct Resizing {
    frame: Frame,
    interpolation: Interpolation,
    crop: bool,
    /// What is put around the images.
    pad: Option<f64>,
}

fn resizing(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["bounding_box_format"]);
    let antialias = config.bool("antialias", false)?;
    let words = Interpolation::words(antialias);
    let interpolation = config.word("interpolation", Interpolation::linear(antialias), &words)?;
    config.word("fill_mode", (), &[("constant", ())])?;
    let fill = config.float("fill_value", 0.0)?.0;
    let (crop, pad) =
        (config.bool("crop_to_aspect_ratio", false)?, config.bool("pad_to_aspect_ratio", false)?);
    if crop && pad {
        return Err(ConfigError::new(
            "pad_to_aspect_ratio",
            "false where the other one is true",
            &true.into(),
        ));
    }
    Ok(Box::new(Resizing { frame: Frame::parse(config)?, interpolation, crop, pad: pad.then_some(fill) }))
}

impl Resizing {
    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let x = images(arguments)?;
        self.frame.found(x)?;
        // How far an integer goes is no longer known here, and Keras cuts what goes beyond.
        if !x.dtype.is_float() && self.interpolation.overshoots() {
            return Err(ShapeError::new("images of floats for this interpolation", x));
        }
        Ok(())
    }
}

impl Layer for Resizing {
    fn signature(&self) -> Signature {
        Signature::of(&["data", "training"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = arguments.data()[0].clone();
        let dtype = scope.builder.type_of(&x).dtype;
        if self.crop {
            x = self.frame.middle(scope, x)?;
        }
        if let Some(value) = self.pad {
            x = self.frame.surrounded(scope, x, value)?;
        }
        let mut y = self.frame.resized(scope, x, self.interpolation)?;
        if dtype.is_int() && scope.builder.type_of(&y).dtype == DType::F32 {
            y = super::rounding::half_to_even(scope, y)?;
        }
        Ok(vec![scope.cast(&y, dtype)?])
    }
}

#[derive(Debug)]
struct CenterCrop {
    frame: Frame,
}

fn center_crop(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["bounding_box_format"]);
    Ok(Box::new(CenterCrop { frame: Frame::parse(config)? }))
}

impl Layer for CenterCrop {
    fn signature(&self) -> Signature {
        Signature::of(&["data", "training"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        images(arguments).and_then(|x| self.frame.found(x))?;
        infer_by_lowering(self, arguments)
    }

    /// Images that are too small are cut to the right shape and made larger.
    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let found = self.frame.sizes(scope, &x)?;
        let margin = [found[0] - self.frame.size[0], found[1] - self.frame.size[1]];
        if margin.iter().all(|&margin| margin >= 0) {
            return Ok(vec![self.frame.cut(scope, x, margin.map(|margin| margin / 2), self.frame.size)?]);
        }
        let x = self.frame.middle(scope, x)?;
        Ok(vec![self.frame.resized(scope, x, Interpolation::linear(false))?])
    }
}
