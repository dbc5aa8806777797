//! The arrays of numpy are read, ours come back as they were; headers that lie are refused.

use ndarray::{ArrayD, IxDyn, arr0, arr2};

use super::*;

fn with_header(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([2, 0]);
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

fn refusal(header: &str, elements: &[u8]) -> NpyError {
    let error = read(&with_header(header, elements)).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

fn round_trip(tensor: Tensor) {
    assert_eq!(read(&write(&tensor)).unwrap(), tensor);
}

#[test]
fn every_tensor_comes_back_as_it_was_written() {
    round_trip(Tensor::F32(arr2(&[[1.5, -0.0], [f32::MIN_POSITIVE, f32::INFINITY]]).into_dyn()));
    round_trip(Tensor::F64(arr0(std::f64::consts::PI).into_dyn()));
    round_trip(Tensor::I32(ArrayD::from_elem(IxDyn(&[2, 0, 3]), 1)));
    round_trip(Tensor::I64(arr2(&[[i64::MIN, i64::MAX]]).into_dyn()));
    round_trip(Tensor::Bool(arr2(&[[true, false], [false, true]]).into_dyn()));
    round_trip(Tensor::Str(arr2(&[["", "a"], ["\u{10ffff}é", " "]]).mapv(str::to_owned).into_dyn()));
    round_trip(Tensor::Str(ArrayD::from_elem(IxDyn(&[0]), String::new())));
}

#[test]
fn elements_begin_at_a_multiple_of_64() {
    for shape in [&[][..], &[1], &[2, 3], &[1; 12]] {
        let bytes = write(&Tensor::Bool(ArrayD::from_elem(IxDyn(shape), true)));
        assert_eq!((bytes.len() - shape.iter().product::<usize>()) % 64, 0);
    }
}

#[test]
fn the_arrays_of_numpy_are_read() {
    macro_rules! fixture {
        ($name:literal) => {
            read(include_bytes!(concat!("../../tests/data/", $name, ".npy"))).unwrap()
        };
    }
    let expected = arr2(&[[0, 1, 2], [3, 4, 5]]);
    let floats = Tensor::F32(expected.mapv(|x| x as f32).into_dyn());
    assert_eq!(fixture!("f4"), floats);
    assert_eq!(fixture!("f2"), floats);
    assert_eq!(fixture!("f4_big_fortran"), floats);
    assert_eq!(fixture!("f4_version2"), floats);
    assert_eq!(fixture!("f4_version3"), floats);
    for small in [fixture!("i1"), fixture!("u1"), fixture!("u2_big"), fixture!("i4_fortran")] {
        assert_eq!(small, Tensor::I32(expected.clone().into_dyn()));
    }
    for large in [fixture!("u4"), fixture!("u8"), fixture!("i8_big")] {
        assert_eq!(large, Tensor::I64(expected.mapv(i64::from).into_dyn()));
    }
    assert_eq!(fixture!("bool"), Tensor::Bool(expected.mapv(|x| x % 2 == 1).into_dyn()));
    let text = Tensor::Str(arr2(&[["the cat", ""], ["über", "😀"]]).mapv(str::to_owned).into_dyn());
    assert_eq!(fixture!("text_fortran"), text);
    assert_eq!(fixture!("text_big"), text);
    assert_eq!(fixture!("bytes"), text);
}

#[test]
fn objects_are_refused_with_advice() {
    let error = read(include_bytes!("../../tests/data/objects.npy")).unwrap_err();
    assert_eq!(error, NpyError::Pickled);
    assert!(error.to_string().contains("pickled objects"));
}

#[test]
fn what_is_no_array_says_so() {
    assert!(matches!(read(b""), Err(NpyError::NotNpy { .. })));
    assert!(matches!(read(b"PK\x03\x04"), Err(NpyError::NotNpy { .. })));
    assert_eq!(read(b"\x93NUMPY\x04\x00"), Err(NpyError::Version { major: 4, minor: 0 }));
    let whole = write(&Tensor::I32(arr2(&[[1, 2]]).into_dyn()));
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err());
    }
    assert!(read(&[&whole[..], b"x"].concat()).is_err());
}

#[test]
fn headers_that_lie_are_refused_before_anything_is_allocated() {
    let shaped = |descr: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    for shape in
        ["(3,)", "(1099511627776,)", "(4294967296, 4294967296, 16)", "(18446744073709551616,)", "(-1,)"]
    {
        refusal(&shaped("<f4", shape), &[0; 8]);
        refusal(&shaped("<U1", shape), &[0; 8]);
    }
    refusal(&shaped("<U0", "(1099511627776,)"), &[]);
    refusal(&shaped("<U4611686018427387905", "(1,)"), &[0; 4]);
    refusal(&shaped("<f4", &format!("({})", "1,".repeat(1000))), &[0; 4]);
    assert!(matches!(refusal(&shaped("<c8", "(1,)"), &[0; 8]), NpyError::Dtype { .. }));
    assert!(matches!(refusal(&shaped("", "(1,)"), &[0; 8]), NpyError::Dtype { .. }));
    assert!(matches!(refusal(&shaped("é4", "(1,)"), &[0; 8]), NpyError::Dtype { .. }));
    assert!(matches!(refusal(&shaped("<U1", "(1,)"), &[0, 0, 0x11, 0]), NpyError::Text { index: 0, .. }));
    assert!(matches!(refusal(&shaped("|S1", "(1,)"), &[0xff]), NpyError::Text { index: 0, .. }));
}

#[test]
fn only_the_known_dictionary_is_a_header() {
    let bad = [
        "",
        "{",
        "{}",
        "[]",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} or os.system('x')",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (2,)}",
    ];
    for header in bad {
        assert!(matches!(refusal(header, &[0; 8]), NpyError::Header { .. }), "{header}");
    }
    let fields = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}";
    assert!(matches!(refusal(fields, &[0; 8]), NpyError::Dtype { .. }));
    let old = "{\"shape\": (2L,), \"descr\": \"<f4\",\n 'fortran_order': True}   \n";
    assert_eq!(read(&with_header(old, &[0; 8])).unwrap().shape(), [2]);
}

#[test]
fn no_damage_panics() {
    let whole = write(&Tensor::Str(arr2(&[["a", "bc"]]).mapv(str::to_owned).into_dyn()));
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut changed = whole.clone();
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let at = (state >> 33) as usize % changed.len();
        changed[at] = (state >> 20) as u8;
        let _ = read(&changed);
    }
}
