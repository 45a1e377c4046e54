/* Keys of the keyed streams (docs/randomness.md); the streams themselves are in keyed.c. */
#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The text that is hashed: netstrings ("4:seed,"), so that no field can be taken for two. */
typedef struct key_text {
    char text[1024]; /* room for two fields of LONGEST_FIELD and every label */
    size_t size;
} key_text;

enum { LONGEST_FIELD = 256 };

static void add_field(key_text *k, const char *field)
{
    char digest_text[8 + 64] = "sha256:";
    size_t n = strlen(field);
    if (n > LONGEST_FIELD) {
        tt_digest d = tt_sha256_of(field, n);
        tt_digest_hex(&d, digest_text + 7);
        field = digest_text;
        n = strlen(field);
    }
    int head = snprintf(k->text + k->size, sizeof k->text - k->size, "%zu:", n);
    k->size += (size_t)head;
    memcpy(k->text + k->size, field, n);
    k->size += n;
    k->text[k->size++] = ',';
}

static void add_number(key_text *k, const char *label, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    add_field(k, label);
    add_field(k, text);
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static tt_stream_key key_of(const key_text *k)
{
    tt_digest d = tt_sha256_of(k->text, k->size);
    return (tt_stream_key){{le32(d.bytes), le32(d.bytes + 4)}, {le32(d.bytes + 8), le32(d.bytes + 12)}};
}

tt_stream_key tt_noise_key(uint64_t run_seed, const tt_digest *content, const char *role, int32_t timestep,
                           uint32_t draw)
{
    char hex[65];
    tt_digest_hex(content, hex);
    key_text k = {.size = 0};
    add_field(&k, "telltale noise 1");
    add_number(&k, "seed", run_seed);
    add_field(&k, "content");
    add_field(&k, hex);
    add_field(&k, "role");
    add_field(&k, role);
    if (timestep < 0) {
        add_field(&k, "timestep");
        add_field(&k, "none");
    } else {
        add_number(&k, "timestep", (uint64_t)timestep);
    }
    add_number(&k, "draw", draw);
    return key_of(&k);
}

tt_stream_key tt_purpose_key(uint64_t run_seed, const char *purpose, const char *what)
{
    key_text k = {.size = 0};
    add_field(&k, "telltale purpose 1");
    add_number(&k, "seed", run_seed);
    add_field(&k, "purpose");
    add_field(&k, purpose);
    add_field(&k, "what");
    add_field(&k, what);
    return key_of(&k);
}
