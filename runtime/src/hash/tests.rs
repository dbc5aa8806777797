//! The hashes against values of TensorFlow, and against published ones.

use super::*;

/// What TensorFlow 2.21 gives for `to_hash_bucket_fast`, and for `to_hash_bucket_strong` with the keys [133, 137] and
/// [-1, 5], with as many bins as there can be; every length that is hashed in its own way.
#[test]
fn texts_fall_into_the_bins_of_tensorflow() {
    const BINS: u64 = i64::MAX as u64;
    let cases: &[(&str, u64, u64, u64)] = &[
        ("", 1_936_946_117_179_621_456, 4_928_313_950_774_450_900, 8_870_637_562_690_772_284),
        ("a", 3_694_432_073_954_588_132, 7_077_939_996_121_841_354, 2_168_736_044_485_945_031),
        ("abc", 2_640_714_258_260_161_385, 6_899_845_086_433_867_945, 1_746_076_098_361_847_188),
        ("abcd", 1_897_425_971_756_105_985, 7_808_205_235_328_240_072, 440_020_130_036_981_465),
        ("abcdefg", 4_341_691_227_789_030_229, 6_345_475_727_699_773_311, 6_890_892_236_381_064_976),
        ("abcdefgh", 9_145_071_594_317_031_690, 4_821_859_048_491_749_637, 5_967_126_691_045_134_338),
        ("Grüße", 4_532_040_665_262_223_651, 5_872_322_445_334_861_558, 7_646_770_246_694_977_719),
        ("0123456789abcdef", 6_105_018_409_752_412_263, 4_045_071_960_732_599_655, 7_206_189_644_622_343_579),
        (
            "0123456789abcdefg",
            2_800_675_501_336_285_771,
            2_112_349_501_170_619_355,
            4_796_888_218_634_698_465,
        ),
        (
            "The quick brown fox jumps over!!",
            4_726_430_257_346_975_167,
            1_577_064_994_926_422_901,
            4_368_130_257_013_123_824,
        ),
        (
            "The quick brown fox jumps over!!!",
            4_171_793_357_668_897_237,
            8_245_620_668_065_638_070,
            1_503_678_697_526_113_213,
        ),
        (&"x".repeat(64), 6_916_188_127_298_655_160, 8_261_463_781_227_458_993, 7_826_218_793_266_453_346),
        (&"y".repeat(65), 4_023_130_470_993_650_269, 4_475_297_591_810_910_813, 8_880_335_671_116_664_272),
        (&"z".repeat(128), 5_180_972_258_444_977_603, 8_693_768_725_345_603_794, 5_007_687_095_596_354_369),
        (
            "The quick brown fox jumps over the lazy dog, then turns around and does it all over again, twice or more, because it is a fox and foxes do such things",
            8_979_486_553_878_570_103,
            6_370_200_174_536_852_686,
            8_289_050_192_032_083_325,
        ),
    ];
    for (text, farm, sip, negative) in cases {
        assert_eq!(farm_hash_64(text.as_bytes()) % BINS, *farm, "{text}");
        assert_eq!(sip_hash_64([133, 137], text.as_bytes()) % BINS, *sip, "{text}");
        assert_eq!(sip_hash_64([-1i64 as u64, 5], text.as_bytes()) % BINS, *negative, "{text}");
    }
}

/// The first and the last of the published vectors (`vectors_sip64` of the authors' reference implementation).
#[test]
fn sip_hash_has_its_published_values() {
    let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    let bytes: Vec<u8> = (0..63).collect();
    assert_eq!(sip_hash_64(key, &[]).to_le_bytes(), [0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72]);
    assert_eq!(sip_hash_64(key, &bytes).to_le_bytes(), [0x72, 0x45, 0x06, 0xeb, 0x4c, 0x32, 0x8a, 0x95]);
}
