// An empty set of Unicode tables in place of the 34 MB of languages, calendars and collations that Foundation's ICU brings and
// nothing in the programs asks for. The linker takes the first definition that it sees, and objects come before archives.
// The name is ICU's with its version: with another version this is unused, and the programs are larger again, which
// Tests/Package says. Linked into our two programs alone, never into the library: who embeds a gateway has all tables.
//
// The form is that of ICU's common data with a table of contents that has no entry (unicode/udata.h: UDataInfo; ucmndata.h).

#include "CNoUnicodeTables.h"
#include <stdint.h>

struct no_tables {
    uint16_t header_size;
    uint8_t magic[2];
    // UDataInfo
    uint16_t info_size;
    uint16_t reserved_word;
    uint8_t is_big_endian;
    uint8_t charset_family;
    uint8_t size_of_char;
    uint8_t reserved_byte;
    uint8_t data_format[4];
    uint8_t format_version[4];
    uint8_t data_version[4];
    // up to a multiple of 16
    uint8_t padding[8];
    uint32_t entry_count;
    uint32_t reserved_count;
};

// Hidden: a program whose ICU is a shared library keeps that one's tables.
__attribute__((visibility("hidden"), used, aligned(16))) const struct no_tables icudt76_dat = {
    .header_size = 32,
    .magic = {0xda, 0x27},
    .info_size = 20,
    .is_big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
    .charset_family = 0,
    .size_of_char = 2,
    .data_format = {'T', 'o', 'c', 'P'},
    .format_version = {1, 0, 0, 0},
};
