//! One tree.

/// A binary tree. The children of a node lie next to each other and after it, so that a walk ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    statistics: Vec<Statistics>,
}

/// What a walk needs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// The threshold of a split, the value of a leaf.
    value: f32,
    /// The left child, where the feature is less than the threshold; the right one is the next. 0 in a leaf.
    child: u32,
    /// The feature; its highest bit says that a missing value goes left.
    feature: u32,
}

const LEFT: u32 = 1 << 31;

/// Features that a tree can tell apart.
pub(crate) const MOST_FEATURES: usize = LEFT as usize;

/// What a node was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Statistics {
    /// The gain of a split.
    pub(crate) gain: f32,
    /// The sum of second derivatives.
    pub(crate) hessian: f32,
    /// The value that the node would have as a leaf.
    pub(crate) value: f32,
}

/// Where rows part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Branch {
    pub(crate) feature: usize,
    pub(crate) threshold: f32,
    /// Whether missing values go left.
    pub(crate) missing_left: bool,
}

/// What stands at a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Leaf(f32),
    /// A split, with its left child; the right one is the next node.
    Split(Branch, usize),
}

impl Tree {
    /// A tree of one leaf.
    pub(crate) fn new(value: f32, statistics: Statistics) -> Self {
        Self { nodes: vec![Node { value, child: 0, feature: 0 }], statistics: vec![statistics] }
    }

    /// Makes a leaf a split of two leaves; returns the left one.
    pub(crate) fn split(
        &mut self,
        node: usize,
        branch: Branch,
        gain: f32,
        children: [Statistics; 2],
    ) -> usize {
        let child = self.nodes.len();
        let feature = branch.feature as u32 | if branch.missing_left { LEFT } else { 0 };
        self.nodes[node] = Node { value: branch.threshold, child: child as u32, feature };
        self.statistics[node].gain = gain;
        for statistics in children {
            self.nodes.push(Node { value: statistics.value, child: 0, feature: 0 });
            self.statistics.push(statistics);
        }
        child
    }

    /// Replaces the value of a leaf.
    pub(crate) fn set_leaf(&mut self, node: usize, value: f32) {
        debug_assert_eq!(self.nodes[node].child, 0);
        self.nodes[node].value = value;
        self.statistics[node].value = value;
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn kind(&self, node: usize) -> Kind {
        let Node { value, child, feature } = self.nodes[node];
        if child == 0 {
            return Kind::Leaf(value);
        }
        let branch = Branch {
            feature: (feature & !LEFT) as usize,
            threshold: value,
            missing_left: feature & LEFT != 0,
        };
        Kind::Split(branch, child as usize)
    }

    pub(crate) fn statistics(&self, node: usize) -> Statistics {
        self.statistics[node]
    }

    /// The value of the leaf that a row falls into.
    #[inline]
    pub(crate) fn value(&self, row: &[f32]) -> f32 {
        let mut node = &self.nodes[0];
        while node.child != 0 {
            node = &self.nodes[self.next(node, row)];
        }
        node.value
    }

    #[inline(always)]
    fn next(&self, node: &Node, row: &[f32]) -> usize {
        let value = row[(node.feature & !LEFT) as usize];
        let left = if value.is_nan() { node.feature & LEFT != 0 } else { value < node.value };
        node.child as usize + usize::from(!left)
    }

    /// As [`Tree::value`] for several rows at once: their walks wait for memory together.
    #[inline]
    pub(crate) fn values<const N: usize>(&self, rows: [&[f32]; N]) -> [f32; N] {
        let mut at = [0_usize; N];
        loop {
            let mut moved = false;
            for (at, row) in at.iter_mut().zip(rows) {
                let node = &self.nodes[*at];
                if node.child != 0 {
                    *at = self.next(node, row);
                    moved = true;
                }
            }
            if !moved {
                return at.map(|at| self.nodes[at].value);
            }
        }
    }
}
