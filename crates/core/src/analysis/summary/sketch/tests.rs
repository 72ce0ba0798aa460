use proptest::prelude::*;

use super::*;

fn sketch_of(samples: &[f64]) -> QuantileSketch {
    let mut sketch = QuantileSketch::default();
    for sample in samples {
        assert!(sketch.push(*sample), "{sample}");
    }
    sketch
}

/// The sample at rank `quantile * (n - 1)`, rounded down.
fn sample_at(samples: &[f64], quantile: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[usize::try_from(rank_of(quantile, sorted.len() as u64).unwrap()).unwrap()]
}

#[test]
fn quantiles_of_a_thousand_samples_are_within_half_a_percent() {
    let samples: Vec<f64> = (1..=1000).map(f64::from).collect();
    let sketch = sketch_of(&samples);
    assert_eq!(sketch.count(), 1000);
    assert!((sketch.relative_accuracy() - 0.005).abs() < 1e-12);
    for quantile in [0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0] {
        let (found, exact) = (sketch.quantile(quantile).unwrap(), sample_at(&samples, quantile));
        assert!((found - exact).abs() <= 0.005_001 * exact, "{quantile}: {found} {exact}");
    }
}

#[test]
fn a_rank_is_rounded_down_and_within_the_samples() {
    for (quantile, count, rank) in
        [(0.0, 5, 0), (0.5, 5, 2), (0.5, 4, 1), (0.99, 100, 98), (1.0, 5, 4), (-1.0, 5, 0), (2.0, 5, 4), (0.5, 1, 0)]
    {
        assert_eq!(rank_of(quantile, count), Some(rank), "{quantile} {count}");
    }
    assert_eq!(rank_of(0.5, 0), None);
}

#[test]
fn without_samples_there_is_no_quantile() {
    let sketch = QuantileSketch::default();
    assert_eq!((sketch.quantile(0.5), sketch.median_absolute_deviation(1.0)), (None, None));
}

#[test]
fn only_what_can_be_measured_is_taken() {
    let mut sketch = QuantileSketch::default();
    for refused in [-0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e15] {
        assert!(!sketch.push(refused), "{refused}");
    }
    assert_eq!(sketch, QuantileSketch::default());
    for taken in [0.0, -0.0, 1e-10, 1e15] {
        assert!(sketch.push(taken), "{taken}");
    }
    assert_eq!((sketch.count(), sketch.zeros, sketch.bins.len()), (4, 3, 1));
}

#[test]
fn zero_has_a_place_of_its_own() {
    let sketch = sketch_of(&[0.0, 0.0, 0.0, 5.0]);
    assert_eq!((sketch.quantile(0.0), sketch.quantile(0.5), sketch.quantile(0.67)), (Some(0.0), Some(0.0), Some(0.0)));
    assert!((sketch.quantile(1.0).unwrap() - 5.0).abs() < 0.026);
    assert_eq!(sketch.median_absolute_deviation(0.0), Some(0.0));
    assert_eq!(sketch_of(&[0.0, 0.0, 7.0]).median_absolute_deviation(3.0), Some(3.0));
    assert_eq!(sketch_of(&[1e-9]).zeros, 0);
    assert_eq!(sketch_of(&[0.99e-9]).zeros, 1);
}

#[test]
fn deviations_are_counted_on_both_sides_of_the_center() {
    let sketch = sketch_of(&[80.0, 90.0, 100.0, 115.0, 140.0]);
    let deviation = sketch.median_absolute_deviation(100.0).unwrap();
    assert!((deviation - 15.0).abs() < 0.6, "{deviation}");
}

#[test]
fn more_bins_than_permitted_are_joined() {
    // Bin limits grow by 1.01005: this many steps of the factor fill one bin each.
    let fills = |bins: i32| {
        let mut sketch = QuantileSketch::default();
        for bin in 0..bins {
            sketch.push(1e-3 * ((f64::from(bin) + 0.5) * log_growth(0)).exp());
        }
        sketch
    };
    let limit = i32::try_from(SKETCH_BINS_MAX).unwrap();
    assert_eq!((fills(limit).level, fills(limit).bins.len()), (0, SKETCH_BINS_MAX));
    let joined = fills(limit + 1);
    assert_eq!(joined.level, 1);
    assert!(joined.bins.len() <= SKETCH_BINS_MAX / 2 + 1);
    assert_eq!(joined.count(), SKETCH_BINS_MAX as u64 + 1);
    assert!((joined.relative_accuracy() - 0.01).abs() < 1e-4);
}

#[test]
fn a_bin_and_its_neighbour_below_are_joined() {
    let mut sketch = sketch_of(&[1.0]);
    sketch.bins = [(-3, 1), (-2, 10), (-1, 100), (0, 1_000), (1, 10_000), (2, 100_000), (3, 1_000_000)].into();
    sketch.coarsen();
    assert_eq!(sketch.bins, [(-1, 11), (0, 1_100), (1, 110_000), (2, 1_000_000)].into());
}

