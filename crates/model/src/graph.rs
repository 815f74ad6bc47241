//! Who is joined to whom: an undirected multigraph in two flat arrays, walked without allocation
//! but for the set of the visited.

use std::collections::VecDeque;

/// Nodes and edges by number. Parallel edges are kept.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Where each node's neighbours begin in `neighbours`; one longer than there are nodes.
    offsets: Vec<u32>,
    /// (other node, edge), grouped by node, in the order of the edges.
    neighbours: Vec<(u32, u32)>,
}

impl Graph {
    /// From the number of nodes and the edges in order; an edge's number is its place.
    pub fn build(nodes: usize, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Graph {
        let mut offsets = vec![0u32; nodes + 1];
        for (a, b) in edges.clone() {
            offsets[a as usize + 1] += 1;
            offsets[b as usize + 1] += 1;
        }
        for i in 0..nodes {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut neighbours = vec![(0, 0); offsets[nodes] as usize];
        for (e, (a, b)) in edges.enumerate() {
            for (from, to) in [(a, b), (b, a)] {
                neighbours[next[from as usize] as usize] = (to, e as u32);
                next[from as usize] += 1;
            }
        }
        Graph { offsets, neighbours }
    }

    /// The neighbours of a node, each with the edge that leads there.
    pub fn neighbours(&self, node: u32) -> &[(u32, u32)] {
        let n = node as usize;
        if n + 1 >= self.offsets.len() {
            return &[];
        }
        &self.neighbours[self.offsets[n] as usize..self.offsets[n + 1] as usize]
    }

    /// Which nodes can be reached from `starts` through nodes for which `open` is true
    /// (the starts themselves are always reached).
    pub fn reachable(&self, starts: &[u32], open: impl Fn(u32) -> bool) -> Vec<bool> {
        let mut seen = vec![false; self.offsets.len().saturating_sub(1)];
        let mut queue = VecDeque::new();
        for &s in starts {
            if !std::mem::replace(&mut seen[s as usize], true) {
                queue.push_back(s);
            }
        }
        while let Some(n) = queue.pop_front() {
            for &(m, _) in self.neighbours(n) {
                if !seen[m as usize] && open(m) {
                    seen[m as usize] = true;
                    queue.push_back(m);
                }
            }
        }
        seen
    }
}
