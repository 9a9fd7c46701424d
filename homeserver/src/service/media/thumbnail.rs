//! Thumbnails. What is asked for is rounded up to one of a few sizes, which are kept; the picture is decoded
//! within limits of size and memory, turned as its EXIF data say, and made smaller, never larger. A picture that
//! is small already is given as it is.

use std::io::Cursor;

use bytes::Bytes;
use image::{
    AnimationDecoder, DynamicImage, Frame, ImageDecoder, ImageError, ImageFormat, ImageResult,
    Limits,
    codecs::{
        gif::{GifDecoder, GifEncoder, Repeat},
        jpeg::{JpegDecoder, JpegEncoder},
        png::PngDecoder,
        webp::WebPDecoder,
    },
    metadata::Orientation,
};
use object_store::path::Path;
use ruma::api::error::ErrorKind;

use super::files::{Hash, THUMBNAILS, hex};
use crate::error::{Error, Result};

/// Thumbnails made at once.
pub const AT_ONCE: usize = 2;
/// The largest file that is decoded: it is held in memory.
pub const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// The largest picture that is decoded.
const LARGEST_SIDE: u32 = 16_384;
const MOST_PIXELS: u64 = 50_000_000;
const MOST_MEMORY: u64 = 256 * 1024 * 1024;
/// An animation of more is shown by its first picture.
const MOST_FRAMES: usize = 200;
const MOST_FRAME_PIXELS: u64 = 100_000_000;
/// No thumbnail is larger.
const LARGEST_THUMBNAIL: u32 = 2_048;
const JPEG_QUALITY: u8 = 82;
/// From 1, slow, to 30.
const GIF_SPEED: i32 = 20;

/// Sizes that are made and kept: those of the specification, and what lies between and above.
const SCALED: [(u32, u32); 8] = [
    (32, 32),
    (96, 96),
    (320, 240),
    (320, 320),
    (640, 480),
    (800, 600),
    (1280, 960),
    (LARGEST_THUMBNAIL, LARGEST_THUMBNAIL),
];
/// The shape of these is what was asked for: others are made, but not kept.
const CROPPED: [(u32, u32); 9] = [
    (32, 32),
    (48, 48),
    (64, 64),
    (96, 96),
    (128, 128),
    (256, 256),
    (320, 240),
    (640, 480),
    (800, 600),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Fills the size, and loses what does not fit.
    Crop,
    /// Fits into the size.
    Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Animation {
    Still,
    /// If the original moves.
    Moving,
}

/// What is made: a size that [`Wanted::new`] has rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    width: u32,
    height: u32,
    method: Method,
    animation: Animation,
    is_kept: bool,
}

impl Wanted {
    pub fn new(width: u32, height: u32, method: Method, animation: Animation) -> Self {
        let (width, height) =
            (width.clamp(1, LARGEST_THUMBNAIL), height.clamp(1, LARGEST_THUMBNAIL));
        let (size, is_kept) = match method {
            Method::Scale => {
                let fits = |&(w, h): &(u32, u32)| w >= width && h >= height;
                let largest = (LARGEST_THUMBNAIL, LARGEST_THUMBNAIL);
                (SCALED.into_iter().find(fits).unwrap_or(largest), true)
            }
            Method::Crop => ((width, height), CROPPED.contains(&(width, height))),
        };
        Self { width: size.0, height: size.1, method, animation, is_kept }
    }

    /// Size, method and animation, as in the names of files.
    pub fn text(&self) -> String {
        let method = match self.method {
            Method::Crop => "crop",
            Method::Scale => "scale",
        };
        let animation = match self.animation {
            Animation::Still => "",
            Animation::Moving => "-animated",
        };
        format!("{}x{}-{method}{animation}", self.width, self.height)
    }

    /// Where it is kept, if it is.
    pub fn cached_path(&self, hash: &Hash) -> Option<Path> {
        let name = hex(hash);
        let (folder, file) = (name.get(..2)?, format!("{name}-{}", self.text()));
        self.is_kept.then(|| Path::from_iter([THUMBNAILS, folder, &file]))
    }

