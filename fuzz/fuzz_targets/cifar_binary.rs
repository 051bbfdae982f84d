//! CIFAR's binary version: what is read is what is in the file.
//!
//! The first byte of an input says which data set (bit 0: CIFAR-100) and how many records are expected.
#![no_main]

use dynaprune_datasets::parsers::cifar_binary;
use libfuzzer_sys::fuzz_target;

const PLANE: usize = 32 * 32;

fuzz_target!(|input: &[u8]| {
    let Some((&head, bytes)) = input.split_first() else {
        return;
    };
    let (coarse, records) = (head & 1 == 1, usize::from(head >> 1 & 3));
    let Ok(images) = cifar_binary(bytes, records, coarse) else {
        return;
    };
    assert_eq!((images.len(), images.shape()), (records, [32, 32, 3]));
    let classes = if coarse { 100 } else { 10 };
    let before = usize::from(coarse);
    for (i, record) in bytes.chunks(before + 1 + 3 * PLANE).enumerate() {
        assert!(!coarse || record[0] < 20);
        assert_eq!(images.labels[i], u16::from(record[before]));
        assert!(images.labels[i] < classes);
        for (place, pixel) in images.image(i).chunks(3).enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                assert_eq!(*value, record[before + 1 + channel * PLANE + place]);
            }
        }
    }
});
