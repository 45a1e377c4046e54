/* The one EXIF fact that matters here: tag 0x0112 of the first directory (TIFF 6.0, section 2). */
#include "formats/image_internal.h"

#include <string.h>

typedef struct tiff {
    const uint8_t *data;
    size_t size;
    bool big_endian;
} tiff;

static uint32_t read_uint(const tiff *t, size_t at, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | t->data[at + (t->big_endian ? i : bytes - 1 - i)];
    return v;
}

int tt_exif_orientation(const uint8_t *data, size_t size)
{
    enum { HEADER = 8, ENTRY = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };
    if (size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        data += 6;
        size -= 6;
    }
    if (size < HEADER || (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "MM\0*", 4) != 0)) return 1;
    tiff t = {data, size, data[0] == 'M'};
    size_t at = read_uint(&t, 4, 4);
    if (at > size || size - at < 2) return 1;
    uint32_t n = read_uint(&t, at, 2);
    at += 2;
    for (uint32_t i = 0; i < n && size - at >= ENTRY; i++, at += ENTRY) {
        if (read_uint(&t, at, 2) != TAG_ORIENTATION) continue;
        if (read_uint(&t, at + 2, 2) != TYPE_SHORT || read_uint(&t, at + 4, 4) != 1) return 1;
        uint32_t orientation = read_uint(&t, at + 8, 2);
        return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
    }
    return 1;
}
