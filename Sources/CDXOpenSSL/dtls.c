#include "CDXOpenSSL.h"
#include "dtls.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

// The protocol version: the one line to change when the host's OpenSSL speaks DTLS 1.3.
#define DX_DTLS_VERSION DTLS1_2_VERSION
// No flight of ours has more datagrams, or larger ones. What is beyond is dropped, as a network would.
#define MAXIMUM_PENDING 8
#define MAXIMUM_DATAGRAM 1200

typedef struct datagram {
    struct datagram *next;
    size_t count;
    uint8_t bytes[MAXIMUM_DATAGRAM];
} datagram;

struct dx_dtls {
    SSL *ssl;
    const uint8_t *input; // The one inbound datagram, NULL when it was read.
    size_t input_count;
    datagram *first, *last; // Handshake datagrams to send.
    int pending_count;
    unsigned long error;
    int is_wrong_key;
    uint8_t peer_id[32], seen_id[32]; // Whom it must be, and who it was when it was another.
    uint64_t next_number, explicit_nonce; // Of the records written under the handshake's keys: see dtls.h.
};

// MARK: The BIO. Each read gives one whole datagram, each write makes one.

static atomic_long live;

static int bio_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

static int bio_destroy(BIO *bio) {
    dx_dtls *dtls = BIO_get_data(bio);
    if (dtls) atomic_fetch_sub(&live, 1);
    BIO_set_data(bio, NULL);
    return 1;
}

static int bio_read(BIO *bio, char *buffer, int capacity) {
    dx_dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    // To read nothing would mean the end to OpenSSL: an empty datagram is none.
    if (!dtls->input || dtls->input_count == 0 || capacity <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = dtls->input_count < (size_t)capacity ? dtls->input_count : (size_t)capacity;
    memcpy(buffer, dtls->input, count);
    dtls->input = NULL;
    return (int)count;
}

// Notes the records of epoch 1 among those that OpenSSL wrote: whoever seals after it must go on behind them.
static void note_records(dx_dtls *dtls, const uint8_t *bytes, size_t count) {
    while (count >= DTLS1_RT_HEADER_LENGTH) {
        size_t size = DTLS1_RT_HEADER_LENGTH + ((size_t)bytes[11] << 8 | bytes[12]);
        if (size > count) return;
        if (bytes[3] == 0 && bytes[4] == 1) {
            uint64_t number = 0, nonce = 0;
            for (int i = 5; i < 11; i++) number = number << 8 | bytes[i];
            for (size_t i = DTLS1_RT_HEADER_LENGTH; i < DTLS1_RT_HEADER_LENGTH + 8 && i < size; i++)
                nonce = nonce << 8 | bytes[i];
            if (dtls->next_number == 0) dtls->explicit_nonce = nonce;
            if (number >= dtls->next_number) dtls->next_number = number + 1;
        }
        bytes += size;
        count -= size;
    }
}

static int bio_write(BIO *bio, const char *bytes, int count) {
    dx_dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (count < 0) return -1;
    note_records(dtls, (const uint8_t *)bytes, (size_t)count);
    if (dtls->pending_count >= MAXIMUM_PENDING || count > MAXIMUM_DATAGRAM) return count;
    datagram *next = malloc(sizeof *next);
    if (!next) return count;
    next->next = NULL;
    next->count = (size_t)count;
    memcpy(next->bytes, bytes, (size_t)count);
    if (dtls->last) dtls->last->next = next;
    else dtls->first = next;
    dtls->last = next;
    dtls->pending_count += 1;
    return count;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
        return 1;
    // The MTU is set on the SSL object and counts no headers; nothing is ever too large or waiting.
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
    case BIO_CTRL_DGRAM_MTU_EXCEEDED:
    default:
        return 0;
    }
}

static const BIO_METHOD *bio_method(void) {
    static _Atomic(BIO_METHOD *) shared;
    BIO_METHOD *method = atomic_load(&shared);
    if (method) return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dx datagram");
    if (!method) return NULL;
    BIO_meth_set_create(method, bio_create);
    BIO_meth_set_destroy(method, bio_destroy);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    BIO_METHOD *expected = NULL;
    if (atomic_compare_exchange_strong(&shared, &expected, method)) return method;
    BIO_meth_free(method);
    return expected;
}

// MARK: The context

int dx_cpu_accelerates_aes(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    unsigned long capabilities = getauxval(AT_HWCAP);
    return (capabilities & HWCAP_AES) && (capabilities & HWCAP_PMULL);
#else
    return 0;
#endif
}

