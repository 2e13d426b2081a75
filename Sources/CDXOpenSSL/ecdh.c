#include "CDXOpenSSL.h"

int dx_ecdh(EVP_PKEY *key, const uint8_t *point, size_t count, uint8_t secret[32]) {
    EVP_PKEY *peer = dx_key_from_point(point, count);
    if (peer == NULL) return 0;
    size_t length = 32;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    int is_done = context != NULL && EVP_PKEY_derive_init(context) == 1 &&
                  EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                  EVP_PKEY_derive(context, secret, &length) == 1 && length == 32;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    return is_done;
}
