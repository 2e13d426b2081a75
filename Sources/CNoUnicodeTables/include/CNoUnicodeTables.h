// The programs' Unicode tables: none (docs/decisions/0037). There is nothing to call.
#ifndef C_NO_UNICODE_TABLES_H
#define C_NO_UNICODE_TABLES_H
#endif