// Trust is the key's hash, compared in constant time. Dates, names, issuers and purposes mean nothing here.
static int verify_peer(X509_STORE_CTX *store, void *argument) {
    (void)argument;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    dx_dtls *dtls = ssl ? SSL_get_app_data(ssl) : NULL;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    uint8_t point[65], id[32];
    if (dtls && key && dx_key_point(key, point) && dx_gateway_id(point, id) &&
        CRYPTO_memcmp(id, dtls->peer_id, sizeof id) == 0)
        return 1;
    if (dtls) {
        dtls->is_wrong_key = 1;
        if (key && dx_key_point(key, point)) dx_gateway_id(point, dtls->seen_id);
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

// `key` may be NULL, for an end that shows none; `mode` says what it wants of the other end.
static SSL_CTX *context_new(EVP_PKEY *key, X509 *certificate, int prefers_chacha, int mode) {
    static const char aes_first[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305";
    static const char chacha_first[] = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
    SSL_CTX *context = SSL_CTX_new(DTLS_method());
    if (!context) return NULL;
    // The server's order counts, but a client that puts ChaCha20 first gets it: AES only if both ends accelerate it.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_QUERY_MTU | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, mode, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_peer, NULL);
    // A wrapper certificate has about 330 bytes; a stranger's chain need not be kept.
    SSL_CTX_set_max_cert_list(context, 4096);
    if (SSL_CTX_set_min_proto_version(context, DX_DTLS_VERSION) &&
        SSL_CTX_set_max_proto_version(context, DX_DTLS_VERSION) &&
        SSL_CTX_set_cipher_list(context, prefers_chacha ? chacha_first : aes_first) &&
        SSL_CTX_set1_groups_list(context, "X25519:P-256") &&
        SSL_CTX_set1_sigalgs_list(context, "ECDSA+SHA256") &&
        SSL_CTX_set1_client_sigalgs_list(context, "ECDSA+SHA256") &&
        (!key || (SSL_CTX_use_certificate(context, certificate) && SSL_CTX_use_PrivateKey(context, key))))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

SSL_CTX *dx_dtls_context_new(EVP_PKEY *key, X509 *certificate, int prefers_chacha) {
    return context_new(key, certificate, prefers_chacha, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
}

SSL_CTX *dx_dtls_context_one_sided(EVP_PKEY *key, X509 *certificate, int prefers_chacha) {
    return context_new(key, certificate, prefers_chacha, key ? SSL_VERIFY_NONE : SSL_VERIFY_PEER);
}

// MARK: The association

// OpenSSL times its retransmissions by the wall clock, which may be set back. The owner retransmits instead, by the
// clock it is given, so OpenSSL's timer must not fire within any handshake: an hour, in microseconds.
static unsigned int timer_never(SSL *ssl, unsigned int microseconds) {
    (void)ssl, (void)microseconds;
    return 3600u * 1000 * 1000;
}

dx_dtls *dx_dtls_new(SSL_CTX *context, int is_initiator, const uint8_t peer_id[32], long mtu) {
    const BIO_METHOD *method = bio_method();
    dx_dtls *dtls = calloc(1, sizeof *dtls);
    SSL *ssl = SSL_new(context);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!dtls || !ssl || !bio || !SSL_set_app_data(ssl, dtls) || !SSL_set_mtu(ssl, mtu)) {
        BIO_free(bio);
        SSL_free(ssl);
        free(dtls);
        return NULL;
    }
    memcpy(dtls->peer_id, peer_id, sizeof dtls->peer_id);
    dtls->ssl = ssl;
    BIO_set_data(bio, dtls);
    atomic_fetch_add(&live, 1);
    SSL_set_bio(ssl, bio, bio); // Takes the BIO over.
    DTLS_set_timer_cb(ssl, timer_never);
    if (is_initiator) SSL_set_connect_state(ssl);
    else SSL_set_accept_state(ssl);
    return dtls;
}

void dx_dtls_free(dx_dtls *dtls) {
    if (!dtls) return;
    SSL_free(dtls->ssl); // Zeroes its keys.
    while (dtls->first) {
        datagram *next = dtls->first->next;
        free(dtls->first);
        dtls->first = next;
    }
    free(dtls);
}

int dx_dtls_handshake(dx_dtls *dtls, const void *bytes, size_t count) {
    ERR_clear_error();
    dtls->input = bytes;
    dtls->input_count = count;
    int result = SSL_do_handshake(dtls->ssl);
    dtls->input = NULL;
    if (result == 1) return 1;
    int kind = SSL_get_error(dtls->ssl, result);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        return 0;
    }
    dtls->error = ERR_peek_error();
    ERR_clear_error();
    return -1;
}

unsigned long dx_dtls_error(const dx_dtls *dtls) { return dtls->error; }

int dx_dtls_wrong_key(const dx_dtls *dtls) { return dtls->is_wrong_key; }

void dx_dtls_seen_id(const dx_dtls *dtls, uint8_t id[32]) { memcpy(id, dtls->seen_id, sizeof dtls->seen_id); }

size_t dx_dtls_pending(const dx_dtls *dtls) { return dtls->first ? dtls->first->count : 0; }

size_t dx_dtls_take(dx_dtls *dtls, void *bytes, size_t capacity) {
    datagram *first = dtls->first;
    if (!first || first->count > capacity) return 0;
    size_t count = first->count;
    memcpy(bytes, first->bytes, count);
    dtls->first = first->next;
    if (!dtls->first) dtls->last = NULL;
    dtls->pending_count -= 1;
    free(first);
    return count;
}

const char *dx_dtls_cipher(const dx_dtls *dtls) {
    const SSL_CIPHER *cipher = SSL_get_current_cipher(dtls->ssl);
    return cipher ? SSL_CIPHER_get_name(cipher) : NULL;
}

int dx_dtls_has_explicit_nonce(const dx_dtls *dtls) {
    const SSL_CIPHER *cipher = SSL_get_current_cipher(dtls->ssl);
    return cipher && SSL_CIPHER_get_cipher_nid(cipher) == NID_aes_128_gcm;
}

int dx_dtls_has_extended_master_secret(const dx_dtls *dtls) { return SSL_get_extms_support(dtls->ssl) == 1; }

int dx_dtls_export(dx_dtls *dtls, const char *label, void *secret, size_t count) {
    ERR_clear_error();
    return SSL_export_keying_material(dtls->ssl, secret, count, label, strlen(label), NULL, 0, 0);
}

SSL *dx_dtls_ssl(const dx_dtls *dtls) { return dtls->ssl; }

int dx_dtls_written(const dx_dtls *dtls, uint64_t *next_number, uint64_t *explicit_nonce) {
    *next_number = dtls->next_number;
    *explicit_nonce = dtls->explicit_nonce;
    return dtls->next_number > 0;
}

long dx_dtls_live(void) { return atomic_load(&live); }