    /// The picture made smaller, or `None` when it is small already.
    fn apply(&self, picture: &DynamicImage) -> Option<DynamicImage> {
        let (width, height) = (picture.width(), picture.height());
        let (wanted_width, wanted_height) = (self.width.min(width), self.height.min(height));
        if wanted_width == width && wanted_height == height {
            return None;
        }
        match self.method {
            Method::Scale => Some(picture.thumbnail(self.width, self.height)),
            Method::Crop => {
                // As small as it can be and still fill the size.
                let factor = f64::max(
                    f64::from(wanted_width) / f64::from(width),
                    f64::from(wanted_height) / f64::from(height),
                );
                let side = |side: u32, wanted: u32| {
                    ((f64::from(side) * factor).round() as u32).clamp(wanted, side.max(wanted))
                };
                let (covering_width, covering_height) =
                    (side(width, wanted_width), side(height, wanted_height));
                let covering = match (covering_width, covering_height) == (width, height) {
                    true => picture.clone(),
                    false => picture.thumbnail_exact(covering_width, covering_height),
                };
                Some(covering.crop_imm(
                    (covering_width - wanted_width) / 2,
                    (covering_height - wanted_height) / 2,
                    wanted_width,
                    wanted_height,
                ))
            }
        }
    }
}

/// A picture to send.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    pub bytes: Bytes,
    pub content_type: &'static str,
    /// The picture as it was uploaded.
    pub(super) is_original: bool,
}

impl Thumbnail {
    /// One that was kept: its first bytes tell its type.
    pub(super) fn sniffed(bytes: Bytes) -> Result<Self> {
        let format = image::guess_format(&bytes)
            .map_err(|_| Error::internal("a thumbnail that was kept is no picture"))?;
        Ok(Self { bytes, content_type: format.to_mime_type(), is_original: false })
    }

    fn made(bytes: Vec<u8>, format: ImageFormat) -> Self {
        Self { bytes: bytes.into(), content_type: format.to_mime_type(), is_original: false }
    }
}

/// Makes a thumbnail. Blocks, and takes memory.
pub fn make(original: &Bytes, wanted: Wanted) -> Result<Thumbnail> {
    let format = image::guess_format(original).map_err(|_| impossible())?;
    let input = || Cursor::new(original.as_ref());
    let (picture, moves) = match format {
        ImageFormat::Jpeg => (decode(JpegDecoder::new(input()))?, false),
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(input(), limits());
            let moves = decoder.as_ref().is_ok_and(|png| png.is_apng().unwrap_or(true));
            (decode(decoder)?, moves)
        }
        ImageFormat::Gif => {
            if wanted.animation == Animation::Moving
                && let Some(made) = moving(GifDecoder::new(input()), wanted)?
            {
                return Ok(made);
            }
            (decode(GifDecoder::new(input()))?, true)
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(input());
            let moves = decoder.as_ref().is_ok_and(WebPDecoder::has_animation);
            if moves
                && wanted.animation == Animation::Moving
                && let Some(made) = moving(WebPDecoder::new(input()), wanted)?
            {
                return Ok(made);
            }
            (decode(decoder)?, moves)
        }
        _ => return Err(impossible()),
    };
    match wanted.apply(&picture) {
        Some(smaller) => still(smaller, format),
        None if moves => still(picture, format),
        None => Ok(Thumbnail {
            bytes: original.clone(),
            content_type: format.to_mime_type(),
            is_original: true,
        }),
    }
}

