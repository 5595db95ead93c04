//! What a verifier's log says, in short: the instruction that was refused, its source line, and the lines of the log that matter.

use skep_object::Program;

/// Lines of the log kept before its verdict.
const EXCERPT: usize = 8;

/// The end of a verifier's log, understood as far as it is regular.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rejection {
    /// Index of the instruction that was being looked at.
    pub insn: Option<u32>,
    /// Line of the source that it belongs to, from 1.
    pub line: Option<u32>,
    /// The last lines of the log: the state and the verdict.
    pub excerpt: Vec<String>,
}

impl Rejection {
    /// Reads a log of the Linux verifier (`12: (61) r1 = *(u32 *)(r1 +4)`, states, a verdict, and `processed N insns` at the end).
    pub fn of(program: &Program, log: &str) -> Rejection {
        let lines: Vec<&str> =
            log.lines().map(str::trim_end).filter(|l| !l.is_empty() && !is_statistics(l)).collect();
        let insn = lines.iter().rev().find_map(|l| instruction(l));
        let line = insn.and_then(|insn| {
            let info = program.lines.iter().take_while(|l| l.insn_off <= insn).last()?;
            Some(info.line).filter(|n| *n != 0)
        });
        let excerpt =
            lines[lines.len().saturating_sub(EXCERPT)..].iter().map(|l| l.to_string()).collect();
        Rejection { insn, line, excerpt }
    }
}

fn is_statistics(line: &str) -> bool {
    ["processed ", "verification time", "stack depth", "insns_total"]
        .iter()
        .any(|p| line.starts_with(p))
}

/// The number before `: (` of an instruction's line.
fn instruction(line: &str) -> Option<u32> {
    let (number, rest) = line.split_once(": ")?;
    rest.starts_with('(').then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refused_instruction_is_found() {
        let log = "func#0 @0\n0: R1=ctx() R10=fp0\n; x @ a.bt:2\n0: (b7) r0 = 0\n7: (79) r2 = *(u64 *)(r0 +8)\nR0 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000)\n";
        assert_eq!(instruction("7: (79) r2 = *(u64 *)(r0 +8)"), Some(7));
        assert_eq!(instruction("0: R1=ctx() R10=fp0"), None);
        let program = Program {
            name: "p".into(),
            kind: skep_abi::ProgType::Kprobe,
            expected_attach: None,
            sleepable: false,
            insns: Vec::new(),
            relocs: Vec::new(),
            funcs: Vec::new(),
            lines: vec![
                skep_btf::LineInfo { insn_off: 0, file_name_off: 0, line_off: 0, line: 2, col: 1 },
                skep_btf::LineInfo { insn_off: 5, file_name_off: 0, line_off: 0, line: 3, col: 1 },
                skep_btf::LineInfo { insn_off: 9, file_name_off: 0, line_off: 0, line: 4, col: 1 },
            ],
        };
        let r = Rejection::of(&program, log);
        assert_eq!((r.insn, r.line), (Some(7), Some(3)));
        assert_eq!(r.excerpt.last().unwrap(), "R0 invalid mem access 'scalar'");
    }
}
