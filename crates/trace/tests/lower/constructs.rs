//! Every construct once, in scripts that the kernel's verifier must take.

use skep_abi::{MapType, ProgType};
use skep_trace::hir::*;
use skep_trace::plan::*;
use skep_trace::types::*;

use crate::make::*;

fn fname(max: u32) -> Expr {
    string(ctx_word(24, Type::ptr(Type::U8, Space::User)), max)
}

fn strings(max: u32) -> Type {
    Type::Str { max }
}

/// `$0 < n` or so.
fn below(n: i64) -> Expr {
    cmp(CmpOp::Lt, var(0, Type::I64), int(n))
}

fn inc(n: u32) -> Expr {
    ex(ExprKind::VarAdd { var: VarId(n), delta: 1, post: true }, Type::I64)
}

fn eff(e: Expr) -> Stmt {
    st(StmtKind::Expr(e))
}

fn task(off: u32, ty: Type, of: Expr) -> Expr {
    let deref = ex(ExprKind::Deref(Box::new(of)), Type::Struct(StructId(0)));
    let field =
        Field { name: "f".into(), ty: ty.clone(), offset: off, bits: None, data_loc: false };
    ex(ExprKind::Member(Box::new(deref), field), ty)
}

fn curtask() -> Expr {
    pointer(builtin(Builtin::Curtask), Type::Struct(StructId(0)), Space::Kernel)
}

fn kv(n: u32, field: u32, ty: Type, pair: Type) -> Expr {
    ex(ExprKind::TupleField(Box::new(var(n, pair)), field), ty)
}

pub(crate) fn all() -> Vec<(&'static str, Script)> {
    let mut all = aggregations();
    all.extend(events());
    all.extend(maps());
    all.extend(loops());
    all.extend(values());
    all
}

pub(crate) fn aggregations() -> Vec<(&'static str, Script)> {
    let comm = || builtin(Builtin::Comm);
    let ret = || ctx_word(16, Type::I64);
    let s16 = strings(16);
    let signed = true;
    let mut list = vec![
        (
            "count",
            script(&[], vec![agg(0, vec![], Agg::Count, None)]).map(
                "@",
                &[],
                Type::Agg(Agg::Count),
            ),
        ),
        (
            "count by comm",
            script(&[], vec![agg(0, vec![comm()], Agg::Count, None)]).map(
                "@",
                std::slice::from_ref(&s16),
                Type::Agg(Agg::Count),
            ),
        ),
        (
            "hist by pid and comm",
            script(
                &[],
                vec![agg(
                    0,
                    vec![builtin(Builtin::Pid), comm()],
                    Agg::Hist { bits: 0 },
                    Some(ret()),
                )],
            )
            .map("@", &[Type::U64, s16.clone()], Type::Agg(Agg::Hist { bits: 0 })),
        ),
        (
            "fine hist",
            script(&[], vec![agg(0, vec![], Agg::Hist { bits: 3 }, Some(ret()))]).map(
                "@",
                &[],
                Type::Agg(Agg::Hist { bits: 3 }),
            ),
        ),
    ];
    for (name, a) in [
        ("sum", Agg::Sum { signed }),
        ("avg", Agg::Avg { signed }),
        ("min", Agg::Min { signed }),
        ("max", Agg::Max { signed }),
        ("stats", Agg::Stats { signed }),
        ("lhist", Agg::Lhist { min: 0, max: 1000, step: 10 }),
        ("tseries", Agg::Tseries { interval: 1_000_000, count: 20, op: TseriesOp::Max, signed }),
    ] {
        list.push((
            name,
            script(&[], vec![agg(0, vec![], a, Some(ret()))]).map("@", &[], Type::Agg(a)),
        ));
        let keyed = script(&[], vec![agg(0, vec![comm()], a, Some(ret()))]);
        list.push((name, keyed.map("@", std::slice::from_ref(&s16), Type::Agg(a))));
        if !a.is_multi() {
            let read = |key: Vec<Expr>| cmp(CmpOp::Gt, elem(0, key, Type::I64), int(5));
            let body =
                vec![when(read(vec![]), vec![put(1, vec![], elem(0, vec![], Type::I64))], vec![])];
            list.push((
                name,
                script(&[], body).map("@", &[], Type::Agg(a)).map("@x", &[], Type::I64),
            ));
            let body = vec![put(1, vec![comm()], elem(0, vec![comm()], Type::I64))];
            list.push((
                name,
                script(&[], body).map("@", std::slice::from_ref(&s16), Type::Agg(a)).map(
                    "@x",
                    std::slice::from_ref(&s16),
                    Type::I64,
                ),
            ));
        }
    }
    list
}

