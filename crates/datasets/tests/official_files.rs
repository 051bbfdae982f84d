//! The true files, where `DYNAPRUNE_DATA` names a data root that holds them: what is published about
//! the data sets must come out of the readers.

use std::path::PathBuf;

use dynaprune_datasets::{Dataset, Error, Normalization, Options, find};

/// The data set, or `None` after saying why its test is skipped.
fn official(name: &str) -> Option<Dataset> {
    let Some(root) = std::env::var_os("DYNAPRUNE_DATA").map(PathBuf::from) else {
        println!("skipped: `DYNAPRUNE_DATA` is not set, so there is no {name} to read");
        return None;
    };
    match find(name).unwrap().load(&root, &Options::new()) {
        Ok(dataset) => Some(dataset),
        Err(Error::NotFound { .. }) => {
            println!("skipped: no {name} under {}", root.display());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn assert_close(found: &[f32], published: [f64; 3]) {
    for (found, published) in found.iter().zip(published) {
        assert!((f64::from(*found) - published).abs() <= 0.5e-4, "{found} {published}");
    }
}

/// Class counts: the data set's page. Means and deviations: the numbers that everybody uses.
#[test]
fn cifar10_is_the_published_one() {
    let Some(cifar) = official("cifar10") else { return };
    assert_eq!(cifar.train.class_counts(10), [5_000; 10]);
    assert_eq!(cifar.test.class_counts(10), [1_000; 10]);
    assert_eq!(cifar.classes[6], "frog");
    // The first training images are a frog and two trucks, the first test images a cat and two ships.
    assert_eq!(cifar.train.labels[..3], [6, 9, 9]);
    assert_eq!(cifar.test.labels[..3], [3, 8, 8]);
    let normalization = Normalization::of(&cifar.train);
    assert_close(normalization.mean(), [0.4914, 0.4822, 0.4465]);
    assert_close(normalization.std(), [0.2470, 0.2435, 0.2616]);
}

#[test]
fn cifar100_is_the_published_one() {
    let Some(cifar) = official("cifar100") else { return };
    assert_eq!(cifar.train.class_counts(100), [500; 100]);
    assert_eq!(cifar.test.class_counts(100), [100; 100]);
    let normalization = Normalization::of(&cifar.train);
    assert_close(normalization.mean(), [0.5071, 0.4865, 0.4409]);
    assert_close(normalization.std(), [0.2673, 0.2564, 0.2762]);
}

/// candle's own reader gives `f32` of pixel / 255, channels first.
#[cfg(feature = "hub")]
#[test]
fn cifar10_agrees_with_candle() {
    let Some(cifar) = official("cifar10") else { return };
    let folder = PathBuf::from(std::env::var_os("DYNAPRUNE_DATA").unwrap()).join("cifar-10-batches-bin");
    if !folder.is_dir() {
        println!("skipped: candle reads the unpacked binary version alone, and it is not there");
        return;
    }
    let candle = candle_datasets::vision::cifar::load_dir(folder).unwrap();
    let splits = [
        (&cifar.train, candle.train_images, candle.train_labels),
        (&cifar.test, candle.test_images, candle.test_labels),
    ];
    for (ours, images, labels) in splits {
        let labels = labels.to_vec1::<u8>().unwrap();
        assert!(ours.labels.iter().copied().eq(labels.into_iter().map(u16::from)));
        assert_eq!(images.dims(), [ours.len(), 3, 32, 32]);
        for i in 0..ours.len() {
            let image = images
                .get(i)
                .unwrap()
                .permute((1, 2, 0))
                .unwrap()
                .flatten_all()
                .unwrap();
            let pixels = image
                .to_vec1::<f32>()
                .unwrap()
                .into_iter()
                .map(|v| (v * 255.0).round() as u8);
            assert!(pixels.eq(ours.image(i).iter().copied()), "image {i}");
        }
    }
}
