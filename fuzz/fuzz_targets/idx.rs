//! IDX files (MNIST), plain and gzipped: what is read is what follows the header.
//!
//! The first byte of an input says whether it is gzipped (bit 0) and how many dimensions are expected; a byte each follows
//! for their sizes.
#![no_main]

use dynaprune_datasets::parsers::idx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&head, rest)) = input.split_first() else {
        return;
    };
    let (gzipped, dimensions) = (head & 1 == 1, usize::from(head >> 1 & 3));
    let Some((sizes, bytes)) = rest.split_at_checked(dimensions) else {
        return;
    };
    let shape: Vec<usize> = sizes.iter().copied().map(usize::from).collect();
    let Ok(values) = idx(bytes.to_vec(), &shape, gzipped) else {
        return;
    };
    assert_eq!(values.len(), shape.iter().product::<usize>());
    if !gzipped {
        let mut header = vec![0, 0, 8, head >> 1 & 3];
        for size in sizes {
            header.extend([0, 0, 0, *size]);
        }
        assert_eq!(bytes, [header, values].concat());
    }
});
