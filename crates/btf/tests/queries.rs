//! Reading, looking up and printing, on BTF made by hand in both byte orders.

mod common;

use std::sync::Arc;

use common::{member, param, sample};
use skep_btf::{Btf, BtfBuilder, Endian, IntEncoding, Kind, Linkage, Type, TypeId};

fn both(check: impl Fn(&Btf)) {
    for endian in [Endian::Little, Endian::Big] {
        let btf = Btf::parse(sample(endian), None).expect("the sample parses");
        assert_eq!(btf.endian(), endian);
        check(&btf);
    }
}

fn field(btf: &Btf, composite: &str, name: &str) -> Option<(u32, Option<u8>, String)> {
    let id = btf.find_struct_or_union(composite).expect("it exists");
    let field = btf.member(id, name).expect("it is a struct")?;
    Some((field.bit_offset, field.bitfield_size, btf.type_name(field.type_id).unwrap()))
}

#[test]
fn fields_are_found_also_in_anonymous_members() {
    both(|btf| {
        for (name, expected) in [
            ("pid", Some((0, None, "pid_t"))),
            ("comm", Some((32, None, "char[16]"))),
            ("start", Some((192, None, "volatile long unsigned int"))),
            ("on_cpu", Some((192, Some(1), "int"))),
            ("in_iowait", Some((195, Some(5), "int"))),
            ("tasks", Some((256, None, "struct list_head"))),
            ("table", Some((384, None, "int (*[3])(const char *, struct list_head *)"))),
            ("matrix", Some((576, None, "char (*)[2][16]"))),
            ("arg", Some((640, None, "char *"))),
            ("parent", Some((704, None, "struct list_head *const"))),
            ("name", Some((768, None, "const char *restrict"))),
            ("data", Some((832, None, "void *"))),
            ("next", None),
            ("", None),
        ] {
            let expected = expected.map(|(offset, bits, ty)| (offset, bits, ty.to_owned()));
            assert_eq!(field(btf, "task_struct", name), expected, "{name}");
        }
        let id = btf.find_struct_or_union("task_struct").unwrap();
        let names: Vec<_> = btf.fields(id).unwrap().iter().map(|field| field.name).collect();
        let own = "pid comm tasks table matrix arg parent name data start on_cpu in_iowait";
        assert_eq!(names.join(" "), own);
    });
}

#[test]
fn sizes_and_alignments_are_those_of_c() {
    both(|btf| {
        let task = btf.find_struct_or_union("task_struct").unwrap();
        for (name, size, align) in
            [("pid", 4, 4), ("comm", 16, 1), ("table", 24, 8), ("matrix", 8, 8), ("start", 8, 8)]
        {
            let id = btf.member(task, name).unwrap().unwrap().type_id;
            assert_eq!((btf.size_of(id), btf.align_of(id)), (Ok(size), Ok(align)), "{name}");
        }
        assert_eq!((btf.size_of(task), btf.align_of(task)), (Ok(128), Ok(8)));
        let printk = btf.find("printk", Kind::Func).unwrap();
        let error = btf.size_of(printk).unwrap_err().to_string();
        assert_eq!(error, format!("BTF type {printk} is a function, not a type with a size"));
        assert!(btf.size_of(TypeId::VOID).is_err());
    });
}

#[test]
fn functions_have_their_parameters() {
    both(|btf| {
        let printk = btf.find_func("printk").unwrap().unwrap();
        let params: Vec<_> = printk.proto.params().map(|param| param.name).collect();
        assert_eq!((params, printk.proto.variadic), (vec!["fmt"], true));
        assert_eq!(btf.c_definition(printk.id).unwrap(), "int printk(const char *fmt, ...);");
        assert!(btf.find_func("task_struct").unwrap().is_none());
        let names: Vec<_> = btf.names(&[Kind::Func]).map(|(_, name)| name).collect();
        assert_eq!(names, ["__probestub_sched_switch", "printk"]);
    });
}

