//! Archives of zstd: frames, one after the other, some of which may be there to be passed over.

use std::io::{self, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The bytes in the frames of an archive.
pub(super) struct Frames<R> {
    bytes: Noted<R>,
    decoder: FrameDecoder,
}

/// Bytes, with what became of reading them: the decoder tells a failure as one of the archive.
struct Noted<R> {
    bytes: R,
    /// The first byte of the next frame, which was looked at.
    next: Option<u8>,
    ended: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(bytes: R) -> Frames<R> {
        let bytes = Noted { bytes, next: None, ended: false, failure: None };
        Frames { bytes, decoder: FrameDecoder::new() }
    }

    /// Begins the next frame, if there is one.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            let mut first = [0];
            if self.bytes.read(&mut first)? == 0 {
                return Ok(false);
            }
            self.bytes.next = Some(first[0]);
            match self.decoder.reset(&mut self.bytes) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let passed = io::copy(&mut (&mut self.bytes).take(u64::from(length)), &mut io::sink())?;
                    if passed < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(self.bytes.failure(&error)),
            }
        }
    }
}

impl<R: Read> Noted<R> {
    fn failure(&mut self, error: &FrameDecoderError) -> io::Error {
        match self.failure.take() {
            Some(failure) => failure,
            None if self.ended => io::ErrorKind::UnexpectedEof.into(),
            None => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        }
    }
}

impl<R: Read> Read for Noted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if let (Some(first), Some(next)) = (room.first_mut(), self.next.take()) {
            *first = next;
            return Ok(1);
        }
        match self.bytes.read(room) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
            read => {
                self.ended |= matches!(read, Ok(0)) && !room.is_empty();
                read
            }
        }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let blocks = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.bytes, blocks);
                decoded.map_err(|error| self.bytes.failure(&error))?;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(room);
            }
            let sum = self.decoder.get_checksum_from_data();
            if sum.is_some() && sum != self.decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is another one"));
            }
            if !self.begin()? {
                return Ok(0);
            }
        }
    }
}
