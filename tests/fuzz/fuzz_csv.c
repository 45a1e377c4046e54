#include "formats/csv.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tt_csv csv;
    if (tt_csv_parse("fuzz", (const char *)data, size, &csv, NULL) == TT_OK) tt_csv_free(&csv);
    return 0;
}
