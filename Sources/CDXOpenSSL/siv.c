#include "CDXOpenSSL.h"

#include <limits.h>
#include <stdatomic.h>

#define TAG 16

// To look a cipher up by name costs more than to use it.
static const EVP_CIPHER *cipher(void) {
    static _Atomic(EVP_CIPHER *) shared;
    EVP_CIPHER *found = atomic_load(&shared);
    if (found) return found;
    found = EVP_CIPHER_fetch(NULL, "AES-128-SIV", NULL);
    EVP_CIPHER *expected = NULL;
    if (!found || atomic_compare_exchange_strong(&shared, &expected, found)) return found;
    EVP_CIPHER_free(found);
    return expected;
}

static EVP_CIPHER_CTX *begin(const uint8_t key[32], int seals) {
    const EVP_CIPHER *found = cipher();
    EVP_CIPHER_CTX *context = found ? EVP_CIPHER_CTX_new() : NULL;
    if (context && EVP_CipherInit_ex2(context, found, key, NULL, seals, NULL) == 1) return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

int dx_siv_seal(const uint8_t key[32], const void *data, size_t data_count, const void *plain, size_t count, void *sealed) {
    if (count == 0 || count > INT_MAX || data_count > INT_MAX) return 0;
    uint8_t *tag = sealed;
    int written;
    EVP_CIPHER_CTX *context = begin(key, 1);
    int ok = context && EVP_CipherUpdate(context, NULL, &written, data, (int)data_count) == 1 &&
             EVP_CipherUpdate(context, tag + TAG, &written, plain, (int)count) == 1 && written == (int)count &&
             EVP_CipherFinal_ex(context, tag + TAG + count, &written) == 1 &&
             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok;
}

int dx_siv_open(const uint8_t key[32], const void *data, size_t data_count, const void *sealed, size_t count, void *plain) {
    if (count <= TAG || count > INT_MAX || data_count > INT_MAX) return 0;
    const uint8_t *tag = sealed;
    count -= TAG;
    int written;
    EVP_CIPHER_CTX *context = begin(key, 0);
    int ok = context && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, (void *)tag) == 1 &&
             EVP_CipherUpdate(context, NULL, &written, data, (int)data_count) == 1 &&
             EVP_CipherUpdate(context, plain, &written, tag + TAG, (int)count) == 1 && written == (int)count &&
             EVP_CipherFinal_ex(context, (uint8_t *)plain + count, &written) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!ok) {
        OPENSSL_cleanse(plain, count);
        ERR_clear_error();
    }
    return ok;
}