/// The picture, or the first of a moving one, the right way up.
fn decode(decoder: ImageResult<impl ImageDecoder>) -> Result<DynamicImage> {
    let mut decoder = limited(decoder)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Refuses a picture that would be too large, before it is decoded.
fn limited<D: ImageDecoder>(decoder: ImageResult<D>) -> Result<D> {
    let mut decoder = decoder.map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS || decoder.total_bytes() > MOST_MEMORY {
        return Err(too_large());
    }
    decoder.set_limits(limits()).map_err(undecodable)?;
    Ok(decoder)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    limits
}

/// A moving thumbnail, unless the original does not move or has too many pictures.
fn moving<'a>(
    decoder: ImageResult<impl ImageDecoder + AnimationDecoder<'a>>,
    wanted: Wanted,
) -> Result<Option<Thumbnail>> {
    let decoder = limited(decoder)?;
    let (width, height) = decoder.dimensions();
    let most = MOST_FRAME_PIXELS / (u64::from(width) * u64::from(height)).max(1);
    let most = usize::try_from(most).map_or(MOST_FRAMES, |most| most.min(MOST_FRAMES));
    let mut frames = Vec::new();
    for frame in decoder.into_frames() {
        let frame = frame.map_err(undecodable)?;
        if frames.len() == most {
            return Ok(None);
        }
        let delay = frame.delay();
        let picture = DynamicImage::from(frame.into_buffer());
        let picture = wanted.apply(&picture).unwrap_or(picture);
        frames.push(Frame::from_parts(picture.into_rgba8(), 0, 0, delay));
    }
    if frames.len() < 2 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, GIF_SPEED);
    encoder
        .set_repeat(Repeat::Infinite)
        .and_then(|()| encoder.encode_frames(frames))
        .map_err(|error| Error::internal(format!("encoding a thumbnail: {error}")))?;
    drop(encoder);
    Ok(Some(Thumbnail::made(bytes, ImageFormat::Gif)))
}

/// Photographs become JPEG; what may have sharp edges or see-through parts becomes PNG.
fn still(picture: DynamicImage, from: ImageFormat) -> Result<Thumbnail> {
    let mut bytes = Cursor::new(Vec::new());
    let is_photograph = matches!(from, ImageFormat::Jpeg | ImageFormat::WebP);
    let (written, format) = if is_photograph && !picture.color().has_alpha() {
        let picture = DynamicImage::from(picture.into_rgb8());
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        (picture.write_with_encoder(encoder), ImageFormat::Jpeg)
    } else {
        (picture.write_to(&mut bytes, ImageFormat::Png), ImageFormat::Png)
    };
    written.map_err(|error| Error::internal(format!("encoding a thumbnail: {error}")))?;
    Ok(Thumbnail::made(bytes.into_inner(), format))
}

fn undecodable(error: ImageError) -> Error {
    match error {
        ImageError::Limits(_) => too_large(),
        _ => impossible(),
    }
}

/// 400 `M_UNKNOWN`: not a picture that can be made smaller.
pub fn impossible() -> Error {
    Error::matrix(
        http::StatusCode::BAD_REQUEST,
        ErrorKind::Unknown,
        "Cannot generate thumbnails for the requested content",
    )
}

/// 413 `M_TOO_LARGE`.
pub fn too_large() -> Error {
    Error::matrix(
        http::StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::TooLarge,
        "The content is too large to thumbnail",
    )
}

#[cfg(test)]
mod tests {
    use image::{Delay, ImageEncoder as _, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn photograph(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| match x < width / 2 {
            true => Rgb([250, 10, 10]),
            false => Rgb([10, 10, 250]),
        })
    }

    fn encoded(picture: &RgbImage, format: ImageFormat) -> Bytes {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner().into()
    }

    fn wanted(width: u32, height: u32, method: Method) -> Wanted {
        Wanted::new(width, height, method, Animation::Still)
    }

    fn size(thumbnail: &Thumbnail) -> (u32, u32) {
        let picture = image::load_from_memory(&thumbnail.bytes).unwrap();
        (picture.width(), picture.height())
    }

