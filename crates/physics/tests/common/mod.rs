//! What several tests share: random numbers that are the same everywhere, and made-up events.
#![allow(dead_code, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::Command;

use fiducial_physics::four_vector::FourVector;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// A particle anywhere within |y| < 5, soft ones more often.
    pub(crate) fn particle(&mut self) -> FourVector {
        let pt = -self.uniform(0.0, 1.0).max(1e-9).ln() * 3.0;
        let (y, phi) = (self.uniform(-5.0, 5.0), self.uniform(0.0, std::f64::consts::TAU));
        FourVector::from_pt_y_phi_m(pt, y, phi, if self.below(2) == 0 { 0.0 } else { 0.139_57 })
    }

    /// `n` particles, most of them in a few narrow sprays.
    pub(crate) fn event(&mut self, n: usize) -> Vec<FourVector> {
        let axes: Vec<_> = (0..4).map(|_| (self.uniform(-2.5, 2.5), self.uniform(0.0, 6.2))).collect();
        (0..n)
            .map(|i| {
                let soft = self.particle();
                if i % 3 == 0 {
                    return soft;
                }
                let (y, phi) = axes[self.below(4)];
                let spread = self.uniform(0.0, 1.0).powi(3);
                let turn = self.uniform(0.0, std::f64::consts::TAU);
                let pt = soft.pt() * 10.0 * (1.2 - spread);
                FourVector::from_pt_y_phi_m(pt, y + spread * turn.cos(), phi + spread * turn.sin(), 0.139_57)
            })
            .collect()
    }
}

/// The Python that holds the peers; says so where there is none.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("FIDUCIAL_TEST_PYTHON").ok();
    if python.is_none() {
        eprintln!("skipped: FIDUCIAL_TEST_PYTHON is not set");
    }
    python
}

/// Runs a script of this folder.
pub(crate) fn run(python: &str, script: &str, arguments: &[PathBuf]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(python).arg(path).args(arguments).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
