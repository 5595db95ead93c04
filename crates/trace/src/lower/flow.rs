//! Branches and where they meet again.

use skep_codegen::ir::{Block, Edge, Term, Value};

use super::Cx;

/// The end of one of several ways that meet: what the variables hold there, and the value it brings.
pub(super) struct Way {
    block: Block,
    env: Vec<Value>,
    value: Option<Value>,
}

impl Cx<'_> {
    /// Jumps with values for the block's parameters.
    pub(super) fn jump_with(&mut self, block: Block, args: Vec<Value>) {
        self.f.b.term(Term::Jump(Edge { block, args }));
    }

    /// Ends a way here, unless it has ended already (by `return`, say).
    pub(super) fn way(&mut self, value: Option<Value>) -> Option<Way> {
        if self.f.b.is_terminated() {
            return None;
        }
        Some(Way { block: self.f.b.current(), env: self.f.env.clone(), value })
    }

    /// Goes on where the ways meet; variables on which they disagree become parameters there. Gives the value they bring.
    ///
    /// If no way leads on, the current block stays the ended one.
    pub(super) fn meet(&mut self, ways: impl IntoIterator<Item = Option<Way>>) -> Option<Value> {
        let ways: Vec<Way> = ways.into_iter().flatten().collect();
        let first = ways.first()?;
        let differ: Vec<usize> = (0..first.env.len())
            .filter(|&i| ways.iter().any(|w| w.env[i] != first.env[i]))
            .collect();
        let with_value = first.value.is_some();
        let mut env = first.env.clone();
        let to = self.f.b.block();
        for way in &ways {
            self.f.b.switch_to(way.block);
            let args = differ.iter().map(|&i| way.env[i]).chain(way.value).collect();
            self.jump_with(to, args);
        }
        self.f.b.switch_to(to);
        for i in differ {
            env[i] = self.f.b.block_param(to);
        }
        self.f.env = env;
        with_value.then(|| self.f.b.block_param(to))
    }

    /// Starts a way in a block, with the variables as they were when the ways parted.
    pub(super) fn start(&mut self, block: Block, env: &[Value]) {
        self.f.b.switch_to(block);
        self.f.env = env.to_vec();
    }

    /// Two ways by a condition that has been branched on; each gives a value.
    pub(super) fn either(
        &mut self,
        then: (Block, impl FnOnce(&mut Self) -> Option<Value>),
        els: (Block, impl FnOnce(&mut Self) -> Option<Value>),
    ) -> Option<Value> {
        let env = self.f.env.clone();
        self.start(then.0, &env);
        let v = then.1(self);
        let a = self.way(v);
        self.start(els.0, &env);
        let v = els.1(self);
        let b = self.way(v);
        self.meet([a, b])
    }

    /// Runs `f` in a side branch that is taken when `v` is not 0 (`when`: or when it is).
    pub(super) fn aside(&mut self, v: Value, when_zero: bool, f: impl FnOnce(&mut Self)) {
        let (side, on) = (self.f.b.block(), self.f.b.block());
        let env = self.f.env.clone();
        if when_zero {
            self.f.b.branch_nonzero(v, on, side);
        } else {
            self.f.b.branch_nonzero(v, side, on);
        }
        self.f.b.switch_to(side);
        f(self);
        self.f.b.jump(on);
        self.f.b.switch_to(on);
        self.f.env = env;
    }
}
