//! Bodies: checked when they come in, cut where they are too long for one message, packed for the
//! disk.

use crate::error::JournalError;
use crate::port::NewFrame;
use bytes::Bytes;
use std::cell::RefCell;
use std::io;

/// The longest event line. The intake's own body limit is below it.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// The longest stored frame; a longer one is cut at line ends. With headers it stays below the
/// 1 MiB that a NATS server takes in one message by default.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;

/// The longest append.
pub const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The longest name of a producer.
const PRODUCER_BYTES_MAX: usize = 256;

/// The longest body that is unpacked: nothing longer was ever packed.
const UNPACKED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A part of a frame, as it will be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// How many lines.
    pub count: u32,
    /// The lines.
    pub body: Bytes,
}

/// Checks a frame (UTF-8, as many lines as it says, an object each as far as its first character
/// goes) and cuts it into parts that can be stored. Everything is read once.
pub fn parts_of(frame: &NewFrame) -> Result<Vec<Part>, JournalError> {
    let wrong = |what: String| {
        Err(JournalError::Invalid(format!("a frame of {:?}: {what}", frame.producer)))
    };
    let body = &frame.body;
    // It stands in a header line and a subject where the journal is a cluster's.
    let name = &frame.producer;
    if name.is_empty() || name.len() > PRODUCER_BYTES_MAX || name.contains(char::is_control) {
        return wrong("a producer's name has 1 to 256 bytes and no control characters".into());
    }
    if frame.count == 0 {
        return wrong("it has no events".into());
    }
    if body.len() > APPEND_BYTES_MAX {
        return wrong(format!("{} bytes, the most is {APPEND_BYTES_MAX}", body.len()));
    }
    if std::str::from_utf8(body).is_err() {
        return wrong("it is not UTF-8".into());
    }
    let mut parts = Vec::with_capacity(1);
    let (mut begin, mut at, mut count, mut lines) = (0usize, 0usize, 0u32, 0u32);
    while at < body.len() {
        let end = body[at..].iter().position(|b| *b == b'\n').map_or(body.len(), |n| at + n + 1);
        let line = &body[at..end];
        if line.first() != Some(&b'{') {
            return wrong(format!("line {} is not an object", lines + 1));
        }
        if line.len() > LINE_BYTES_MAX {
            return wrong(format!(
                "line {} has {} bytes, the most is {LINE_BYTES_MAX}",
                lines + 1,
                line.len()
            ));
        }
        if end - begin > FRAME_BYTES_MAX && count > 0 {
            parts.push(Part { count, body: body.slice(begin..at) });
            (begin, count) = (at, 0);
        }
        count += 1;
        lines += 1;
        at = end;
    }
    if lines != frame.count {
        return wrong(format!("{lines} lines where {} were announced", frame.count));
    }
    parts.push(Part { count, body: body.slice(begin..) });
    Ok(parts)
}

thread_local! {
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

/// Packs a body: zstd level 1 with a checksum, so that a body that rots on the disk is noticed.
pub fn pack(body: &[u8]) -> io::Result<Vec<u8>> {
    PACKER.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut packer = zstd::bulk::Compressor::new(1)?;
            packer.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
            *slot = Some(packer);
        }
        slot.as_mut().expect("made above").compress(body)
    })
}

/// The inverse of [`pack`]; `len` is how long the body was.
pub fn unpack(packed: &[u8], len: usize) -> io::Result<Bytes> {
    if len > UNPACKED_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a length that was never written"));
    }
    UNPACKER.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Decompressor::new()?);
        }
        let body = slot.as_mut().expect("made above").decompress(packed, len)?;
        if body.len() == len {
            Ok(Bytes::from(body))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a body shorter than it was"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(count: u32, body: &str) -> NewFrame {
        NewFrame::new("probe:t", count, body.to_owned())
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for (count, body) in [
            (0, ""),
            (1, ""),
            (1, "\n"),
            (2, "{}\n"),
            (1, "{}\n{}\n"),
            (2, "{}\n\n{}\n"),
            (1, "[]\n"),
        ] {
            assert!(parts_of(&frame(count, body)).is_err(), "{count} {body:?}");
        }
        assert!(parts_of(&NewFrame::new("t", 1, &b"{\xff}"[..])).is_err());
        assert!(parts_of(&NewFrame::new("t\r\nce-id: 1", 1, "{}")).is_err());
        assert!(parts_of(&NewFrame::new("", 1, "{}")).is_err());
        let long = format!("{{{}}}", " ".repeat(LINE_BYTES_MAX));
        assert!(parts_of(&frame(1, &long)).is_err());
        assert_eq!(parts_of(&frame(1, "{}")).unwrap().len(), 1, "the last newline may be missing");
    }

    proptest! {
        #[test]
        fn cutting_keeps_every_byte_and_every_line(
            lengths in prop::collection::vec(0usize..200_000, 1..12)
        ) {
            let line = |n: &usize| ["{", &" ".repeat(*n), "}\n"].concat();
            let body: String = lengths.iter().map(line).collect();
            let parts = parts_of(&frame(lengths.len() as u32, &body)).unwrap();
            let joined: Vec<u8> = parts.iter().flat_map(|p| p.body.to_vec()).collect();
            prop_assert_eq!(joined, body.into_bytes());
            for part in &parts {
                prop_assert!(part.body.len() <= FRAME_BYTES_MAX);
                prop_assert_eq!(
                    part.body.split(|b| *b == b'\n').count() - 1,
                    part.count as usize
                );
            }
            prop_assert_eq!(
                parts.iter().map(|p| p.count).sum::<u32>(),
                lengths.len() as u32
            );
        }

        #[test]
        fn packing_reads_back_and_a_flipped_bit_is_noticed(
            body in prop::collection::vec(any::<u8>(), 0..2000), bit in any::<usize>()
        ) {
            let mut packed = pack(&body).unwrap();
            prop_assert_eq!(&unpack(&packed, body.len()).unwrap()[..], &body[..]);
            let bit = bit % (packed.len() * 8);
            packed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = unpack(&packed, body.len()) {
                prop_assert_eq!(&read[..], &body[..]);
            }
        }

        #[test]
        fn unpacking_anything_never_panics(
            packed in prop::collection::vec(any::<u8>(), 0..300), len in 0usize..100_000
        ) {
            let _ = unpack(&packed, len);
        }
    }
}
