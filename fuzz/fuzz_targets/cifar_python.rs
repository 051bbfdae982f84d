//! CIFAR's python version, a pickle: what is read has the right number of images and labels of known classes.
//!
//! The first byte of an input says which data set (bit 0: CIFAR-100) and how many records are expected; none makes for
//! short inputs.
#![no_main]

use dynaprune_datasets::parsers::cifar_python;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&head, bytes)) = input.split_first() else {
        return;
    };
    let (coarse, records) = (head & 1 == 1, usize::from(head >> 1 & 3));
    match cifar_python(bytes, records, coarse) {
        Ok(images) => {
            assert_eq!((images.len(), images.shape()), (records, [32, 32, 3]));
            let classes = if coarse { 100 } else { 10 };
            assert!(images.labels.iter().all(|label| *label < classes));
            for pixels in images.pixels.chunks(3 * 32 * 32) {
                // Nothing is made up: the planes stand in the file.
                let red: Vec<u8> = pixels.iter().step_by(3).copied().collect();
                assert!(bytes.windows(red.len()).any(|window| window == red));
            }
        }
        // An error quotes some of what was found, and no more than that.
        Err(error) => assert!(error.to_string().len() <= 1000 + 3 * bytes.len()),
    }
});
