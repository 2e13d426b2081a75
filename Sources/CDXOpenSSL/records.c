// The record protection of DTLS 1.2 with AEAD suites (RFC 6347 section 4.1, RFC 5288, RFC 7905), for the application data of
// a handshake that OpenSSL made: OpenSSL's ciphers and its keys, straight between the caller's packet and the pieces in which
// the record lies.
#include "CDXOpenSSL.h"
#include "dtls.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdatomic.h>
#include <string.h>

#define TAG 16
#define NONCE 12
#define EXPLICIT 8
#define MAXIMUM_KEY 32
// The epoch of everything after a first handshake.
#define EPOCH 1

struct dx_records {
    EVP_CIPHER_CTX *seals, *opens;
    uint8_t seal_nonce[NONCE], open_nonce[NONCE]; // What does not vary: 4 bytes of AES-GCM's, all of ChaCha20's.
    uint64_t first_number;
    uint16_t explicit_prefix; // The high bits of AES-GCM's explicit nonces; the low 48 are the number.
    int has_explicit;
};

static atomic_long live;

// MARK: Keys

// RFC 5246 section 6.3. SHA-256 is the PRF's hash in both suites that are offered.
static int key_block(SSL *ssl, uint8_t *block, size_t count) {
    static const char label[] = "key expansion";
    uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[sizeof label - 1 + 2 * SSL3_RANDOM_SIZE];
    size_t master_count = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    memcpy(seed, label, sizeof label - 1);
    uint8_t *randoms = seed + sizeof label - 1;
    int done = 0;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    if (context && master_count > 0 && SSL_get_server_random(ssl, randoms, SSL3_RANDOM_SIZE) == SSL3_RANDOM_SIZE &&
        SSL_get_client_random(ssl, randoms + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE) == SSL3_RANDOM_SIZE) {
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, master_count),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
            OSSL_PARAM_construct_end(),
        };
        done = EVP_KDF_derive(context, block, count, parameters) == 1;
    }
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    OPENSSL_cleanse(master, sizeof master);
    return done;
}

static EVP_CIPHER_CTX *cipher_new(const char *name, const uint8_t *key, int seals) {
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *context = cipher ? EVP_CIPHER_CTX_new() : NULL;
    if (context && !EVP_CipherInit_ex2(context, cipher, key, NULL, seals, NULL)) {
        EVP_CIPHER_CTX_free(context);
        context = NULL;
    }
    EVP_CIPHER_free(cipher);
    return context;
}

dx_records *dx_records_new(dx_dtls *dtls) {
    SSL *ssl = dx_dtls_ssl(dtls);
    uint64_t next_number = 0, explicit_nonce = 0;
    // Without a record of OpenSSL's in the epoch there was no handshake.
    if (!dx_dtls_written(dtls, &next_number, &explicit_nonce)) return NULL;
    dx_records *records = OPENSSL_zalloc(sizeof *records);
    if (!records) return NULL;
    atomic_fetch_add(&live, 1);
    records->has_explicit = dx_dtls_has_explicit_nonce(dtls);
    records->first_number = next_number;
    // OpenSSL begins its explicit nonces anywhere, and counts. The other half of them is ours, so none is used twice.
    records->explicit_prefix = (uint16_t)(explicit_nonce >> 48) ^ 0x8000;
    const char *name = records->has_explicit ? "AES-128-GCM" : "ChaCha20-Poly1305";
    size_t key_count = records->has_explicit ? 16 : 32, fixed_count = records->has_explicit ? 4 : NONCE;
    uint8_t block[2 * (MAXIMUM_KEY + NONCE)];
    const uint8_t *keys = block, *fixed = block + 2 * key_count;
    int is_server = SSL_is_server(ssl);
    if (key_block(ssl, block, 2 * (key_count + fixed_count))) {
        records->seals = cipher_new(name, keys + (is_server ? key_count : 0), 1);
        records->opens = cipher_new(name, keys + (is_server ? 0 : key_count), 0);
        memcpy(records->seal_nonce, fixed + (is_server ? fixed_count : 0), fixed_count);
        memcpy(records->open_nonce, fixed + (is_server ? 0 : fixed_count), fixed_count);
    }
    OPENSSL_cleanse(block, sizeof block);
    if (records->seals && records->opens) return records;
    dx_records_free(records);
    return NULL;
}

void dx_records_free(dx_records *records) {
    if (!records) return;
    atomic_fetch_sub(&live, 1);
    EVP_CIPHER_CTX_free(records->seals); // Zeroes its key.
    EVP_CIPHER_CTX_free(records->opens);
    OPENSSL_clear_free(records, sizeof *records);
}

uint64_t dx_records_first_number(const dx_records *records) { return records->first_number; }

size_t dx_records_overhead(const dx_records *records) { return TAG + (records->has_explicit ? EXPLICIT : 0); }

long dx_records_live(void) { return atomic_load(&live); }

// MARK: Nonces and additional data

