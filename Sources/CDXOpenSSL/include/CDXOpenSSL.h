// What DXSecure needs of OpenSSL 3 that Swift cannot call: macros, callbacks, a datagram-shaped BIO.
// Pointers are borrowed for the call unless a comment says otherwise. Functions that return int give 1 for success and
// 0 for failure, and leave OpenSSL's error queue for the caller to read and clear.
#pragma once

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

// Keys (keys.c). All are P-256.

// Owned by the caller: free with EVP_PKEY_free. NULL on failure.
EVP_PKEY *dx_key_generate(void);
// From PEM without a passphrase; NULL when it is not a P-256 private key. Owned by the caller.
EVP_PKEY *dx_key_from_pem(const void *pem, size_t count);
// Writes PKCS#8 PEM; the number of bytes, or 0 on failure or when the capacity is too small.
size_t dx_key_to_pem(const EVP_PKEY *key, void *pem, size_t capacity);
// From an uncompressed or compressed point; NULL when it is not on the curve. Owned by the caller.
EVP_PKEY *dx_key_from_point(const uint8_t *point, size_t count);
// The uncompressed point: 4, x, y.
int dx_key_point(const EVP_PKEY *key, uint8_t point[65]);
// The uncompressed form of a compressed point; 0 when it is not on the curve.
int dx_point_uncompress(const uint8_t compressed[33], uint8_t point[65]);
// SHA-256 of the DER SubjectPublicKeyInfo of an uncompressed point (docs/wire-format.md section 3).
int dx_gateway_id(const uint8_t point[65], uint8_t id[32]);
// ECDSA over SHA-256; the signature is r then s.
int dx_sign(EVP_PKEY *key, const void *message, size_t count, uint8_t signature[64]);
int dx_verify(EVP_PKEY *key, const void *message, size_t count, const uint8_t signature[64]);
// The private scalar, big-endian.
int dx_key_scalar(const EVP_PKEY *key, uint8_t scalar[32]);
// The key pair whose scalar is the big-endian number of these bytes, at most 64, modulo n-1, plus 1: with 48 of them every
// scalar is as likely as another (FIPS 186-5 A.2.1). Owned by the caller; NULL on failure.
EVP_PKEY *dx_key_from_wide(const uint8_t *wide, size_t count);
// The x coordinate of the product of a private key and a compressed point (SEC 1 section 3.3.1); 0 when it is no point.
int dx_agree(EVP_PKEY *key, const uint8_t point[33], uint8_t secret[32]);
// A self-signed certificate of the key. Owned by the caller: free with X509_free. NULL on failure.
X509 *dx_certificate(EVP_PKEY *key);

// Veil (veil.c).

int dx_hkdf_sha256(const void *secret, size_t secret_count, const void *salt, size_t salt_count, const void *info,
                   size_t info_count, uint8_t *key, size_t key_count);
int dx_hmac_sha256(const uint8_t key[32], const void *message, size_t count, uint8_t mac[32]);
// An AES-128-GCM context for sealing (1) or opening (0) with its key schedule done. Owned by the caller: free with
// EVP_CIPHER_CTX_free. NULL on failure.
EVP_CIPHER_CTX *dx_gcm_new(const uint8_t key[16], int seals);
// Writes count + 16 bytes.
int dx_gcm_seal(EVP_CIPHER_CTX *context, const uint8_t nonce[12], const void *plain, size_t count, void *sealed);
// Writes count - 16 bytes; count must be at least 16.
int dx_gcm_open(EVP_CIPHER_CTX *context, const uint8_t nonce[12], const void *sealed, size_t count, void *plain);

// AES-128-SIV (RFC 5297), for messages that may be repeated with the same nonce or none (siv.c). Writes the 16 bytes of the
// synthetic initialization vector, then `count` bytes. `count` is at least 1.
int dx_siv_seal(const uint8_t key[32], const void *data, size_t data_count, const void *plain, size_t count, void *sealed);
// Writes count - 16 bytes; 0, with nothing left there, when it does not open.
int dx_siv_open(const uint8_t key[32], const void *data, size_t data_count, const void *sealed, size_t count, void *plain);

