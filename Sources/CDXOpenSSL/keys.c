#include "CDXOpenSSL.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <string.h>

EVP_PKEY *dx_key_generate(void) { return EVP_EC_gen("P-256"); }

static int is_p256(const EVP_PKEY *key) {
    char name[32];
    size_t count = 0;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, name, sizeof name, &count) &&
           (strcmp(name, "prime256v1") == 0 || strcmp(name, "P-256") == 0);
}

// Without this OpenSSL would ask for a passphrase on the terminal.
static int no_passphrase(char *buffer, int size, int is_writing, void *argument) {
    (void)buffer, (void)size, (void)is_writing, (void)argument;
    return -1;
}

EVP_PKEY *dx_key_from_pem(const void *pem, size_t count) {
    if (count > 1 << 20) return NULL;
    BIO *bio = BIO_new_mem_buf(pem, (int)count);
    if (!bio) return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key && !is_p256(key)) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

size_t dx_key_to_pem(const EVP_PKEY *key, void *pem, size_t capacity) {
    BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio) return 0;
    size_t result = 0;
    char *data = NULL;
    if (PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
        long count = BIO_get_mem_data(bio, &data);
        if (count > 0 && (size_t)count <= capacity) {
            memcpy(pem, data, (size_t)count);
            result = (size_t)count;
        }
        if (count > 0) OPENSSL_cleanse(data, (size_t)count);
    }
    BIO_free(bio);
    return result;
}

EVP_PKEY *dx_key_from_point(const uint8_t *point, size_t count) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, count),
        OSSL_PARAM_construct_end(),
    };
    if (context && EVP_PKEY_fromdata_init(context) == 1) EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters);
    EVP_PKEY_CTX_free(context);
    return key;
}

// The curve, made once: making it costs more than what is done with it. Read-only afterwards, never freed.
static const EC_GROUP *curve(void) {
    static _Atomic(EC_GROUP *) shared;
    EC_GROUP *group = atomic_load(&shared);
    if (group) return group;
    group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_GROUP *expected = NULL;
    if (!group || atomic_compare_exchange_strong(&shared, &expected, group)) return group;
    EC_GROUP_free(group);
    return expected;
}

int dx_point_uncompress(const uint8_t compressed[33], uint8_t point[65]) {
    const EC_GROUP *group = curve();
    EC_POINT *parsed = group ? EC_POINT_new(group) : NULL;
    int ok = parsed && EC_POINT_oct2point(group, parsed, compressed, 33, NULL) &&
             EC_POINT_point2oct(group, parsed, POINT_CONVERSION_UNCOMPRESSED, point, 65, NULL) == 65;
    EC_POINT_free(parsed);
    return ok;
}

int dx_key_point(const EVP_PKEY *key, uint8_t point[65]) {
    if (!is_p256(key)) return 0;
    BIGNUM *x = NULL, *y = NULL;
    point[0] = 4;
    int ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
             EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) && BN_bn2binpad(x, point + 1, 32) == 32 &&
             BN_bn2binpad(y, point + 33, 32) == 32;
    BN_free(x);
    BN_free(y);
    return ok;
}

int dx_gateway_id(const uint8_t point[65], uint8_t id[32]) {
    // RFC 5480: SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 65 bytes }.
    static const uint8_t prefix[26] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                       0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
    uint8_t der[26 + 65];
    memcpy(der, prefix, 26);
    memcpy(der + 26, point, 65);
    return EVP_Digest(der, sizeof der, id, NULL, EVP_sha256(), NULL);
}

int dx_sign(EVP_PKEY *key, const void *message, size_t count, uint8_t signature[64]) {
    uint8_t der[80]; // A P-256 signature in DER has at most 72 bytes.
    size_t der_count = sizeof der;
    ECDSA_SIG *parsed = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int ok = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestSign(context, der, &der_count, message, count) == 1;
    EVP_MD_CTX_free(context);
    if (ok) {
        const uint8_t *cursor = der;
        parsed = d2i_ECDSA_SIG(NULL, &cursor, (long)der_count);
        ok = parsed && BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature, 32) == 32 &&
             BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature + 32, 32) == 32;
        ECDSA_SIG_free(parsed);
    }
    return ok;
}