pub(crate) fn events() -> Vec<(&'static str, Script)> {
    let comm = || builtin(Builtin::Comm);
    let two = [comm(), fname(1024)];
    let many = || {
        vec![
            int(1),
            fname(200),
            comm(),
            text(&"long literal ".repeat(8)),
            fname(1024),
            fname(64),
            call(
                Call::Buf {
                    ptr: Box::new(ctx_word(24, Type::ptr(Type::U8, Space::User))),
                    len: Some(Box::new(ctx_word(16, Type::U64))),
                },
                Type::Buf { max: 100 },
            ),
            var(0, strings(100)),
            builtin(Builtin::Ustack(stack(127))),
            builtin(Builtin::Kstack(stack(5))),
        ]
    };
    let exit = vec![when(
        cmp(CmpOp::Gt, ctx_word(8, Type::I64), int(5)),
        vec![emit(0, vec![int(3)])],
        vec![agg(0, vec![], Agg::Count, None)],
    )];
    let formatted = format(&many().iter().collect::<Vec<_>>());
    vec![
        (
            "printf of numbers",
            script(&[], vec![emit(0, vec![builtin(Builtin::Pid), int(7)])])
                .action(format(&[&int(0), &int(0)])),
        ),
        (
            "printf of comm and file name",
            script(&[], vec![emit(0, two.to_vec())]).action(format(&[&two[0], &two[1]])),
        ),
        (
            "printf of everything",
            script(&[strings(100)], vec![set(0, fname(100)), emit(0, many())]).action(formatted),
        ),
        ("exit", script(&[], exit).action(Action::Exit).map("@", &[], Type::Agg(Agg::Count))),
        (
            "print of an element",
            script(&[], vec![emit(0, vec![comm(), fname(128)])])
                .map("@", &[strings(16), strings(128)], Type::I64)
                .action(Action::PrintMapElem { map: MapId(0), div: 0 }),
        ),
        (
            "join",
            script(
                &[],
                vec![eff(call(
                    Call::Join {
                        action: ActionId(0),
                        argv: Box::new(ctx_word(
                            24,
                            Type::ptr(Type::ptr(Type::U8, Space::User), Space::User),
                        )),
                    },
                    Type::None,
                ))],
            )
            .action(Action::Join { separator: " ".into() }),
        ),
        (
            "string with a length",
            script(
                &[],
                vec![emit(
                    0,
                    vec![call(
                        Call::Str {
                            ptr: Box::new(ctx_word(24, Type::ptr(Type::U8, Space::Unknown))),
                            len: Some(Box::new(ctx_word(16, Type::U64))),
                        },
                        strings(300),
                    )],
                )],
            )
            .action(format(&[&fname(300)])),
        ),
    ]
}

