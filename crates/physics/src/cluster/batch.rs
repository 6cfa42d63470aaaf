//! Many events in one call.

use rayon::prelude::*;

use super::{Clusterer, JetDefinition, Selection, Strategy};
use crate::error::Error;
use crate::four_vector::{FourVector, FourVectors, Real};

/// How many events one thread takes at a time; their memory is used again.
const EVENTS: usize = 16;

/// Jets of many events, as list arrays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventJets {
    /// All jets; within an event inclusive ones hardest first, exclusive ones by id.
    pub jets: FourVectors<f64>,
    /// Event `i` has the jets from `jet_offsets[i]` to `jet_offsets[i + 1]`.
    pub jet_offsets: Vec<usize>,
    /// Indices of particles within their event, increasing within a jet.
    pub constituents: Vec<u32>,
    /// Jet `j` (counted over all events) has the constituents from `constituent_offsets[j]` to `constituent_offsets[j + 1]`.
    pub constituent_offsets: Vec<usize>,
}

/// The jets of one piece of work.
#[derive(Default)]
struct Piece {
    jets: Vec<FourVector>,
    jets_in_event: Vec<usize>,
    constituents: Vec<u32>,
    constituents_in_jet: Vec<usize>,
}

/// Clusters each event: event `i` has the particles from `offsets[i]` to `offsets[i + 1]`. Gives the jets of
/// the selection, on all threads of the rayon pool; the result does not depend on their number.
///
/// Fails as [`super::cluster`] and [`super::ClusterSequence::exclusive`] do, with [`Error::InEvent`] for the first such event,
/// and for offsets that decrease or go beyond the particles.
///
/// ```
/// use fiducial_physics::cluster::{JetDefinition, Selection, cluster_events};
/// use fiducial_physics::four_vector::FourVectors;
///
/// let particles = FourVectors::from_pt_y_phi_m(
///     &[50.0, 20.0, 60.0], &[0.0, 0.1, -1.0], &[0.0, 0.2, 3.0], &[0.0, 0.0, 0.0])?;
/// let all = Selection::Inclusive { min_pt: 0.0 };
/// let found = cluster_events(&JetDefinition::anti_kt(0.4), &particles, &[0, 2, 2, 3], all)?;
/// assert_eq!(found.jet_offsets, [0, 1, 1, 2]);
/// assert_eq!(found.constituents, [0, 1, 0]);
/// assert_eq!(found.constituent_offsets, [0, 2, 3]);
/// # Ok::<(), fiducial_physics::Error>(())
/// ```
pub fn cluster_events<T: Real>(
    definition: &JetDefinition,
    particles: &FourVectors<T>,
    offsets: &[usize],
    selection: Selection,
) -> Result<EventJets, Error> {
    definition.check()?;
    particles.check_offsets(offsets)?;
    let events: Vec<(usize, usize)> = offsets.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let pieces: Vec<Result<Piece, Error>> = events
        .par_chunks(EVENTS)
        .enumerate()
        .map_init(Clusterer::default, |clusterer, (number, events)| {
            let mut piece = Piece::default();
            for (i, &(from, to)) in events.iter().enumerate() {
                cluster_into(clusterer, definition, particles.range(from..to), selection, &mut piece)
                    .map_err(|error| Error::InEvent { event: number * EVENTS + i, error: Box::new(error) })?;
            }
            Ok(piece)
        })
        .collect();
    let mut found = EventJets { jet_offsets: vec![0], constituent_offsets: vec![0], ..EventJets::default() };
    let mut jets = Vec::new();
    let (mut jet_end, mut constituent_end) = (0, 0);
    for piece in pieces {
        let piece = piece?;
        jets.extend(piece.jets);
        found.constituents.extend(piece.constituents);
        for count in piece.jets_in_event {
            jet_end += count;
            found.jet_offsets.push(jet_end);
        }
        for count in piece.constituents_in_jet {
            constituent_end += count;
            found.constituent_offsets.push(constituent_end);
        }
    }
    found.jets = jets.into_iter().collect();
    Ok(found)
}

fn cluster_into(
    clusterer: &mut Clusterer,
    definition: &JetDefinition,
    event: Vec<FourVector>,
    selection: Selection,
    piece: &mut Piece,
) -> Result<(), Error> {
    let sequence = clusterer.run(definition, event, Strategy::Automatic)?;
    let jets = sequence.select(selection)?;
    let labels = sequence.labels(&jets);
    let first = piece.constituents_in_jet.len();
    piece.constituents_in_jet.resize(first + jets.len(), 0);
    for label in labels.iter().flatten() {
        piece.constituents_in_jet[first + *label as usize] += 1;
    }
    // Where the next constituent of each jet goes.
    let mut next = Vec::with_capacity(jets.len());
    let mut end = piece.constituents.len();
    for count in &piece.constituents_in_jet[first..] {
        next.push(end);
        end += count;
    }
    piece.constituents.resize(end, 0);
    for (index, label) in labels.iter().enumerate() {
        if let Some(label) = label {
            let place = &mut next[*label as usize];
            piece.constituents[*place] = index as u32;
            *place += 1;
        }
    }
    piece.jets_in_event.push(jets.len());
    piece.jets.extend(jets.iter().map(|jet| jet.momentum));
    Ok(())
}
