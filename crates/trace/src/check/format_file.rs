//! The `format` file of a tracepoint: its fields with type, place and sign. Pure, and safe on any text: a line that is not a field is skipped.
//! Source: `kernel/trace/trace_events.c` (`f_show`), `Documentation/trace/events.rst`.

/// A field of a tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FormatField {
    /// C type without array brackets, such as `const char *`.
    pub ty: String,
    /// Name.
    pub name: String,
    /// Whether brackets follow: `Some(None)` for `[]` or a length given by a name.
    pub array: Option<Option<u32>>,
    /// `__data_loc` or `__rel_loc`: the data is elsewhere in the record.
    pub location: Location,
    /// Bytes from the start of the record.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// `signed:1`
    pub signed: bool,
}

/// Where a field's data lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// At its offset.
    Here,
    /// The word at its offset says where, counted from the start of the record.
    Data,
    /// The word at its offset says where, counted from the end of that word.
    Relative,
}

/// All fields of a format file, the `common_` ones left out.
pub(super) fn parse(text: &str) -> Vec<FormatField> {
    text.lines().filter_map(field).filter(|f| !f.name.starts_with("common_")).collect()
}

/// `field:TYPE NAME[N]; offset:8; size:16; signed:0;`
fn field(line: &str) -> Option<FormatField> {
    let (mut offset, mut size, mut signed) = (None, None, false);
    let (declaration, rest) = line.trim().strip_prefix("field:")?.split_once(';')?;
    for part in rest.split(';') {
        match part.trim().split_once(':') {
            Some(("offset", value)) => offset = value.parse().ok(),
            Some(("size", value)) => size = value.parse().ok(),
            Some(("signed", value)) => signed = value == "1",
            _ => {}
        }
    }
    let mut declaration = declaration.trim();
    let mut location = Location::Here;
    for (prefix, kind) in [("__data_loc ", Location::Data), ("__rel_loc ", Location::Relative)] {
        if let Some(rest) = declaration.strip_prefix(prefix) {
            (declaration, location) = (rest.trim_start(), kind);
        }
    }
    let mut array = None;
    let mut text = declaration.to_owned();
    if let Some(open) = text.find('[') {
        let close = open + text[open..].find(']')?;
        array = Some(text[open + 1..close].trim().parse().ok());
        text.replace_range(open..=close, "");
    }
    let text = text.trim_end();
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let start = text.trim_end_matches(name).len();
    let (ty, name) = text.split_at(start);
    if name.is_empty() || ty.trim().is_empty() {
        return None;
    }
    Some(FormatField {
        ty: ty.split_whitespace().collect::<Vec<_>>().join(" "),
        name: name.to_owned(),
        array,
        location,
        offset: offset?,
        size: size?,
        signed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'e> = (&'e str, &'e str, Option<Option<u32>>, Location, u32, u32, bool);

    fn check(line: &str, expected: Option<Expected<'_>>) {
        let got = field(line);
        let got = got.as_ref().map(|f| {
            (f.ty.as_str(), f.name.as_str(), f.array, f.location, f.offset, f.size, f.signed)
        });
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn declarations_are_taken_apart() {
        use Location::*;
        check(
            "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;",
            Some(("char", "prev_comm", Some(Some(16)), Here, 8, 16, false)),
        );
        check(
            "field:const char * filename;\toffset:24;\tsize:8;\tsigned:0;",
            Some(("const char *", "filename", None, Here, 24, 8, false)),
        );
        check(
            "field:const char *const *argv; offset:24; size:8; signed:0;",
            Some(("const char *const *", "argv", None, Here, 24, 8, false)),
        );
        check(
            "field:__data_loc char[] name; offset:8; size:4; signed:1;",
            Some(("char", "name", Some(None), Data, 8, 4, true)),
        );
        check(
            "field:__rel_loc u8[] x; offset:8; size:4; signed:0;",
            Some(("u8", "x", Some(None), Relative, 8, 4, false)),
        );
        check(
            "field:char comm[TASK_COMM_LEN]; offset:8; size:16; signed:0;",
            Some(("char", "comm", Some(None), Here, 8, 16, false)),
        );
        check(
            "field:unsigned long args[6];\toffset:16;\tsize:48;\tsigned:0;",
            Some(("unsigned long", "args", Some(Some(6)), Here, 16, 48, false)),
        );
    }

    #[test]
    fn other_lines_are_no_fields() {
        for line in [
            "",
            "name: x",
            "field:",
            "field:int;",
            "field:int x;",
            "field: ;offset:1;size:1;",
            "field:char x[; offset:1; size:1;",
            "field:int é;offset:99999999999;size:4;",
        ] {
            check(line, None);
        }
        assert_eq!(parse("field:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"), []);
    }
}