int dx_verify(EVP_PKEY *key, const void *message, size_t count, const uint8_t signature[64]) {
    uint8_t der[80];
    uint8_t *cursor = der;
    ECDSA_SIG *parsed = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, 32, NULL), *s = BN_bin2bn(signature + 32, 32, NULL);
    if (!parsed || !r || !s || !ECDSA_SIG_set0(parsed, r, s)) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(parsed);
        return 0;
    }
    int der_count = i2d_ECDSA_SIG(parsed, &cursor);
    ECDSA_SIG_free(parsed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int ok = der_count > 0 && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestVerify(context, der, (size_t)der_count, message, count) == 1;
    EVP_MD_CTX_free(context);
    return ok;
}

X509 *dx_certificate(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    if (!certificate) return NULL;
    X509_NAME *name = X509_get_subject_name(certificate);
    // The dates say "always" (RFC 5280 section 4.1.2.5): nobody here looks at them, but other programs might.
    int ok = X509_set_version(certificate, X509_VERSION_3) &&
             ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), 1) &&
             ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "19700101000000Z") &&
             ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "99991231235959Z") &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"dx", -1, -1, 0) &&
             X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
             X509_sign(certificate, key, EVP_sha256()) > 0;
    if (ok) return certificate;
    X509_free(certificate);
    return NULL;
}

int dx_key_scalar(const EVP_PKEY *key, uint8_t scalar[32]) {
    BIGNUM *number = NULL;
    int ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) && BN_bn2binpad(number, scalar, 32) == 32;
    BN_clear_free(number);
    return ok;
}

// The key pair of a scalar between 1 and n-1.
static EVP_PKEY *key_from_scalar(const EC_GROUP *group, const BIGNUM *scalar, BN_CTX *numbers) {
    EVP_PKEY *key = NULL;
    uint8_t encoded[65];
    EC_POINT *point = EC_POINT_new(group);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *parameters = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (point && builder && context && EC_POINT_mul(group, point, scalar, NULL, NULL, numbers) &&
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded, sizeof encoded, numbers) == sizeof encoded &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof encoded) &&
        OSSL_PARAM_BLD_push_BN_pad(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar, 32) &&
        (parameters = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(context) == 1)
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters);
    EVP_PKEY_CTX_free(context);
    // Zeroes what lies in secure memory, where the builder puts a secret number.
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EC_POINT_free(point);
    return key;
}

EVP_PKEY *dx_key_from_wide(const uint8_t *wide, size_t count) {
    const EC_GROUP *group = curve();
    if (!group || count > 64) return NULL;
    EVP_PKEY *key = NULL;
    BN_CTX *numbers = BN_CTX_secure_new();
    BIGNUM *scalar = BN_secure_new(), *range = BN_new();
    if (numbers && scalar && range && BN_bin2bn(wide, (int)count, scalar) && BN_copy(range, EC_GROUP_get0_order(group)) &&
        BN_sub_word(range, 1)) {
        BN_set_flags(scalar, BN_FLG_CONSTTIME);
        if (BN_mod(scalar, scalar, range, numbers) && BN_add_word(scalar, 1)) key = key_from_scalar(group, scalar, numbers);
    }
    BN_clear_free(scalar);
    BN_free(range);
    BN_CTX_free(numbers);
    return key;
}

int dx_agree(EVP_PKEY *key, const uint8_t point[33], uint8_t secret[32]) {
    size_t count = 32;
    EVP_PKEY *peer = dx_key_from_point(point, 33);
    EVP_PKEY_CTX *context = peer ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    int ok = context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
             EVP_PKEY_derive(context, secret, &count) == 1 && count == 32;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    return ok;
}
