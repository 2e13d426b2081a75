#include "CDXOpenSSL.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

int dx_hkdf_sha256(const void *secret, size_t secret_count, const void *salt, size_t salt_count, const void *info,
                   size_t info_count, uint8_t *key, size_t key_count) {
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_count),
        OSSL_PARAM_construct_end(),
    };
    int ok = context && EVP_KDF_derive(context, key, key_count, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok;
}

int dx_hmac_sha256(const uint8_t key[32], const void *message, size_t count, uint8_t mac[32]) {
    return HMAC(EVP_sha256(), key, 32, message, count, mac, NULL) != NULL;
}

EVP_CIPHER_CTX *dx_gcm_new(const uint8_t key[16], int seals) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context && EVP_CipherInit_ex(context, EVP_aes_128_gcm(), NULL, key, NULL, seals) == 1) return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

int dx_gcm_seal(EVP_CIPHER_CTX *context, const uint8_t nonce[12], const void *plain, size_t count, void *sealed) {
    int written = 0, final = 0;
    if (count > 1 << 20) return 0;
    return EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(context, sealed, &written, plain, (int)count) == 1 && written == (int)count &&
           EVP_EncryptFinal_ex(context, (uint8_t *)sealed + count, &final) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, (uint8_t *)sealed + count) == 1;
}

int dx_gcm_open(EVP_CIPHER_CTX *context, const uint8_t nonce[12], const void *sealed, size_t count, void *plain) {
    int written = 0, final = 0;
    if (count < 16 || count > 1 << 20) return 0;
    count -= 16;
    return EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, (uint8_t *)sealed + count) == 1 &&
           EVP_DecryptUpdate(context, plain, &written, sealed, (int)count) == 1 && written == (int)count &&
           EVP_DecryptFinal_ex(context, (uint8_t *)plain + count, &final) == 1;
}
