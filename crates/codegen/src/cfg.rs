//! The control-flow graph of a function: predecessors, reverse postorder, dominators and loop depth.
//!
//! Dominators after Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". Everything is iterative: a
//! function may come from a fuzzer.

use crate::ir::{Block, Function};

/// The graph; blocks that cannot be reached have no place in it.
#[derive(Debug)]
pub(crate) struct Cfg {
    /// Predecessors, one entry for each edge (two edges of one branch count twice), reachable ones only.
    pub(crate) preds: Vec<Vec<Block>>,
    /// Reachable blocks in reverse postorder.
    pub(crate) rpo: Vec<Block>,
    /// Place of each block in `rpo`.
    index: Vec<Option<u32>>,
    /// Immediate dominator of each reachable block but the entry.
    idom: Vec<Option<Block>>,
    /// Interval of each block in the dominator tree.
    tree: Vec<(u32, u32)>,
}

impl Cfg {
    /// Reads the graph; every edge must lead to an existing block and there must be an entry.
    pub(crate) fn new(func: &Function) -> Cfg {
        let n = func.blocks.len();
        let rpo =
            reverse_postorder(func, |b| func.block(b).term.edges().map(|e| e.block).collect());
        let mut index = vec![None; n];
        for (i, b) in rpo.iter().enumerate() {
            index[b.0 as usize] = Some(i as u32);
        }
        let mut preds = vec![Vec::new(); n];
        for &b in &rpo {
            for e in func.block(b).term.edges() {
                preds[e.block.0 as usize].push(b);
            }
        }
        let mut cfg = Cfg { preds, rpo, index, idom: vec![None; n], tree: vec![(0, 0); n] };
        cfg.find_dominators();
        cfg.number_tree();
        cfg
    }

    /// Whether control can come to the block.
    pub(crate) fn is_reachable(&self, b: Block) -> bool {
        self.index[b.0 as usize].is_some()
    }

    /// Whether every way to `b` leads through `a` (a block dominates itself); both must be reachable.
    pub(crate) fn dominates(&self, a: Block, b: Block) -> bool {
        let (a, b) = (self.tree[a.0 as usize], self.tree[b.0 as usize]);
        a.0 <= b.0 && b.1 <= a.1
    }

    fn rank(&self, b: Block) -> u32 {
        self.index[b.0 as usize].unwrap_or(u32::MAX)
    }

    fn find_dominators(&mut self) {
        let Some(&entry) = self.rpo.first() else { return };
        self.idom[entry.0 as usize] = Some(entry);
        loop {
            let mut changed = false;
            for i in 1..self.rpo.len() {
                let b = self.rpo[i];
                let known = self.preds[b.0 as usize].iter().copied();
                let known = known.filter(|p| self.idom[p.0 as usize].is_some());
                let new = known.reduce(|x, y| self.common(x, y));
                if new != self.idom[b.0 as usize] {
                    self.idom[b.0 as usize] = new;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        self.idom[entry.0 as usize] = None;
    }

    fn common(&self, mut a: Block, mut b: Block) -> Block {
        while a != b {
            while self.rank(a) > self.rank(b) {
                a = self.idom[a.0 as usize].unwrap_or(b);
            }
            while self.rank(b) > self.rank(a) {
                b = self.idom[b.0 as usize].unwrap_or(a);
            }
        }
        a
    }

    /// Numbers the dominator tree so that a dominator's interval encloses those of what it dominates.
    fn number_tree(&mut self) {
        let mut size = vec![1u32; self.tree.len()];
        for &b in self.rpo.iter().skip(1).rev() {
            if let Some(d) = self.idom[b.0 as usize] {
                size[d.0 as usize] += size[b.0 as usize];
            }
        }
        // In reverse postorder a dominator comes before what it dominates: each takes the next piece of its dominator's.
        let mut next = vec![0u32; self.tree.len()];
        for &b in &self.rpo {
            let start = match self.idom[b.0 as usize] {
                None => 0,
                Some(d) => {
                    let start = next[d.0 as usize];
                    next[d.0 as usize] += size[b.0 as usize];
                    start
                }
            };
            self.tree[b.0 as usize] = (start, start + size[b.0 as usize] - 1);
            next[b.0 as usize] = start + 1;
        }
    }

    /// In how many natural loops each block is.
    pub(crate) fn loop_depths(&self, func: &Function) -> Vec<u32> {
        let mut depth = vec![0; func.blocks.len()];
        for &header in &self.rpo {
            let latches = self.preds[header.0 as usize].iter().copied();
            let mut work: Vec<Block> = latches.filter(|&p| self.dominates(header, p)).collect();
            if work.is_empty() {
                continue;
            }
            let mut inside = vec![false; func.blocks.len()];
            inside[header.0 as usize] = true;
            depth[header.0 as usize] += 1;
            while let Some(b) = work.pop() {
                if !std::mem::replace(&mut inside[b.0 as usize], true) {
                    depth[b.0 as usize] += 1;
                    work.extend(&self.preds[b.0 as usize]);
                }
            }
        }
        depth
    }
}

/// Reverse postorder from the entry; `succs` gives the successors in the order in which they are visited (what is
/// visited last comes first).
pub(crate) fn reverse_postorder(
    func: &Function,
    succs: impl Fn(Block) -> Vec<Block>,
) -> Vec<Block> {
    let mut seen = vec![false; func.blocks.len()];
    let mut post = Vec::with_capacity(func.blocks.len());
    let mut stack = vec![(Block(0), succs(Block(0)).into_iter())];
    seen[0] = true;
    while let Some((b, rest)) = stack.last_mut() {
        match rest.next() {
            None => {
                post.push(*b);
                stack.pop();
            }
            Some(s) if !seen[s.0 as usize] => {
                seen[s.0 as usize] = true;
                stack.push((s, succs(s).into_iter()));
            }
            Some(_) => {}
        }
    }
    post.reverse();
    post
}