#[test]
fn raw_tracepoints_take_names_from_their_stub() {
    both(|btf| {
        let switch = btf.raw_tracepoint("sched_switch").unwrap().unwrap();
        let params: Vec<_> = switch
            .params
            .iter()
            .map(|param| format!("{} {}", btf.type_name(param.type_id).unwrap(), param.name))
            .collect();
        assert_eq!(params, ["_Bool preempt", "struct task_struct * prev"]);
        assert!(btf.raw_tracepoint("nothing").unwrap().is_none());
        assert_eq!(btf.raw_tracepoints().collect::<Vec<_>>(), ["sched_switch"]);
    });
}

#[test]
fn enumerators_keep_sign_and_width() {
    both(|btf| {
        for (name, value) in [
            ("RUNNING", Some(0)),
            ("NEVER", Some(-1)),
            ("LAST", Some(0xffff_ffff)),
            ("ALL", Some(i128::from(u64::MAX))),
            ("LEAST", Some(i128::from(i64::MIN))),
            ("MISSING", None),
        ] {
            assert_eq!(btf.find_enumerator(name).map(|(value, _)| value), value, "{name}");
        }
        let (_, id) = btf.find_enumerator("NEVER").unwrap();
        assert_eq!(btf.get(id).unwrap().name(), "state");
    });
}

#[test]
fn definitions_are_c() {
    let expected = "struct task_struct {
\tpid_t pid;
\tchar comm[16];
\tunion {
\t\tvolatile long unsigned int start;
\t\tstruct {
\t\t\tint on_cpu: 1;
\t\t\tint: 2;
\t\t\tint in_iowait: 5;
\t\t};
\t};
\tstruct list_head tasks;
\tint (*table[3])(const char *, struct list_head *);
\tchar (*matrix)[2][16];
\tchar *arg;
\tstruct list_head *const parent;
\tconst char *restrict name;
\tvoid *data;
};";
    both(|btf| {
        let c = |name, kind| btf.c_definition(btf.find(name, kind).unwrap()).unwrap();
        assert_eq!(c("task_struct", Kind::Struct), expected);
        assert_eq!(c("state", Kind::Enum), "enum state {\n\tRUNNING = 0,\n\tNEVER = -1,\n};");
        let wide = "enum wide {\n\tALL = 18446744073709551615ULL,\n\tNONE = 0,\n};";
        assert_eq!(c("wide", Kind::Enum64), wide);
        assert_eq!(c("pid_t", Kind::Typedef), "typedef int pid_t;");
        assert_eq!(c("file", Kind::Fwd), "struct file;");
        assert_eq!(c("value", Kind::Fwd), "union value;");
        assert_eq!(c("jiffies", Kind::Var), "volatile long unsigned int jiffies;");
        let trace = "typedef void (*btf_trace_sched_switch)(void *, _Bool, struct task_struct *);";
        assert_eq!(c("btf_trace_sched_switch", Kind::Typedef), trace);
        let int = btf.find("int", Kind::Int).unwrap();
        assert!(btf.c_definition(int).is_err());
        assert_eq!(btf.c_declaration(int, "x").unwrap(), "int x");
    });
}

#[test]
fn a_struct_out_of_natural_alignment_is_packed() {
    let mut b = BtfBuilder::new();
    let int = b.add_int("int", 4, IntEncoding::Signed);
    let char = b.add_int("char", 1, IntEncoding::Signed);
    let packed = b.add_struct("p", 5, &[member("a", char, 0), member("b", int, 8)]);
    let natural = b.add_struct("n", 8, &[member("a", char, 0), member("b", int, 32)]);
    let btf = Btf::parse(b.finish().unwrap(), None).unwrap();
    let text = "struct p {\n\tchar a;\n\tint b;\n} __attribute__((packed));";
    assert_eq!(btf.c_definition(packed).unwrap(), text);
    assert_eq!((btf.align_of(packed), btf.align_of(natural)), (Ok(1), Ok(4)));
    assert!(btf.c_definition(natural).unwrap().ends_with("\n};"));
}

