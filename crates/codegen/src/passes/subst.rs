//! Values that stand for others.

use crate::ir::{Function, Value};

/// Which value replaces which.
#[derive(Debug)]
pub(super) struct Subst(Vec<Option<Value>>);

impl Subst {
    pub(super) fn new(func: &Function) -> Subst {
        Subst(vec![None; func.values as usize])
    }

    /// From now on `to` stands for `from`; `from` must not stand for `to` already.
    pub(super) fn set(&mut self, from: Value, to: Value) {
        let at = from.0 as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(to);
    }

    /// What stands for the value in the end.
    pub(super) fn get(&self, mut v: Value) -> Value {
        while let Some(to) = self.0.get(v.0 as usize).copied().flatten() {
            v = to;
        }
        v
    }

    /// Puts every replacement into the function.
    pub(super) fn apply(&self, func: &mut Function) {
        func.map_all_args(|v| self.get(v));
    }
}
