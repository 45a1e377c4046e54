/* CLIP's byte-pair tokenizer, the "fast" variant (specs/models-clip.md 3.3–3.5). */
#ifndef TT_MODELS_TOKENIZER_H
#define TT_MODELS_TOKENIZER_H

#include "telltale/plugin.h"

typedef struct tt_tokenizer tt_tokenizer;

/* A diffusers `tokenizer/` folder: vocab.json + merges.txt, or tokenizer.json alone; with
 * tokenizer_config.json. */
TT_API tt_status tt_tokenizer_open(const char *dir, tt_tokenizer **tokenizer, tt_error *err);
/* From the merges in OpenAI's text form (bpe_simple_vocab_16e6.txt, unpacked): the first 48,894 are used. */
TT_API tt_status tt_tokenizer_from_merges(const char *name, const char *text, size_t size,
                                          tt_tokenizer **tokenizer, tt_error *err);
TT_API void tt_tokenizer_close(tt_tokenizer *tokenizer);
TT_API int32_t tt_tokenizer_bos(const tt_tokenizer *tokenizer);
TT_API int32_t tt_tokenizer_eos(const tt_tokenizer *tokenizer);
TT_API int32_t tt_tokenizer_pad(const tt_tokenizer *tokenizer);
TT_API int tt_tokenizer_length(const tt_tokenizer *tokenizer); /* model_max_length: 77 */

/* The text's own ids, without bos, eos and padding. literal_specials: "<|endoftext|>" written in the text
 * becomes the special id, as Hugging Face does. *ids is freed with tt_free. Invalid UTF-8 is an error. */
TT_API tt_status tt_tokenizer_body(const tt_tokenizer *tokenizer, const char *text, size_t size,
                                   bool literal_specials, int32_t **ids, size_t *n, tt_error *err);
/* bos + at most length−2 ids + eos + padding, for text made of pieces; ids [length]. */
TT_API tt_status tt_tokenizer_encode(const tt_tokenizer *tokenizer, const tt_text *text,
                                     bool literal_specials, int32_t *ids, tt_error *err);
/* Where the pieces of a text lie among the `length` tokens that encode makes of it (bos first): piece k has
 * tokens first[k] up to but without first[k+1]; first [n_pieces + 1]. */
TT_API tt_status tt_tokenizer_spans(const tt_tokenizer *tokenizer, const tt_text *text, bool literal_specials,
                                    uint32_t length, uint32_t *first, tt_error *err);

#endif
