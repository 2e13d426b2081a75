// The programs' Unicode tables: none (docs/decisions/0037). There is nothing to call.
#ifndef C_UNICODE_STUB_H
#define C_UNICODE_STUB_H
#endif
