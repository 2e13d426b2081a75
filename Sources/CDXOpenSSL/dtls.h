// What dtls.c shows to records.c alone.
#pragma once

#include "CDXOpenSSL.h"

SSL *dx_dtls_ssl(const dx_dtls *dtls);
// The number after those of the records that OpenSSL wrote under the handshake's keys, and the first such record's explicit
// nonce (0 in a suite without); 0 when it wrote none.
int dx_dtls_written(const dx_dtls *dtls, uint64_t *next_number, uint64_t *explicit_nonce);