    #[test]
    fn scaling_keeps_the_shape_and_cropping_gives_the_one_asked_for() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let original = encoded(&photograph(1000, 500), format);
            let made = make(&original, wanted(100, 100, Method::Scale)).unwrap();
            assert_eq!((size(&made), made.content_type), ((320, 160), format.to_mime_type()));
            let made = make(&original, wanted(96, 96, Method::Crop)).unwrap();
            assert_eq!(size(&made), (96, 96));
            let made = make(&original, wanted(50, 100, Method::Crop)).unwrap();
            assert_eq!(size(&made), (50, 100));
        }
    }

    #[test]
    fn nothing_is_made_larger() {
        let original = encoded(&photograph(40, 20), ImageFormat::Png);
        for method in [Method::Scale, Method::Crop] {
            let made = make(&original, wanted(800, 600, method)).unwrap();
            assert_eq!(made.bytes, original);
            assert!(made.is_original);
        }
        let made = make(&original, wanted(32, 32, Method::Crop)).unwrap();
        assert_eq!(size(&made), (32, 20));
    }

    #[test]
    fn a_picture_is_turned_as_its_exif_data_say() {
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        // To be turned by 90 degrees.
        exif.extend([6, 0, 0, 0, 0, 0, 0, 0]);
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif).unwrap();
        photograph(400, 200).write_with_encoder(encoder).unwrap();

        let made = make(&bytes.into(), wanted(96, 96, Method::Scale)).unwrap();
        assert_eq!(size(&made), (48, 96));
        let turned = image::load_from_memory(&made.bytes).unwrap().into_rgb8();
        assert!(turned.get_pixel(24, 5)[0] > 200, "red was left and is now above");
        assert!(turned.get_pixel(24, 90)[2] > 200, "blue was right and is now below");
    }

    #[test]
    fn a_moving_picture_moves_only_when_that_is_wanted() {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for shade in [0, 120, 250] {
            let picture = RgbaImage::from_pixel(200, 100, Rgba([shade, 0, 0, 255]));
            let delay = Delay::from_numer_denom_ms(100, 1);
            encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
        drop(encoder);
        let original = bytes.into();
        let frames = |thumbnail: &Thumbnail| {
            GifDecoder::new(Cursor::new(&thumbnail.bytes[..])).unwrap().into_frames().count()
        };

        for side in [32, 800] {
            let made = make(&original, wanted(side, side, Method::Scale)).unwrap();
            assert_eq!(made.content_type, "image/png");
            let moving = Wanted::new(side, side, Method::Scale, Animation::Moving);
            let made = make(&original, moving).unwrap();
            assert_eq!((made.content_type, frames(&made)), ("image/gif", 3));
            assert_eq!(size(&made), if side == 32 { (32, 16) } else { (200, 100) });
        }
    }

    #[test]
    fn what_is_no_picture_or_would_be_too_large_is_refused() {
        let code =
            |bytes: &[u8]| match make(&Bytes::copy_from_slice(bytes), wanted(32, 32, Method::Crop))
            {
                Err(Error::Matrix { status, kind, .. }) => (status.as_u16(), kind),
                other => panic!("{other:?}"),
            };
        assert_eq!(code(b"plain text"), (400, ErrorKind::Unknown));
        assert_eq!(code(b""), (400, ErrorKind::Unknown));
        let picture = encoded(&photograph(40, 20), ImageFormat::Png);
        assert_eq!(code(&picture[..60]), (400, ErrorKind::Unknown));
        assert_eq!(code(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), (400, ErrorKind::Unknown));

        // A few hundred bytes that say they are 30,000 pixels wide and high.
        let mut bomb = Vec::new();
        let mut encoder = GifEncoder::new(&mut bomb);
        encoder.encode(&[0; 4], 1, 1, image::ExtendedColorType::Rgba8).unwrap();
        drop(encoder);
        bomb[6..10].copy_from_slice(&[0x30, 0x75, 0x30, 0x75]);
        assert_eq!(code(&bomb), (413, ErrorKind::TooLarge));
    }

    #[test]
    fn few_sizes_are_kept() {
        let path = |wanted: Wanted| wanted.cached_path(&[0xab; 32]).map(|path| path.to_string());
        let hash = "ab".repeat(32);
        assert_eq!(
            path(wanted(90, 90, Method::Scale)).unwrap(),
            format!("thumbnails/ab/{hash}-96x96-scale")
        );
        assert_eq!(
            path(Wanted::new(96, 96, Method::Crop, Animation::Moving)).unwrap(),
            format!("thumbnails/ab/{hash}-96x96-crop-animated")
        );
        assert_eq!(path(wanted(97, 96, Method::Crop)), None);
        assert_eq!(wanted(0, u32::MAX, Method::Scale), wanted(2048, 2048, Method::Scale));
    }
}
