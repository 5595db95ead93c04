//! Aggregations: taking a value in, and reading the merged number back.
//!
//! A value is this CPU's own, so plain loads and stores do. Programs of one CPU that interrupt each other may lose a count; the kernel
//! keeps tracing programs of the same kind from doing so.

use skep_codegen::ir::{BinOp, Cond, Value};

use super::Cx;
use super::memory::Place;
use crate::hir::{Builtin, Expr, MapId};
use crate::syntax::ast::Span;
use crate::types::{Agg, Clock, TseriesOp, Type};

impl Cx<'_> {
    /// A statement such as `@x[key] = sum(value)`.
    pub(super) fn aggregate(
        &mut self,
        map: MapId,
        keys: &[Expr],
        agg: Agg,
        value: Option<&Expr>,
        weight: Option<&Expr>,
    ) {
        let v = match value {
            Some(e) => self.scalar(e),
            None => self.int(1),
        };
        let times = match weight {
            Some(e) => self.scalar(e),
            None => self.int(1),
        };
        self.note_set(map);
        let (bucket, time) = self.bucket(agg, v);
        let key = self.key(map, keys, bucket);
        self.with_elem(map, key, |cx, at| cx.take_in(agg, at, v, times, time));
    }

    /// The bucket a value belongs to, and for time series the time and the interval's number.
    fn bucket(&mut self, agg: Agg, v: Value) -> (Option<Value>, Option<(Value, Value)>) {
        match agg {
            Agg::Hist { bits } => (Some(self.hist_bucket(v, bits)), None),
            Agg::Lhist { min, max, step } => (Some(self.lhist_bucket(v, min, max, step)), None),
            Agg::Tseries { interval, count, .. } => {
                // Intervals are counted from 1970, so that those of a second begin with a second.
                let now =
                    self.builtin(Builtin::Nsecs(Clock::Realtime), &Type::U64, Span::default());
                let epoch = self.f.b.bin_imm(BinOp::Udiv, now, interval.max(1) as i64);
                let bucket = self.f.b.bin_imm(BinOp::Urem, epoch, count.max(1) as i64);
                (Some(bucket), Some((now, epoch)))
            }
            _ => (None, None),
        }
    }

    fn take_in(
        &mut self,
        agg: Agg,
        at: Place,
        v: Value,
        times: Value,
        time: Option<(Value, Value)>,
    ) {
        match agg {
            Agg::Count | Agg::Hist { .. } | Agg::Lhist { .. } => self.add_word(at, times),
            Agg::Sum { .. } => self.add_word(at, v),
            Agg::Avg { .. } | Agg::Stats { .. } => {
                let sum = self.f.b.bin(BinOp::Mul, v, times);
                self.add_word(at, sum);
                self.add_word(at.plus(8), times);
            }
            Agg::Min { signed } => self.extreme(at, v, if signed { Cond::Slt } else { Cond::Ult }),
            Agg::Max { signed } => self.extreme(at, v, if signed { Cond::Sgt } else { Cond::Ugt }),
            Agg::Tseries { op, signed, .. } => {
                if let Some((now, epoch)) = time {
                    self.series(at, op, signed, v, now, epoch);
                }
            }
        }
    }

    fn add_word(&mut self, at: Place, v: Value) {
        let old = self.load64(at);
        let new = self.f.b.bin(BinOp::Add, old, v);
        self.store64(at, new);
    }

    /// Keeps the value if none is set or it is beyond the one that is.
    fn extreme(&mut self, at: Place, v: Value, beyond: Cond) {
        let (compare, set, done) = (self.f.b.block(), self.f.b.block(), self.f.b.block());
        let is_set = self.load64(at.plus(8));
        self.f.b.branch_nonzero(is_set, compare, set);
        self.f.b.switch_to(compare);
        let old = self.load64(at);
        self.f.b.branch(beyond, v, old, set, done);
        self.f.b.switch_to(set);
        self.store64(at, v);
        let one = self.int(1);
        self.store64(at.plus(8), one);
        self.f.b.jump(done);
        self.f.b.switch_to(done);
    }

    /// A place of a time series; what an older interval left there is forgotten first.
    fn series(
        &mut self,
        at: Place,
        op: TseriesOp,
        signed: bool,
        v: Value,
        now: Value,
        epoch: Value,
    ) {
        let (fresh, on) = (self.f.b.block(), self.f.b.block());
        let old = self.load64(at);
        self.f.b.branch(Cond::Eq, old, epoch, on, fresh);
        self.f.b.switch_to(fresh);
        let zero = self.int(0);
        self.store64(at, epoch);
        self.store64(at.plus(8), zero);
        self.store64(at.plus(16), zero);
        self.f.b.jump(on);
        self.f.b.switch_to(on);
        let (value, one) = (at.plus(8), self.int(1));
        match op {
            TseriesOp::Last => {
                self.store64(value, v);
                self.store64(at.plus(16), now);
            }
            TseriesOp::Sum | TseriesOp::Avg => {
                self.add_word(value, v);
                self.add_word(at.plus(16), one);
            }
            TseriesOp::Min => self.extreme(value, v, if signed { Cond::Slt } else { Cond::Ult }),
            TseriesOp::Max => self.extreme(value, v, if signed { Cond::Sgt } else { Cond::Ugt }),
        }
    }

    /// The number that the values of all CPUs make together.
    pub(super) fn agg_value(&mut self, map: MapId, agg: Agg, key: Place) -> Value {
        let zero = self.int(0);
        match agg {
            Agg::Count | Agg::Sum { .. } => self.fold_cpus(map, key, &[zero], |cx, at, acc| {
                let v = cx.load64(at);
                vec![cx.f.b.bin(BinOp::Add, acc[0], v)]
            })[0],
            Agg::Avg { signed } | Agg::Stats { signed } => {
                let sums = self.fold_cpus(map, key, &[zero, zero], |cx, at, acc| {
                    let (sum, count) = (cx.load64(at), cx.load64(at.plus(8)));
                    let sum = cx.f.b.bin(BinOp::Add, acc[0], sum);
                    vec![sum, cx.f.b.bin(BinOp::Add, acc[1], count)]
                });
                let op = if signed { BinOp::Sdiv } else { BinOp::Udiv };
                self.f.b.bin(op, sums[0], sums[1])
            }
            Agg::Min { signed } => {
                self.merged_extreme(map, key, if signed { Cond::Slt } else { Cond::Ult })
            }
            Agg::Max { signed } => {
                self.merged_extreme(map, key, if signed { Cond::Sgt } else { Cond::Ugt })
            }
            // Histograms and series have no one number; the checker does not let them be read.
            Agg::Hist { .. } | Agg::Lhist { .. } | Agg::Tseries { .. } => zero,
        }
    }

    fn merged_extreme(&mut self, map: MapId, key: Place, beyond: Cond) -> Value {
        let zero = self.int(0);
        self.fold_cpus(map, key, &[zero, zero], |cx, at, acc| {
            let (is_set, v) = (cx.load64(at.plus(8)), cx.load64(at));
            let out = cx.f.b.block();
            let merged = vec![cx.f.b.block_param(out), cx.f.b.block_param(out)];
            let (set, compare, take, keep) =
                (cx.f.b.block(), cx.f.b.block(), cx.f.b.block(), cx.f.b.block());
            cx.f.b.branch_nonzero(is_set, set, keep);
            cx.f.b.switch_to(set);
            cx.f.b.branch_nonzero(acc[1], compare, take);
            cx.f.b.switch_to(compare);
            cx.f.b.branch(beyond, v, acc[0], take, keep);
            cx.f.b.switch_to(take);
            let one = cx.int(1);
            cx.jump_with(out, vec![v, one]);
            cx.f.b.switch_to(keep);
            cx.jump_with(out, acc.to_vec());
            cx.f.b.switch_to(out);
            merged
        })[0]
    }
}