static void store64(uint8_t *to, uint64_t value) {
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (56 - 8 * i));
}

// RFC 7905 section 2: the number with its epoch, into the last eight bytes.
static void mix_number(uint8_t nonce[NONCE], uint64_t number) {
    uint8_t bytes[8];
    store64(bytes, (uint64_t)EPOCH << 48 | number);
    for (int i = 0; i < 8; i++) nonce[NONCE - 8 + i] ^= bytes[i];
}

// RFC 5246 section 6.2.3.3, with DTLS's epoch and number: 13 bytes.
static int begin(EVP_CIPHER_CTX *context, const uint8_t nonce[NONCE], uint64_t number, size_t count) {
    uint8_t data[13];
    store64(data, (uint64_t)EPOCH << 48 | number);
    memcpy(data + 8, "\x17\xfe\xfd", 3); // Application data, DTLS 1.2.
    data[11] = (uint8_t)(count >> 8);
    data[12] = (uint8_t)count;
    int written;
    return EVP_CipherInit_ex2(context, NULL, NULL, nonce, -1, NULL) &&
           EVP_CipherUpdate(context, NULL, &written, data, sizeof data);
}

// MARK: Pieces

// A place in a record that lies in pieces.
typedef struct place {
    uint8_t *at;
    size_t left; // In this piece.
    dx_pieces pieces;
} place;

static place place_at(const void *body, dx_pieces pieces) {
    return (place){(uint8_t *)body, pieces.slice ? pieces.slice : SIZE_MAX, pieces};
}

// The bytes from here to the end of the piece, but no more than `wanted`; they are passed.
static uint8_t *take(place *place, size_t wanted, size_t *count) {
    if (place->left == 0) {
        place->at += place->pieces.gap;
        place->left = place->pieces.slice;
    }
    uint8_t *at = place->at;
    *count = wanted < place->left ? wanted : place->left;
    place->at += *count;
    place->left -= *count;
    return at;
}

static void put(place *place, const uint8_t *from, size_t count) {
    while (count > 0) {
        size_t part;
        uint8_t *to = take(place, count, &part);
        memcpy(to, from, part);
        from += part;
        count -= part;
    }
}

static void get(place *place, uint8_t *to, size_t count) {
    while (count > 0) {
        size_t part;
        const uint8_t *from = take(place, count, &part);
        memcpy(to, from, part);
        to += part;
        count -= part;
    }
}

// MARK: Records

int dx_records_seal(dx_records *records, uint64_t number, const void *packet, size_t count, void *body, dx_pieces pieces) {
    uint8_t nonce[NONCE], tag[TAG];
    place out = place_at(body, pieces);
    memcpy(nonce, records->seal_nonce, NONCE);
    if (records->has_explicit) {
        store64(nonce + NONCE - EXPLICIT, (uint64_t)records->explicit_prefix << 48 | number);
        put(&out, nonce + NONCE - EXPLICIT, EXPLICIT);
    } else mix_number(nonce, number);
    if (!begin(records->seals, nonce, number, count)) return 0;
    const uint8_t *from = packet;
    int written;
    for (size_t left = count; left > 0;) {
        size_t part;
        uint8_t *to = take(&out, left, &part);
        if (!EVP_CipherUpdate(records->seals, to, &written, from, (int)part)) return 0;
        from += part;
        left -= part;
    }
    if (!EVP_CipherFinal_ex(records->seals, tag, &written) ||
        EVP_CIPHER_CTX_ctrl(records->seals, EVP_CTRL_AEAD_GET_TAG, TAG, tag) != 1)
        return 0;
    put(&out, tag, TAG);
    return 1;
}

int dx_records_open(
    dx_records *records, uint64_t number, const void *body, size_t body_count, dx_pieces pieces, void *packet) {
    size_t overhead = dx_records_overhead(records);
    if (body_count <= overhead || body_count - overhead > SSL3_RT_MAX_PLAIN_LENGTH) return 0;
    size_t count = body_count - overhead;
    uint8_t nonce[NONCE], tag[TAG];
    place in = place_at(body, pieces);
    memcpy(nonce, records->open_nonce, NONCE);
    if (records->has_explicit) get(&in, nonce + NONCE - EXPLICIT, EXPLICIT);
    else mix_number(nonce, number);
    if (!begin(records->opens, nonce, number, count)) return 0;
    uint8_t *to = packet;
    int written;
    for (size_t left = count; left > 0;) {
        size_t part;
        const uint8_t *from = take(&in, left, &part);
        if (!EVP_CipherUpdate(records->opens, to, &written, from, (int)part)) return 0;
        to += part;
        left -= part;
    }
    get(&in, tag, TAG);
    if (EVP_CIPHER_CTX_ctrl(records->opens, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
        EVP_CipherFinal_ex(records->opens, to, &written) == 1)
        return 1;
    // What was decrypted is not to be seen by anybody.
    OPENSSL_cleanse(packet, count);
    ERR_clear_error();
    return 0;
}
