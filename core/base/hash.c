#include "base/hash.h"
#include "base/file.h"

#include <openssl/evp.h>
#include <string.h>

/* tt_sha256 is OpenSSL's context under another name */
static EVP_MD_CTX *context(tt_sha256 *h)
{
    return (EVP_MD_CTX *)(void *)h;
}

tt_sha256 *tt_sha256_create(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return (tt_sha256 *)(void *)ctx;
}

void tt_sha256_update(tt_sha256 *h, const void *data, size_t size)
{
    EVP_DigestUpdate(context(h), data, size);
}

tt_digest tt_sha256_finish(tt_sha256 *h)
{
    tt_digest d;
    EVP_DigestFinal_ex(context(h), d.bytes, NULL);
    EVP_MD_CTX_free(context(h));
    return d;
}

tt_digest tt_sha256_of(const void *data, size_t size)
{
    tt_digest d;
    EVP_Digest(data, size, d.bytes, NULL, EVP_sha256(), NULL);
    return d;
}

tt_status tt_sha256_of_file(const char *path, tt_digest *out, tt_error *err)
{
    tt_map map;
    tt_status s = tt_map_open(path, &map, err);
    if (s) return s;
    tt_sha256 *h = tt_sha256_create();
    if (!h) {
        tt_map_close(&map);
        return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", path);
    }
    const size_t chunk = (size_t)16 << 20;
    for (size_t at = 0; at < map.size; at += chunk) {
        size_t n = map.size - at < chunk ? map.size - at : chunk;
        tt_sha256_update(h, map.data + at, n);
        tt_map_give_back(&map, at, n);
    }
    *out = tt_sha256_finish(h);
    tt_map_close(&map);
    return TT_OK;
}

void tt_digest_hex(const tt_digest *d, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[d->bytes[i] >> 4];
        hex[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    hex[64] = '\0';
}

uint32_t tt_crc32c(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *p = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) /* reflected Castagnoli polynomial; records are small */
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1u)));
    }
    return ~crc;
}
