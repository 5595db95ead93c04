//! The records of BTF.ext, byte by byte.

use skep_btf::{
    BtfExt, CoreRelo, CoreReloKind, Endian, ExtRecord, ExtSection, FuncInfo, LineInfo, TypeId,
};

fn line(line: u32, col: u32) -> LineInfo {
    LineInfo { insn_off: 1, file_name_off: 2, line_off: 3, line, col }
}

#[test]
fn line_and_column_share_a_word() {
    for (given, word, read_back) in [
        (line(12, 34), 12 << 10 | 34, line(12, 34)),
        (line(0, 0), 0, line(0, 0)),
        (line(4_194_303, 1023), u32::MAX, line(4_194_303, 1023)),
        (line(4_194_304, 1024), u32::MAX, line(4_194_303, 1023)),
    ] {
        let bytes = LineInfo::array(&[given], Endian::Little);
        let words = [1u32, 2, 3, word];
        assert_eq!(bytes, words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(LineInfo::read(&bytes, Endian::Little), read_back);
        let big = LineInfo::array(&[given], Endian::Big);
        assert_eq!(big, words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
    }
}

#[test]
fn sections_without_records_are_not_written() {
    let empty = ExtSection { name_off: 1, records: Vec::new() };
    let full =
        ExtSection { name_off: 2, records: vec![FuncInfo { insn_off: 0, type_id: TypeId(4) }] };
    let ext = BtfExt { func_info: vec![empty, full.clone()], ..BtfExt::default() };
    let read = BtfExt::parse(&ext.to_bytes(Endian::Big).unwrap()).unwrap();
    assert_eq!(read, BtfExt { func_info: vec![full], ..BtfExt::default() });
    let nothing = BtfExt::default().to_bytes(Endian::Little).unwrap();
    assert_eq!((nothing.len(), BtfExt::parse(&nothing)), (32, Ok(BtfExt::default())));
}

/// A section with the short header of before CO-RE, and one table of functions.
fn old_section(table: &[u32]) -> Vec<u8> {
    let length = table.len() as u32 * 4;
    let header = [0x0001_eb9f, 24, 0, length, length, 0];
    header.iter().chain(table).flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn longer_records_and_shorter_headers_are_read() {
    let ext = BtfExt::parse(&old_section(&[12, 7, 2, 0, 5, 99, 8, 6, 99])).unwrap();
    let records =
        [(0, 5), (8, 6)].map(|(insn_off, id)| FuncInfo { insn_off, type_id: TypeId(id) }).to_vec();
    let func_info = vec![ExtSection { name_off: 7, records }];
    assert_eq!(ext, BtfExt { func_info, ..BtfExt::default() });
}

#[test]
fn errors_name_the_offset() {
    for (table, expected) in [
        (&[4, 7, 1, 0][..], "BTF.ext, offset 24: records of 4 bytes: there are 8 at least"),
        (&[8, 7, 2, 0, 5], "BTF.ext, offset 32: more records than there is room"),
        (&[8, 7, u32::MAX, 0, 5], "BTF.ext, offset 32: more records than there is room"),
        (&[8, 7], "BTF.ext, offset 32: a table is cut short"),
    ] {
        let error = BtfExt::parse(&old_section(table)).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}

#[test]
fn core_relocations_have_a_kind_if_it_is_known() {
    let relo = |raw_kind| CoreRelo { insn_off: 0, type_id: TypeId(1), access_str_off: 2, raw_kind };
    assert_eq!(relo(0).kind(), Some(CoreReloKind::FieldByteOffset));
    assert_eq!(relo(12).kind(), Some(CoreReloKind::TypeMatches));
    assert_eq!(relo(13).kind(), None);
}