#[test]
fn every_kind_survives_the_trip() {
    both(|btf| {
        let mut kinds: Vec<_> =
            btf.types().map(|(_, ty)| ty.kind().expect("not void") as u8).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, (1..=19).collect::<Vec<_>>());
        let tag = |text: &str| {
            btf.types().find_map(|(_, ty)| match ty {
                Type::DeclTag { name, target, component, .. } if name == text => {
                    Some((btf.get(target).unwrap().name().to_owned(), component))
                }
                _ => None,
            })
        };
        assert_eq!(tag("kfunc"), Some(("printk".to_owned(), None)));
        assert_eq!(tag("checked"), Some(("task_struct".to_owned(), Some(2))));
        let section = btf.get(btf.find(".data", Kind::DataSec).unwrap()).unwrap();
        let Type::DataSec { vars, size, .. } = section else { panic!("{section:?}") };
        let var = vars.into_iter().next().unwrap();
        assert_eq!((size, var.offset, var.size), (8, 0, 8));
        let Type::Var { name, linkage, .. } = btf.get(var.type_id).unwrap() else { panic!() };
        assert_eq!((name, linkage), ("jiffies", Linkage::Extern));
    });
}

#[test]
fn the_index_finds_what_scanning_finds() {
    both(|btf| {
        let names: Vec<_> = btf.names(&ALL_KINDS).map(|(id, name)| (id, name.to_owned())).collect();
        assert!(names.len() > 10);
        let find = || -> Vec<_> {
            let of = |id| btf.get(id).unwrap().kind().unwrap();
            names.iter().map(|(id, name)| btf.find(name, of(*id))).collect()
        };
        // Too few lookups on a fresh BTF to make the index.
        let fresh = Btf::parse(sample(btf.endian()), None).unwrap();
        let scanned: Vec<_> =
            names.iter().take(4).map(|(_, name)| fresh.find_any(name, &ALL_KINDS)).collect();
        for _ in 0..100 {
            assert_eq!(btf.find("no such name", Kind::Func), None);
        }
        let found = find();
        assert_eq!(scanned, found[..4]);
        assert!(found.iter().zip(&names).all(|(found, (id, _))| *found == Some(*id)));
    });
}

const ALL_KINDS: [Kind; 5] = [Kind::Int, Kind::Struct, Kind::Typedef, Kind::Func, Kind::Var];

#[test]
fn a_module_builds_on_its_kernel() {
    both(|btf| {
        let base = Arc::new(Btf::parse(sample(btf.endian()), None).unwrap());
        let mut b = BtfBuilder::with_base(&base);
        let task = base.find_struct_or_union("task_struct").unwrap();
        let task_ptr = b.add_ptr(task);
        b.add_struct("driver", 8, &[member("owner", task_ptr, 0)]);
        let proto = b.add_func_proto(TypeId::VOID, &[param("task", task_ptr)], false);
        b.add_func("probe", proto, Linkage::Static);
        let bytes = b.finish().unwrap();

        assert!(Btf::parse(bytes.clone(), None).is_err(), "without its base it is not whole");
        let module = Btf::parse(bytes, Some(Arc::clone(&base))).unwrap();
        assert_eq!(module.first_own_id().0, base.type_count());
        assert_eq!(field(&module, "driver", "owner").unwrap().2, "struct task_struct *");
        assert_eq!(field(&module, "task_struct", "comm").unwrap().2, "char[16]");
        let probe = module.find_func("probe").unwrap().unwrap();
        let text = module.c_definition(probe.id).unwrap();
        assert_eq!(text, "void probe(struct task_struct *task);");
        let names: Vec<_> = module.names(&[Kind::Func]).map(|(_, name)| name).collect();
        assert_eq!(names, ["__probestub_sched_switch", "printk", "probe"]);
        assert!(module.find_enumerator("LEAST").is_some());
        assert_eq!(module.types().count() as u32, module.type_count() - 1);
    });
}