#[test]
fn the_text_is_short_and_stable() {
    let mut sketch = sketch_of(&[0.0, 0.0]);
    assert_eq!(sketch.to_string(), "0:2:0:");
    sketch.bins = [(-5, 1), (-4, 36), (-1, 2), (0, 35)].into();
    sketch.count = 76;
    assert_eq!(sketch.to_string(), "0:2:-5:1.10.~2.2.z");
    assert_eq!("0:2:-5:1.10.~2.2.z".parse(), Ok(sketch));
    assert_eq!("0:0:0:".parse(), Ok(QuantileSketch::default()));
}

#[test]
fn what_is_no_sketch_is_refused() {
    for text in [
        "",
        "0",
        "0:0",
        "0:0:0",
        "x:0:0:",
        "0:x:0:",
        "0:-1:0:",
        "0:0:x:",
        "13:0:0:1",
        "0:0:0:0",
        "0:0:0:1..1",
        "0:0:0:~0.1",
        "0:0:0:~-1.1",
        "0:0:0:!",
        "0:0:99999:1",
        "0:0:-99999:1",
        "0:0:2147483647:~1.1",
        "0:1:0:3w5e11264sgsf",
        "0:0:3454:1.1",
    ] {
        assert_eq!(text.parse::<QuantileSketch>(), Err(SketchError(text.to_owned())), "{text}");
    }
    assert!("12:0:0:1".parse::<QuantileSketch>().is_ok());
    assert!("0:0:3454:1".parse::<QuantileSketch>().is_ok());
    assert!("0:0:-2072:1".parse::<QuantileSketch>().is_ok());
    assert!("0:0:-2073:1".parse::<QuantileSketch>().is_err());
    let bins = |count: usize| format!("0:0:0:{}", vec!["1"; count].join("."));
    assert!(bins(SKETCH_BINS_MAX).parse::<QuantileSketch>().is_ok());
    assert!(bins(SKETCH_BINS_MAX + 1).parse::<QuantileSketch>().is_err());
    assert_eq!("x".repeat(50).parse::<QuantileSketch>(), Err(SketchError("x".repeat(40))));
}

fn samples() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(
        prop_oneof![Just(0.0), 1e-6..1e6_f64, (-9.0..15.0_f64).prop_map(|power| 10_f64.powf(power))],
        1..200,
    )
}

proptest! {
    #[test]
    fn every_quantile_is_within_the_stated_accuracy(samples in samples(), quantile in 0.0..=1.0_f64, levels in 0_usize..5) {
        let mut sketch = sketch_of(&samples);
        for _ in 0..levels {
            sketch.coarsen();
        }
        let (found, exact) = (sketch.quantile(quantile).unwrap(), sample_at(&samples, quantile));
        let accuracy = sketch.relative_accuracy() * (1.0 + 1e-9);
        prop_assert!((found - exact).abs() <= accuracy * exact, "{} {}", found, exact);
    }

    #[test]
    fn the_deviation_is_within_its_stated_error(samples in prop::collection::vec(1.0..1e4_f64, 1..100)) {
        let sketch = sketch_of(&samples);
        let center = sketch.quantile(0.5).unwrap();
        let exact: Vec<f64> = samples.iter().map(|sample| (sample - center).abs()).collect();
        let (found, exact) = (sketch.median_absolute_deviation(center).unwrap(), sample_at(&exact, 0.5));
        let error = 1.001 * SKETCH_RELATIVE_ACCURACY * (center + exact.max(found));
        prop_assert!((found - exact).abs() <= error, "{} {} {}", found, exact, error);
    }

    #[test]
    fn merged_parts_are_the_whole_in_any_order(left in samples(), right in samples(), levels in 0_usize..3) {
        let whole = sketch_of(&[left.clone(), right.clone()].concat());
        let mut merged = sketch_of(&left);
        merged.merge(&sketch_of(&right));
        prop_assert_eq!(&merged, &whole);
        let mut coarse = sketch_of(&right);
        let mut expected = whole;
        for _ in 0..levels {
            coarse.coarsen();
            expected.coarsen();
        }
        let mut other = sketch_of(&left);
        other.merge(&coarse);
        prop_assert_eq!(&other, &expected);
        coarse.merge(&sketch_of(&left));
        prop_assert_eq!(&coarse, &expected);
    }

    #[test]
    fn what_is_written_reads_back(samples in samples(), levels in 0_usize..12) {
        let mut sketch = sketch_of(&samples);
        for _ in 0..levels {
            sketch.coarsen();
        }
        prop_assert_eq!(sketch.to_string().parse(), Ok(sketch));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-z:.~-]{0,40}") {
        if let Ok(sketch) = text.parse::<QuantileSketch>() {
            let _ = sketch.quantile(0.5);
        }
    }
}