pub(crate) fn maps() -> Vec<(&'static str, Script)> {
    let comm = || builtin(Builtin::Comm);
    let tid = || builtin(Builtin::Tid);
    let add = |key: Vec<Expr>, post| {
        ex(ExprKind::MapAdd { map: MapId(0), key, delta: 1, post }, Type::I64)
    };
    let has = |key: Vec<Expr>| call(Call::HasKey { map: MapId(0), key }, Type::Bool);
    let del = |key: Vec<Expr>| call(Call::Delete { map: MapId(0), key }, Type::Bool);
    let hist = Agg::Hist { bits: 0 };
    let start = vec![
        put(0, vec![tid()], builtin(Builtin::Nsecs(Clock::Boot))),
        when(
            has(vec![tid()]),
            vec![
                put(
                    1,
                    vec![],
                    bin(
                        Arith::Sub,
                        builtin(Builtin::Nsecs(Clock::Boot)),
                        elem(0, vec![tid()], Type::U64),
                    ),
                ),
                eff(del(vec![tid()])),
            ],
            vec![],
        ),
    ];
    vec![
        (
            "start and end",
            script(&[], start).map("@start", &[Type::U64], Type::U64).map("@d", &[], Type::I64),
        ),
        (
            "string values and long keys",
            script(
                &[],
                vec![
                    put(0, vec![fname(256)], fname(512)),
                    put(1, vec![], elem(0, vec![fname(256)], strings(512))),
                ],
            )
            .map("@", &[strings(256)], strings(512))
            .map("@one", &[], strings(512)),
        ),
        (
            "increments",
            script(
                &[],
                vec![
                    eff(add(vec![comm()], true)),
                    put(1, vec![], add(vec![comm()], false)),
                    put(1, vec![], add(vec![comm()], true)),
                ],
            )
            .map("@", &[strings(16)], Type::I64)
            .map("@x", &[], Type::I64),
        ),
        (
            "increment without key",
            script(&[], vec![eff(add(vec![], true)), put(0, vec![], add(vec![], true))]).map(
                "@",
                &[],
                Type::I64,
            ),
        ),
        (
            "narrow key with padding",
            script(
                &[],
                vec![agg(
                    0,
                    vec![ctx_word(8, Type::I32), ctx_word(16, Type::U64), comm()],
                    Agg::Count,
                    None,
                )],
            )
            .map("@", &[Type::I32, Type::U64, strings(16)], Type::Agg(Agg::Count)),
        ),
        (
            "delete from a histogram",
            script(
                &[],
                vec![
                    eff(del(vec![comm()])),
                    when(has(vec![comm()]), vec![put(1, vec![], int(1))], vec![]),
                ],
            )
            .map("@", &[strings(16)], Type::Agg(hist))
            .map("@x", &[], Type::I64),
        ),
        ("delete without key", script(&[], vec![eff(del(vec![]))]).map("@", &[], Type::Agg(hist))),
        (
            "lru",
            script(&[], vec![put(0, vec![tid()], int(1))])
                .map("@", &[Type::U64], Type::I64)
                .declared(MapType::LruHash),
        ),
        (
            "percpu hash",
            script(&[], vec![put(0, vec![tid()], int(1))])
                .map("@", &[Type::U64], Type::I64)
                .declared(MapType::PercpuHash),
        ),
        (
            "lru aggregation",
            script(&[], vec![agg(0, vec![tid()], Agg::Count, None)])
                .map("@", &[Type::U64], Type::Agg(Agg::Count))
                .declared(MapType::LruHash),
        ),
        (
            "length",
            script(&[], vec![put(1, vec![], call(Call::Len(MapId(0)), Type::I64))])
                .map("@", &[Type::U64], Type::I64)
                .map("@n", &[], Type::I64),
        ),
        (
            "stacks as keys",
            script(
                &[],
                vec![agg(
                    0,
                    vec![
                        builtin(Builtin::Kstack(stack(127))),
                        builtin(Builtin::Ustack(stack(127))),
                        comm(),
                    ],
                    Agg::Count,
                    None,
                )],
            )
            .map(
                "@",
                &[Type::Kstack(stack(127)), Type::Ustack(stack(127)), strings(16)],
                Type::Agg(Agg::Count),
            ),
        ),
    ]
}

