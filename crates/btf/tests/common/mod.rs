//! What several tests share: BTF with every kind in it, and a walk that asks everything.
#![allow(dead_code, reason = "each test uses its part")]

use skep_btf::{
    Btf, BtfBuilder, Endian, Enumerator, IntEncoding, Kind, Linkage, Member, Param, SectionVar,
    Type, TypeId,
};

pub(crate) fn member(name: &str, type_id: TypeId, bit_offset: u32) -> Member<'_> {
    Member { name, type_id, bit_offset, bitfield_size: None }
}

pub(crate) fn bits(name: &str, type_id: TypeId, bit_offset: u32, bits: u8) -> Member<'_> {
    Member { name, type_id, bit_offset, bitfield_size: Some(bits) }
}

pub(crate) fn param(name: &str, type_id: TypeId) -> Param<'_> {
    Param { name, type_id }
}

/// A small kernel: every kind, a list that refers to itself, anonymous members, a raw tracepoint.
pub(crate) fn sample(endian: Endian) -> Vec<u8> {
    let mut b = BtfBuilder::with_endian(endian);
    let long = b.add_int("long unsigned int", 8, IntEncoding::Unsigned);
    let int = b.add_int("int", 4, IntEncoding::Signed);
    let char = b.add_int("char", 1, IntEncoding::Unsigned);
    let bool = b.add_int("_Bool", 1, IntEncoding::Bool);
    let void_ptr = b.add_ptr(TypeId::VOID);
    let const_char = b.add_const(char);
    let string = b.add_ptr(const_char);
    let comm = b.add_array(char, int, 16);
    let pid_t = b.add_typedef("pid_t", int);
    let volatile = b.add_volatile(long);
    let restrict = b.add_restrict(string);
    let user = b.add_type_tag("user", char);
    let user_string = b.add_ptr(user);
    let flags = b.add_struct(
        "",
        4,
        &[bits("on_cpu", int, 0, 1), bits("", int, 1, 2), bits("in_iowait", int, 3, 5)],
    );
    let inner = b.add_union("", 8, &[member("start", volatile, 0), member("", flags, 0)]);
    // The list refers to itself: the pointer is added after, under the id that follows.
    let list_ptr = TypeId(b.next_id().0 + 1);
    let list =
        b.add_struct("list_head", 16, &[member("next", list_ptr, 0), member("prev", list_ptr, 64)]);
    assert_eq!(b.add_ptr(list), list_ptr);
    let compare = b.add_func_proto(int, &[param("", string), param("", list_ptr)], false);
    let compare_ptr = b.add_ptr(compare);
    let table = b.add_array(compare_ptr, int, 3);
    let matrix = b.add_array(comm, int, 2);
    let matrix_ptr = b.add_ptr(matrix);
    let const_list_ptr = b.add_const(list_ptr);
    let task = b.add_struct(
        "task_struct",
        128,
        &[
            member("pid", pid_t, 0),
            member("comm", comm, 32),
            member("", inner, 192),
            member("tasks", list, 256),
            member("table", table, 384),
            member("matrix", matrix_ptr, 576),
            member("arg", user_string, 640),
            member("parent", const_list_ptr, 704),
            member("name", restrict, 768),
            member("data", void_ptr, 832),
        ],
    );
    let small = |name, value| Enumerator { name, value };
    b.add_enum("state", 4, true, &[small("RUNNING", 0), small("NEVER", -1)]);
    b.add_enum("", 4, false, &[small("LAST", 0xffff_ffff)]);
    b.add_enum("wide", 8, false, &[small("ALL", u64::MAX.into()), small("NONE", 0)]);
    b.add_enum("wide_signed", 8, true, &[small("LEAST", i64::MIN.into())]);
    b.add_fwd("file", false);
    b.add_fwd("value", true);
    b.add_float("double", 8);
    let task_ptr = b.add_ptr(task);
    let switch = [param("__data", void_ptr), param("preempt", bool), param("prev", task_ptr)];
    let unnamed = switch.map(|param| Param { name: "", ..param });
    let trace = b.add_func_proto(TypeId::VOID, &unnamed, false);
    let trace_ptr = b.add_ptr(trace);
    b.add_typedef("btf_trace_sched_switch", trace_ptr);
    let stub = b.add_func_proto(TypeId::VOID, &switch, false);
    b.add_func("__probestub_sched_switch", stub, Linkage::Static);
    let printk = b.add_func_proto(int, &[param("fmt", string)], true);
    let printk = b.add_func("printk", printk, Linkage::Global);
    b.add_decl_tag("kfunc", printk, None);
    b.add_decl_tag("checked", task, Some(2));
    let var = b.add_var("jiffies", volatile, Linkage::Extern);
    b.add_datasec(".data", 8, &[SectionVar { type_id: var, offset: 0, size: 8 }]);
    b.finish().expect("the sample is sound")
}

/// Asks of every type all there is to ask, and returns how many types there were. Errors are fine; what
/// matters is that it ends.
pub(crate) fn walk(btf: &Btf) -> usize {
    let mut count = 0;
    for (id, ty) in btf.types() {
        count += 1;
        let _ = (btf.type_name(id), btf.c_definition(id), btf.size_of(id), btf.align_of(id));
        let _ = (btf.resolve(id), btf.func_proto(id), btf.array(id), btf.fields(id));
        let _ = (btf.member(id, "in_iowait"), format!("{ty:?}").len());
        if let Type::Typedef { name, .. } = ty {
            assert_eq!(
                btf.get(btf.find_typedef(name).unwrap_or(id)).unwrap().kind(),
                Some(Kind::Typedef)
            );
        }
    }
    let _ = (btf.find_struct_or_union("task_struct"), btf.find_enumerator("LEAST"));
    let _ = (btf.find_func("printk"), btf.raw_tracepoint("sched_switch"));
    let _ = (btf.names(&[Kind::Func, Kind::Struct]).count(), btf.pointer_size());
    count
}
