/* SHA-256, CRC-32C for journal records, hex. */
#ifndef TT_BASE_HASH_H
#define TT_BASE_HASH_H

#include "telltale/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tt_digest {
    uint8_t bytes[32];
} tt_digest;

typedef struct tt_sha256 tt_sha256;
TT_API tt_sha256 *tt_sha256_create(void); /* NULL when out of memory */
TT_API void tt_sha256_update(tt_sha256 *h, const void *data, size_t size);
TT_API tt_digest tt_sha256_finish(tt_sha256 *h); /* frees h */
TT_API tt_digest tt_sha256_of(const void *data, size_t size);
/* the whole file's bytes */
TT_API tt_status tt_sha256_of_file(const char *path, tt_digest *out, tt_error *err);

TT_API void tt_digest_hex(const tt_digest *d, char hex[65]);
TT_API uint32_t tt_crc32c(uint32_t crc, const void *data, size_t size); /* start with crc = 0 */

#endif
