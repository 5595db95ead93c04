//! `@m = count()` and its kin.

use super::Checker;
use super::infer::Lit;
use super::is_unknown;
use crate::hir::{Expr, ExprKind, Stmt, StmtKind};
use crate::syntax::ast::{self, Span};
use crate::types::{Agg, TseriesOp, Type};

/// Most buckets of a linear histogram.
const MOST_BUCKETS: i64 = 1000;

/// Whether the function's result lives only in a map.
pub(super) fn is_aggregation(name: &str) -> bool {
    matches!(name, "count" | "sum" | "avg" | "min" | "max" | "stats" | "hist" | "lhist" | "tseries")
}

impl Checker<'_> {
    pub(super) fn aggregate(
        &mut self,
        map: &str,
        keys: &[ast::Expr],
        function: &str,
        args: &[ast::Expr],
        call_span: Span,
        span: Span,
    ) -> Option<Stmt> {
        let id = self.map_id(map);
        let key = self.map_keys(id, keys, span);
        let (agg, value) = self.aggregation(function, args, call_span).or_else(|| {
            // It has a value, whatever was wrong about it.
            self.maps[id.0 as usize].assigned = true;
            None
        })?;
        if !self.join_map(id, &Type::Agg(agg), Lit::No, call_span) {
            return None;
        }
        let agg = self.map_state(id).value_agg()?;
        Some(Stmt {
            kind: StmtKind::Aggregate { map: id, key: key?, agg, value, weight: None },
            span,
        })
    }

    fn aggregation(
        &mut self,
        function: &str,
        args: &[ast::Expr],
        span: Span,
    ) -> Option<(Agg, Option<Expr>)> {
        let (least, most) = match function {
            "count" => (0, 0),
            "hist" => (1, 2),
            "lhist" => (4, 4),
            "tseries" => (3, 4),
            _ => (1, 1),
        };
        if !self.arity(function, args, least, most, span) {
            return None;
        }
        let Some(first) = args.first() else { return Some((Agg::Count, None)) };
        let value = self.number(first, "the value");
        let known = !is_unknown(&value);
        let signed = value.ty.is_signed();
        let agg = match function {
            "sum" => Agg::Sum { signed },
            "avg" => Agg::Avg { signed },
            "min" => Agg::Min { signed },
            "max" => Agg::Max { signed },
            "stats" => Agg::Stats { signed },
            "hist" => Agg::Hist { bits: self.hist_bits(args.get(1))? },
            "lhist" => self.lhist(args)?,
            _ => self.tseries(args, signed)?,
        };
        known.then_some((agg, Some(value)))
    }

    fn hist_bits(&mut self, arg: Option<&ast::Expr>) -> Option<u8> {
        let Some(arg) = arg else { return Some(0) };
        let bits = self.constant(arg, "the precision")?;
        match u8::try_from(bits) {
            Ok(bits @ 0..=5) => Some(bits),
            _ => {
                self.error(arg.span, format!("the precision of hist is 0 to 5 bits, not {bits}"));
                None
            }
        }
    }

    fn lhist(&mut self, args: &[ast::Expr]) -> Option<Agg> {
        let min = self.constant(&args[1], "the lower bound")?;
        let max = self.constant(&args[2], "the upper bound")?;
        let step = self.constant(&args[3], "the width of a bucket")?;
        if step <= 0 {
            self.error(args[3].span, "the width of a bucket must be greater than 0");
            return None;
        }
        let Some(width) = max.checked_sub(min).filter(|w| *w > 0) else {
            self.error(
                args[2].span,
                format!("the upper bound {max} must be greater than the lower one, {min}"),
            );
            return None;
        };
        if width / step > MOST_BUCKETS {
            let count = width / step;
            self.error(
                args[3].span,
                format!("lhist would have {count} buckets, more than {MOST_BUCKETS}"),
            )
            .help("make them wider");
            return None;
        }
        Some(Agg::Lhist { min, max, step: step as u64 })
    }

    fn tseries(&mut self, args: &[ast::Expr], signed: bool) -> Option<Agg> {
        let interval = self.constant(&args[1], "the interval")?;
        let count = self.constant(&args[2], "the number of intervals")?;
        if interval <= 0 {
            self.error(args[1].span, "the interval must be greater than 0")
                .help("write it as `10ms`");
            return None;
        }
        let Some(count) = u32::try_from(count).ok().filter(|n| (1..=1_000_000).contains(n)) else {
            self.error(args[2].span, "the number of intervals is 1 to 1000000");
            return None;
        };
        let op = match args.get(3) {
            None => TseriesOp::Last,
            Some(arg) => {
                let name = self.expr(arg);
                let ExprKind::Str(text) = &name.kind else {
                    self.error(arg.span, "the function must be a literal string");
                    return None;
                };
                match text.as_slice() {
                    b"sum" => TseriesOp::Sum,
                    b"avg" => TseriesOp::Avg,
                    b"min" => TseriesOp::Min,
                    b"max" => TseriesOp::Max,
                    _ => {
                        self.error(arg.span, "tseries takes \"sum\", \"avg\", \"min\" or \"max\"");
                        return None;
                    }
                }
            }
        };
        Some(Agg::Tseries { interval: interval as u64, count, op, signed })
    }
}