// DTLS (dtls.c).

// Whether this CPU has instructions for AES and for GCM's hash.
int dx_cpu_accelerates_aes(void);
// A context for both roles. Owned by the caller: free with SSL_CTX_free. NULL on failure.
SSL_CTX *dx_dtls_context_new(EVP_PKEY *key, X509 *certificate, int prefers_chacha);
// A context for a handshake in which one end alone shows a key: that end has it, and takes anybody; for the other `key` and
// `certificate` are NULL. Owned by the caller, as above.
SSL_CTX *dx_dtls_context_one_sided(EVP_PKEY *key, X509 *certificate, int prefers_chacha);

// One association: the SSL object and the datagrams on their way in and out of it.
typedef struct dx_dtls dx_dtls;

// A new association that accepts only the peer whose key hashes to `peer_id`. No datagram of a handshake is larger than
// `mtu`. NULL on failure.
dx_dtls *dx_dtls_new(SSL_CTX *context, int is_initiator, const uint8_t peer_id[32], long mtu);
void dx_dtls_free(dx_dtls *dtls);
// Takes the handshake on, with one datagram, or with none to begin it: 1 when it is complete, 0 when it needs another
// datagram, -1 when it failed.
int dx_dtls_handshake(dx_dtls *dtls, const void *datagram, size_t count);
// After a failed handshake: OpenSSL's error code, and whether the peer showed another key.
unsigned long dx_dtls_error(const dx_dtls *dtls);
int dx_dtls_wrong_key(const dx_dtls *dtls);
// After a wrong key: whose it was.
void dx_dtls_seen_id(const dx_dtls *dtls, uint8_t id[32]);
// The size of the next handshake datagram to send, 0 when there is none; and that datagram, which is then gone.
size_t dx_dtls_pending(const dx_dtls *dtls);
size_t dx_dtls_take(dx_dtls *dtls, void *datagram, size_t capacity);
// The negotiated suite's name, or NULL; whether it has an explicit nonce; whether both ends support the extended master
// secret.
const char *dx_dtls_cipher(const dx_dtls *dtls);
int dx_dtls_has_explicit_nonce(const dx_dtls *dtls);
int dx_dtls_has_extended_master_secret(const dx_dtls *dtls);
// Keying material exported from a complete handshake (RFC 5705), without a context.
int dx_dtls_export(dx_dtls *dtls, const char *label, void *secret, size_t count);
// The associations alive in this process, for tests that look for leaks.
long dx_dtls_live(void);

// Records (records.c): the application data of a complete handshake, without the association.

typedef struct dx_records dx_records;

// How a record's body lies in memory when it is not in one piece: pieces of `slice` bytes, the last one perhaps shorter, with
// `gap` bytes between them. A slice of 0 means one piece.
typedef struct dx_pieces {
    size_t slice, gap;
} dx_pieces;

// The keys of a complete handshake. The association may seal or open nothing afterwards, and may be freed. NULL on failure.
dx_records *dx_records_new(dx_dtls *dtls);
// Zeroes the keys.
void dx_records_free(dx_records *records);
// The number of the first record to seal: what comes after those of the handshake.
uint64_t dx_records_first_number(const dx_records *records);
// The bytes that a record's body has beside the packet: 24 with AES-GCM, 16 with ChaCha20-Poly1305.
size_t dx_records_overhead(const dx_records *records);
// Writes the body (explicit nonce, ciphertext, tag) of the application-data record with this number, which must be used once
// only and lie below 2^48, in pieces. `count` is 1 to 16,384.
int dx_records_seal(dx_records *records, uint64_t number, const void *packet, size_t count, void *body, dx_pieces pieces);
// Opens the body of the record with this number; `body_count` is its size without the gaps. 0 when it is not the peer's; then
// nothing of it is left in `packet`, which must have room for all but the overhead.
int dx_records_open(
    dx_records *records, uint64_t number, const void *body, size_t body_count, dx_pieces pieces, void *packet);
// Those alive in this process, for tests that look for leaks.
long dx_records_live(void);
