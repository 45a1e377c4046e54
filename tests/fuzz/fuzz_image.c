#include "base/mem.h"
#include "formats/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tt_pixels p;
    tt_image_options options = {.apply_orientation = true, .max_pixels = 1u << 20};
    if (tt_image_decode("fuzz", data, size, &options, &p, NULL, NULL) == TT_OK) tt_free(p.rgb);
    return 0;
}
