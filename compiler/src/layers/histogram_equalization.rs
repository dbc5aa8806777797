//! `ContrastLimitedAdaptiveHistogramEqualization`, at inference as in training. In each tile of an image, a brightness
//! becomes the share of pixels that are no brighter, with a limit for what is frequent; between the middles of the tiles
//! their answers are interpolated.
//!
//! S. M. Pizer et al.: Adaptive Histogram Equalization and Its Variations, 1987; the sums are those of Keras.

use masque_ir::ops::{Elementwise, Index, Lookup, OpError, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::auto_contrast::{BYTES, into_range, value_range};
use super::image_augmentation::images;
use super::operations::{positions, running};
use super::spatial::{Spatial, losing};
use crate::layer::{
    Advice, Arguments, Config, ConfigError, Layer, Masking, Scope, ShapeError, Signature, Way,
    infer_by_lowering,
};

losing!(HISTOGRAM_EQUALIZATION, "ContrastLimitedAdaptiveHistogramEqualization", parse);

/// How many kinds of brightness there are.
const LEVELS: i64 = 256;

/// What to do about masks.
const ADVICE: Advice = Advice::of(
    "it counts every pixel of a tile, masked ones as well, so that padding changes the contrast around it",
    &[Way::Before, Way::Zero],
);

#[derive(Debug)]
struct Equalization {
    spatial: Spatial,
    range: [f64; 2],
    limit: f64,
    /// How many of them lie along the height and the width.
    tiles: [i64; 2],
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let tiles = config.sizes("tile_grid_size", 2, 1, Some(8))?;
    config.ignore(&["bounding_box_format"]);
    Ok(Box::new(Equalization {
        spatial: Spatial::parse(config, 2)?,
        range: value_range(config)?,
        limit: config.number("clip_limit", 4.0)?,
        tiles: [tiles[0].into(), tiles[1].into()],
    }))
}

/// The tiles next to each position along an axis, and how near it is to the second one.
struct Between {
    tiles: [Operand; 2],
    share: Operand,
}

impl Equalization {
    fn tile(&self, place: usize, size: &Dim) -> Dim {
        (size + &Dim::constant(self.tiles[place] - 1)).floor_div(self.tiles[place])
    }

    /// Mirroring the end of an axis once must fill its last tile.
    fn fits(&self, x: &Type) -> Result<(), ShapeError> {
        let first = x.rank() - if self.spatial.channels_first { 2 } else { 3 };
        for place in 0..2 {
            let size = &x.shape[first + place];
            let padded = self.tile(place, size).known().map(|tile| tile.saturating_mul(self.tiles[place]));
            if padded.zip(size.known()).is_some_and(|(padded, size)| padded > size.saturating_mul(2)) {
                let expected = format!("images that {} by {} tiles fit into", self.tiles[0], self.tiles[1]);
                return Err(ShapeError::new(expected, x));
            }
        }
        Ok(())
    }

    /// The pixels of each tile of images `[B, H, W, C]`: `[B, rows, columns, C, height, width]`.
    fn tiled(&self, scope: &mut Scope<'_>, pixels: &Operand) -> Result<Operand, OpError> {
        let shape = scope.builder.type_of(pixels).shape;
        let tile = [0, 1].map(|place| self.tile(place, &shape[place + 1]));
        let mut padded = pixels.clone();
        for place in 0..2 {
            let (axis, size) = (place as u32 + 1, shape[place + 1].clone());
            let missing = &(&tile[place] * &Dim::constant(self.tiles[place])) - &size;
            let start = &size - &missing;
            if start != size {
                let end = scope.emit(Shape::Slice { axis, start, stop: size, step: 1 }, &[&padded])?;
                let mirrored = scope.emit(Shape::Reverse { axis }, &[&end])?;
                padded = scope.emit(Shape::Concat { axis }, &[&padded, &mirrored])?;
            }
        }
        let [height, width] = tile;
        let [rows, columns] = self.tiles.map(Dim::constant);
        let shape = vec![shape[0].clone(), rows, height, columns, width, shape[3].clone()];
        let tiled = scope.emit(Shape::Reshape { shape: shape.into() }, &[&padded])?;
        scope.emit(Shape::Transpose { perm: vec![0, 1, 3, 5, 2, 4] }, &[&tiled])
    }

    /// What each brightness becomes in each tile: `[B, rows, columns, C, 256]`.
    fn becomes(&self, scope: &mut Scope<'_>, tiled: &Operand) -> Result<Operand, OpError> {
        use Elementwise::{Add, Div, Eq, Min, Mul, Select, Sub};
        let mut shape = scope.builder.type_of(tiled).shape;
        let area = scope.emit(Shape::Size { axes: vec![4, 5] }, &[tiled])?;
        let area = scope.float(&area)?;
        let width = shape.split_off(4).into_iter().fold(Dim::constant(1), |area, size| &area * &size);
        shape.push(width);
        let flat = scope.emit(Shape::Reshape { shape }, &[tiled])?;
        let counts = scope.emit(Lookup::Tally { size: LEVELS }, &[&flat, &Operand::Absent])?;
        let mut counts = scope.float(&counts)?;
        if self.limit > 0.0 {
            let limit = scope.with(Mul, &area, self.limit)?;
            let limit = scope.with(Div, &limit, LEVELS as f64)?;
            let clipped = scope.emit(Min, &[&counts, &limit])?;
            let excess = scope.emit(Sub, &[&counts, &clipped])?;
            let excess = scope.emit(Reduce::Sum { axes: vec![4], keep: true }, &[&excess])?;
            let each = scope.with(Div, &excess, LEVELS as f64)?;
            counts = scope.emit(Add, &[&clipped, &each])?;
        }
        let no_brighter = running(scope, &counts, 4, 0.0)?;
        let least = scope.emit(Reduce::ReduceMin { axes: vec![4], keep: true }, &[&no_brighter])?;
        let above = scope.emit(Sub, &[&no_brighter, &least])?;
        let scaled = scope.with(Mul, &above, BYTES[1])?;
        let rest = scope.emit(Sub, &[&area, &least])?;
        let none = scope.with(Eq, &rest, 0.0)?;
        let one = scope.builder.number(&rest, 1.0);
        let rest = scope.emit(Select, &[&none, &one, &rest])?;
        let share = scope.emit(Div, &[&scaled, &rest])?;
        in_bytes(scope, &share)
    }

    fn between(
        &self,
        scope: &mut Scope<'_>,
        pixels: &Operand,
        tiled: &Operand,
        place: usize,
    ) -> Result<Between, OpError> {
        use Elementwise::{Add, Div, Floor, Max, Min, Sub};
        let tile = scope.emit(Shape::Size { axes: vec![4 + place as u32] }, &[tiled])?;
        let tile = scope.float(&tile)?;
        let half = scope.with(Div, &tile, 2.0)?;
        let position = positions(scope, pixels, place + 1)?;
        let position = scope.float(&position)?;
        let from_middle = scope.emit(Sub, &[&position, &half])?;
        let in_tiles = scope.emit(Div, &[&from_middle, &tile])?;
        let second = scope.with(Add, &in_tiles, 1.0)?;
        let whole = scope.emit(Floor, &[&second])?;
        let share = scope.emit(Sub, &[&second, &whole])?;
        let first = scope.with(Sub, &whole, 1.0)?;
        let mut inside = |tile: &Operand| {
            let tile = scope.with(Max, tile, 0.0)?;
            let tile = scope.with(Min, &tile, (self.tiles[place] - 1) as f64)?;
            scope.cast(&tile, DType::I64)
        };
        Ok(Between { tiles: [inside(&first)?, inside(&whole)?], share })
    }

    /// Images `[B, H, W, C]` with elements from 0 to 255.
    fn equalized(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        let pixels = in_bytes(scope, x)?;
        let pixels = scope.cast(&pixels, DType::I64)?;
        let tiled = self.tiled(scope, &pixels)?;
        let table = self.becomes(scope, &tiled)?;
        let all = scope.builder.type_of(&table).elements();
        let table = scope.emit(Shape::Reshape { shape: [all].into() }, &[&table])?;
        let rows = self.between(scope, &pixels, &tiled, 0)?;
        let columns = self.between(scope, &pixels, &tiled, 1)?;
        let image = positions(scope, &pixels, 0)?;
        let channel = positions(scope, &pixels, 3)?;
        let channels = scope.emit(Shape::Size { axes: vec![3] }, &[&pixels])?;
        let mut mixed = vec![];
        for row in &rows.tiles {
            let mut found = vec![];
            for column in &columns.tiles {
                let place = scope.with(Elementwise::Mul, &image, self.tiles[0] as f64)?;
                let place = scope.emit(Elementwise::Add, &[&place, row])?;
                let place = scope.with(Elementwise::Mul, &place, self.tiles[1] as f64)?;
                let place = scope.emit(Elementwise::Add, &[&place, column])?;
                let place = scope.emit(Elementwise::Mul, &[&place, &channels])?;
                let place = scope.emit(Elementwise::Add, &[&place, &channel])?;
                let place = scope.with(Elementwise::Mul, &place, LEVELS as f64)?;
                let place = scope.emit(Elementwise::Add, &[&place, &pixels])?;
                found.push(scope.emit(Index::Gather, &[&table, &place])?);
            }
            mixed.push(mix(scope, &found, &columns.share)?);
        }
        mix(scope, &mixed, &rows.share)
    }
}

fn in_bytes(scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
    let x = scope.with(Elementwise::Max, x, BYTES[0])?;
    scope.with(Elementwise::Min, &x, BYTES[1])
}

/// `x[0] * (1 - share) + x[1] * share`
fn mix(scope: &mut Scope<'_>, x: &[Operand], share: &Operand) -> Result<Operand, OpError> {
    let one = scope.builder.number(share, 1.0);
    let other = scope.emit(Elementwise::Sub, &[&one, share])?;
    let first = scope.emit(Elementwise::Mul, &[&x[0], &other])?;
    let second = scope.emit(Elementwise::Mul, &[&x[1], share])?;
    scope.emit(Elementwise::Add, &[&first, &second])
}

impl Layer for Equalization {
    fn signature(&self) -> Signature {
        Signature::of(&["data", "training"])
    }

    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(ADVICE)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        images(arguments).and_then(|x| self.fits(x))?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = &arguments.data()[0];
        let ty = scope.builder.type_of(x);
        let batch = if ty.rank() == 3 { scope.builder.insert_axis(x, 0)? } else { x.clone() };
        let last = self.spatial.to_last(scope, &batch)?;
        let numbers = scope.float(&last)?;
        let bytes = into_range(scope, numbers, self.range, BYTES)?;
        let equalized = self.equalized(scope, &bytes)?;
        let y = into_range(scope, equalized, BYTES, self.range)?;
        let y = scope.cast(&y, ty.dtype)?;
        let y = self.spatial.restore(scope, y)?;
        Ok(vec![scope.emit(Shape::Reshape { shape: ty.shape }, &[&y])?])
    }
}
