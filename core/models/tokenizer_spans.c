#include "base/mem.h"
#include "models/tokenizer.h"

#include <string.h>

tt_status tt_tokenizer_spans(const tt_tokenizer *tokenizer, const tt_text *text, bool literal_specials,
                             uint32_t length, uint32_t *first, tt_error *err)
{
    uint64_t at = 1; /* behind bos */
    uint32_t end = length > 1 ? length - 1 : 1;
    for (uint32_t k = 0; k <= text->n_pieces; k++) {
        first[k] = at < end ? (uint32_t)at : end;
        if (k == text->n_pieces) break;
        const char *piece = text->pieces[k].text;
        size_t n = 1; /* a special token */
        if (piece) {
            int32_t *ids = NULL;
            tt_status s = tt_tokenizer_body(tokenizer, piece, strlen(piece), literal_specials, &ids, &n, err);
            tt_free(ids);
            if (s) return s;
        }
        at += n;
    }
    return TT_OK;
}