pub(crate) fn loops() -> Vec<(&'static str, Script)> {
    let i64s = [Type::I64, Type::I64];
    let pair = Type::Tuple(vec![strings(16), Type::I64]);
    let number = |n| var(n, Type::I64);
    let range = |start, end, body| st(StmtKind::ForRange { var: VarId(1), start, end, body });
    let result = || put(0, vec![], number(0));
    let sum = || set(0, bin(Arith::Add, number(0), number(1)));
    let each = |body| st(StmtKind::ForMap { var: VarId(2), map: MapId(0), body });
    let value = || kv(2, 1, Type::I64, pair.clone());
    let key = || kv(2, 0, strings(16), pair.clone());
    let vars3 = [Type::I64, Type::I64, pair.clone()];
    let over = |body: Vec<Stmt>, a: Type| {
        script(&vars3, body).map("@", &[strings(16)], a).map("@x", &[], Type::I64)
    };
    let stop = || when(cmp(CmpOp::Gt, value(), int(100)), vec![st(StmtKind::Break)], vec![]);
    let leave = || {
        when(cmp(CmpOp::Gt, value(), int(100)), vec![st(StmtKind::Return(Some(int(0))))], vec![])
    };
    let add = || set(0, bin(Arith::Add, number(0), value()));
    let store = || put(1, vec![], number(0));
    vec![
        (
            "while",
            script(
                &i64s,
                vec![
                    set(0, int(0)),
                    st(StmtKind::While { cond: below(100), body: vec![eff(inc(0))] }),
                    result(),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        (
            "while with break",
            script(
                &i64s,
                vec![
                    set(0, int(0)),
                    st(StmtKind::While {
                        cond: ex(ExprKind::Int(1), Type::Bool),
                        body: vec![
                            when(
                                cmp(CmpOp::Gt, inc(0), int(10)),
                                vec![st(StmtKind::Break)],
                                vec![],
                            ),
                            when(below(5), vec![st(StmtKind::Continue)], vec![set(1, number(0))]),
                        ],
                    }),
                    result(),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        (
            "few turns",
            script(&i64s, vec![set(0, int(0)), range(int(0), int(10), vec![sum()]), result()]).map(
                "@",
                &[],
                Type::I64,
            ),
        ),
        (
            "many turns",
            script(&i64s, vec![set(0, int(0)), range(int(0), int(100_000), vec![sum()]), result()])
                .map("@", &[], Type::I64),
        ),
        (
            "turns not known",
            script(
                &i64s,
                vec![
                    set(0, int(0)),
                    range(
                        int(0),
                        ctx_word(16, Type::I64),
                        vec![
                            when(
                                cmp(CmpOp::Eq, number(1), int(7)),
                                vec![st(StmtKind::Continue)],
                                vec![],
                            ),
                            when(
                                cmp(CmpOp::Eq, number(1), int(70)),
                                vec![st(StmtKind::Return(None))],
                                vec![],
                            ),
                            sum(),
                        ],
                    ),
                    result(),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        (
            "unroll",
            script(
                &i64s,
                vec![
                    set(0, int(0)),
                    st(StmtKind::Unroll { count: 5, body: vec![eff(inc(0))] }),
                    result(),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        ("over a map", over(vec![set(0, int(0)), each(vec![add()]), store()], Type::I64)),
        (
            "over a map with break",
            over(vec![set(0, int(0)), each(vec![stop(), add()]), store()], Type::I64),
        ),
        (
            "over a map with return",
            over(vec![set(0, int(0)), each(vec![leave(), add()]), store()], Type::I64),
        ),
        (
            "over counts",
            over(vec![set(0, int(0)), each(vec![add()]), store()], Type::Agg(Agg::Count)),
        ),
        (
            "over averages",
            over(
                vec![set(0, int(0)), each(vec![add()]), store()],
                Type::Agg(Agg::Avg { signed: true }),
            ),
        ),
        (
            "printing over a map",
            over(vec![each(vec![emit(0, vec![key(), value(), fname(200)])])], Type::I64)
                .action(format(&[&key(), &value(), &fname(200)])),
        ),
        (
            "exit over a map",
            over(vec![each(vec![emit(0, vec![value()])])], Type::I64).action(Action::Exit),
        ),
        (
            "deleting over a map",
            over(
                vec![each(vec![eff(call(
                    Call::Delete { map: MapId(0), key: vec![key()] },
                    Type::Bool,
                ))])],
                Type::I64,
            ),
        ),
    ]
}

pub(crate) fn values() -> Vec<(&'static str, Script)> {
    let comm = || builtin(Builtin::Comm);
    let result = |e: Expr| put(0, vec![], e);
    let one = |e: Expr| script(&[], vec![result(e)]).map("@", &[], Type::I64);
    let yes = |c: Expr| {
        script(&[], vec![when(c, vec![result(int(1))], vec![result(int(2))])]).map(
            "@",
            &[],
            Type::I64,
        )
    };
    let array = Type::Array { elem: Box::new(Type::U32), len: 8 };
    let index = |of: Expr, i: Expr| ex(ExprKind::Index(Box::new(of), Box::new(i)), Type::U32);
    let longs = [strings(200), strings(1024), array.clone()];
    let tuple = Type::Tuple(vec![Type::I32, strings(16), Type::U64]);
    let build = ex(
        ExprKind::Tuple(vec![ex(ExprKind::Int(3), Type::I32), comm(), builtin(Builtin::Pid)]),
        tuple.clone(),
    );
    let select = |a: Expr, b: Expr, ty: Type| {
        let cond = Box::new(cmp(CmpOp::Gt, ctx_word(16, Type::I64), int(3)));
        ex(ExprKind::Select { cond, then: Box::new(a), els: Box::new(b) }, ty)
    };
    let both = |a, b| ex(ExprKind::And(Box::new(a), Box::new(b)), Type::Bool);
    let either = |a, b| ex(ExprKind::Or(Box::new(a), Box::new(b)), Type::Bool);
    let contains = |a: Expr, b: Expr| call(Call::Strcontains(Box::new(a), Box::new(b)), Type::Bool);
    let in_ctx = ctx_word(16, Type::Array { elem: Box::new(Type::U32), len: 12 });
    let bits = {
        let args = ex(ExprKind::Args, Type::Struct(StructId(0)));
        let field = Field {
            name: "b".into(),
            ty: Type::I32,
            offset: 16,
            bits: Some((3, 5)),
            data_loc: false,
        };
        ex(ExprKind::Member(Box::new(args), field), Type::I32)
    };
    let data_loc = {
        let args = ex(ExprKind::Args, Type::Struct(StructId(0)));
        let ty = Type::ptr(Type::U8, Space::Kernel);
        let field =
            Field { name: "d".into(), ty: ty.clone(), offset: 16, bits: None, data_loc: true };
        string(ex(ExprKind::Member(Box::new(args), field), ty), 64)
    };
    let ntop =
        call(Call::Ntop { family: None, addr: Box::new(ctx_word(16, Type::U32)) }, Type::Inet);
    let mut list = vec![
        (
            "arithmetic",
            one(bin(
                Arith::Sdiv,
                bin(Arith::Mul, ctx_word(8, Type::I64), int(3)),
                bin(Arith::Srem, ctx_word(16, Type::I64), int(7)),
            )),
        ),
        ("comm is bash", yes(same(comm(), text("bash"), None))),
        ("comm begins with ba", yes(same(comm(), text("ba"), Some(2)))),
        (
            "long strings compared",
            script(
                &longs,
                vec![
                    set(0, fname(200)),
                    set(1, fname(1024)),
                    when(
                        same(var(0, longs[0].clone()), var(1, longs[1].clone()), None),
                        vec![result(int(1))],
                        vec![],
                    ),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        ("long string and literal", yes(same(fname(1024), text("/etc/ld.so.cache"), None))),
        ("strcontains", yes(contains(fname(256), text("ld.so")))),
        (
            "strcontains a variable",
            yes(contains(fname(256), elem(1, vec![], strings(20)))).map("@s", &[], strings(20)),
        ),
        (
            "very long strings compared",
            script(
                &[strings(65536), strings(60000)],
                vec![
                    set(0, fname(65536)),
                    set(1, fname(60000)),
                    when(
                        same(var(0, strings(65536)), var(1, strings(60000)), None),
                        vec![result(int(1))],
                        vec![],
                    ),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        ("strcontains in a very long string", yes(contains(fname(65536), text("ld.so.cache")))),
        (
            "strcontains a variable in a long string",
            yes(contains(fname(1024), elem(1, vec![], strings(200)))).map("@s", &[], strings(200)),
        ),
        (
            "strcontains a variable",
            yes(contains(fname(256), elem(1, vec![], strings(20)))).map("@s", &[], strings(20)),
        ),
        ("strcontains comm", yes(contains(comm(), text("sh")))),
        (
            "task fields",
            one(task(
                16,
                Type::I32,
                pointer(task(32, Type::U64, curtask()), Type::Struct(StructId(0)), Space::Unknown),
            )),
        ),
        ("array in the context", one(index(in_ctx, ctx_word(8, Type::I64)))),
        (
            "array in a variable",
            script(
                &longs,
                vec![
                    st(StmtKind::SetVar(VarId(2), None)),
                    st(StmtKind::SetPlace {
                        place: index(var(2, array.clone()), int(3)),
                        value: ex(ExprKind::Int(5), Type::U32),
                    }),
                    result(index(var(2, array.clone()), ctx_word(8, Type::I64))),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        (
            "tuple",
            script(
                std::slice::from_ref(&tuple),
                vec![
                    set(0, build.clone()),
                    put(0, vec![var(0, tuple.clone())], kv(0, 2, Type::U64, tuple.clone())),
                    put(1, vec![], build),
                ],
            )
            .map("@", std::slice::from_ref(&tuple), Type::U64)
            .map("@t", &[], tuple),
        ),
        ("choice of numbers", one(select(int(1), ctx_word(8, Type::I64), Type::I64))),
        (
            "choice of strings",
            script(
                &longs,
                vec![set(0, select(comm(), text("longer than sixteen bytes"), strings(32)))],
            ),
        ),
        (
            "and, or, not",
            yes(either(
                both(same(comm(), text("a"), None), cmp(CmpOp::Gt, ctx_word(8, Type::I64), int(1))),
                ex(ExprKind::Not(Box::new(same(comm(), text("b"), None))), Type::Bool),
            )),
        ),
        (
            "and as a value",
            one(both(
                cmp(CmpOp::Gt, ctx_word(8, Type::I64), int(1)),
                same(comm(), text("a"), None),
            )),
        ),
        (
            "assignment in a condition",
            script(
                &[Type::I64],
                vec![
                    set(0, int(0)),
                    when(
                        both(
                            cmp(CmpOp::Gt, ctx_word(8, Type::I64), int(1)),
                            cmp(CmpOp::Lt, inc(0), int(1)),
                        ),
                        vec![result(var(0, Type::I64))],
                        vec![result(var(0, Type::I64))],
                    ),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        ("bitfield", one(bits)),
        (
            "data_loc",
            script(&[], vec![agg(0, vec![data_loc], Agg::Count, None)]).map(
                "@",
                &[strings(64)],
                Type::Agg(Agg::Count),
            ),
        ),
        ("ntop", script(&[], vec![put(0, vec![ntop], int(1))]).map("@", &[Type::Inet], Type::I64)),
        (
            "stack length",
            one(call(Call::StackLen(Box::new(builtin(Builtin::Kstack(stack(127))))), Type::I64)),
        ),
        (
            "narrow cast",
            one(ex(
                ExprKind::Cast(Box::new(ex(
                    ExprKind::Cast(Box::new(ctx_word(8, Type::I64))),
                    Type::Int { bits: 8, signed: true },
                ))),
                Type::I64,
            )),
        ),
        (
            "buffer in a map",
            script(
                &[],
                vec![put(
                    0,
                    vec![],
                    call(
                        Call::Buf {
                            ptr: Box::new(ctx_word(24, Type::ptr(Type::U8, Space::User))),
                            len: None,
                        },
                        Type::Buf { max: 60 },
                    ),
                )],
            )
            .map("@", &[], Type::Buf { max: 60 }),
        ),
        (
            "usym",
            script(
                &[],
                vec![agg(
                    0,
                    vec![call(Call::Usym(Box::new(ctx_word(24, Type::U64))), Type::Usym)],
                    Agg::Count,
                    None,
                )],
            )
            .map("@", &[Type::Usym], Type::Agg(Agg::Count)),
        ),
        (
            "return in the middle",
            script(
                &[],
                vec![
                    when(
                        cmp(CmpOp::Gt, ctx_word(8, Type::I64), int(1)),
                        vec![st(StmtKind::Return(None))],
                        vec![st(StmtKind::Return(Some(int(1))))],
                    ),
                    result(int(1)),
                ],
            )
            .map("@", &[], Type::I64),
        ),
        (
            "predicate",
            script(&[], vec![agg(0, vec![fname(100)], Agg::Count, None)])
                .map("@", &[strings(100)], Type::Agg(Agg::Count))
                .predicate(both(
                    cmp(CmpOp::Gt, ctx_word(8, Type::I64), int(1)),
                    same(comm(), text("bash"), None),
                )),
        ),
    ];
    for b in [
        Builtin::Pid,
        Builtin::Tid,
        Builtin::Uid,
        Builtin::Gid,
        Builtin::Elapsed,
        Builtin::Cpu,
        Builtin::Numaid,
        Builtin::Curtask,
        Builtin::Rand,
        Builtin::Cgroup,
        Builtin::Jiffies,
        Builtin::Probe,
        Builtin::Username,
        Builtin::Ctx,
        Builtin::Nsecs(Clock::Boot),
        Builtin::Nsecs(Clock::Monotonic),
        Builtin::Nsecs(Clock::Tai),
        Builtin::Nsecs(Clock::Realtime),
        Builtin::Kstack(stack(20)),
    ] {
        let name = if b == Builtin::Jiffies { "jiffies" } else { "builtin" };
        list.push((name, one(builtin(b))));
    }
    for b in [
        Builtin::Arg(0),
        Builtin::Arg(5),
        Builtin::StackArg(1),
        Builtin::Retval,
        Builtin::Reg(128),
        Builtin::Func,
    ] {
        list.push(("builtin of functions", one(builtin(b)).kind(ProgType::Kprobe)));
    }
    list.push(("raw tracepoint", one(builtin(Builtin::Arg(1))).kind(ProgType::RawTracepoint)));
    list.push(("perf event", one(builtin(Builtin::Kstack(stack(127)))).kind(ProgType::PerfEvent)));
    list
}
