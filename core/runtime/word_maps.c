#include "runtime/word_maps.h"
#include "base/file.h"
#include "runtime/wire.h"

#include <math.h>
#include <string.h>

#define MAGIC    0x31706d77u /* "wmp1" */
#define FILE_MAX ((size_t)1 << 26)

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for heat maps");
}

/* Words with one space between, of a part of a caption. */
static void put_words(tt_buf *out, const char *text)
{
    static const char space[] = " \t\n\v\f\r";
    for (text += strspn(text, space); *text; text += strspn(text, space)) {
        size_t n = strcspn(text, space);
        tt_buf_printf(out, out->size ? " " : "");
        tt_buf_append(out, text, n);
        text += n;
    }
}

/* dir/HASH of the words; tt_free; NULL: out of memory. */
static char *path_of(const char *dir, const tt_buf *words)
{
    tt_digest d = tt_sha256_of(words->data, words->size);
    char hex[65];
    tt_digest_hex(&d, hex);
    return words->failed ? NULL : tt_path_join(dir, hex);
}

/* ---- writing ---- */

/* Side of the squares that are averaged into one cell. */
static uint32_t step_of(uint32_t side)
{
    return (side + TT_WORD_MAP_SIDE_MAX - 1) / TT_WORD_MAP_SIDE_MAX;
}

static double mean_of(const float *map, uint32_t side, uint32_t row, uint32_t column, uint32_t step)
{
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t y = row * step; y < side && y < (row + 1) * step; y++)
        for (uint32_t x = column * step; x < side && x < (column + 1) * step; x++, n++)
            sum += (double)map[y * side + x];
    return sum / n;
}

/* Appends peak and cells of one word. */
static tt_status put_map(tt_buf *out, const float *map, uint32_t side, tt_error *err)
{
    enum { CELLS = TT_WORD_MAP_SIDE_MAX * TT_WORD_MAP_SIDE_MAX };
    double values[CELLS], peak = 0;
    uint8_t cells[CELLS];
    uint32_t step = step_of(side), kept = (side + step - 1) / step;
    for (uint32_t i = 0; i < kept * kept; i++) {
        values[i] = mean_of(map, side, i / kept, i % kept, step);
        if (!isfinite(values[i]) || values[i] < 0)
            return tt_fail(err, TT_ERR_INVALID,
                           "the service drew a map with values below 0, or that are not finite numbers");
        if (values[i] > peak) peak = values[i];
    }
    for (uint32_t i = 0; i < kept * kept; i++)
        cells[i] = (uint8_t)(peak > 0 ? 255 * (values[i] / peak) + 0.5 : 0);
    tt_put_f64(out, peak);
    tt_put_bytes(out, cells, kept * kept);
    return TT_OK;
}

tt_status tt_word_maps_write(const char *dir, const tt_text *text, const double *weights, uint32_t side,
                             const float *maps, tt_error *err)
{
    tt_buf words = {0}, out = {0};
    size_t plane = (size_t)side * side;
    uint32_t step = step_of(side);
    tt_put_u32(&out, MAGIC);
    tt_put_u32(&out, (side + step - 1) / step);
    tt_put_u32(&out, text->n_pieces);
    tt_status s = TT_OK;
    bool caption = true;
    for (uint32_t i = 0; i < text->n_pieces && !s && caption; i++) {
        caption = text->pieces[i].text != NULL;
        if (!caption) break;
        put_words(&words, text->pieces[i].text);
        tt_put_text(&out, text->pieces[i].text);
        tt_put_f64(&out, weights[i]);
        s = put_map(&out, maps + i * plane, side, err);
    }
    char *path = s || !caption ? NULL : path_of(dir, &words);
    if (!s && caption)
        s = path && !out.failed ? tt_file_write(path, out.data, out.size, err) : no_memory(err);
    tt_free(path);
    tt_buf_free(&words);
    tt_buf_free(&out);
    return s;
}

/* ---- reading ---- */

static tt_status take(tt_reader *in, const char *path, tt_arena *arena, tt_word_maps *out, tt_error *err)
{
    uint32_t magic = tt_get_u32(in), side = tt_get_u32(in), n = tt_get_count(in, 8);
    size_t plane = (size_t)side * side, bytes = 0;
    bool good = !in->failed && magic == MAGIC && side > 0 && side <= TT_WORD_MAP_SIDE_MAX;
    if (!good) return tt_fail(err, TT_ERR_FORMAT, "%s: is no file of heat maps: remove it", path);
    const char **words = tt_arena_alloc_array(arena, n + 1, sizeof *words);
    double *weights = tt_arena_alloc_array(arena, n + 1, sizeof *weights);
    double *peaks = tt_arena_alloc_array(arena, n + 1, sizeof *peaks);
    uint8_t *cells = tt_arena_alloc_array(arena, n + 1, plane);
    if (!words || !weights || !peaks || !cells) return no_memory(err);
    for (uint32_t i = 0; i < n && good; i++) {
        const char *word = tt_get_text(in);
        words[i] = tt_arena_strdup(arena, word ? word : "");
        weights[i] = tt_get_f64(in);
        peaks[i] = tt_get_f64(in);
        const void *map = tt_get_bytes(in, &bytes);
        good = !in->failed && bytes == plane;
        if (!words[i]) return no_memory(err);
        if (good) memcpy(cells + i * plane, map, plane);
    }
    if (!good || !tt_reader_done(in))
        return tt_fail(err, TT_ERR_FORMAT, "%s: is no whole file of heat maps: remove it", path);
    *out = (tt_word_maps){n, side, words, weights, peaks, cells};
    return TT_OK;
}

tt_status tt_word_maps_read(const char *dir, const char *caption, tt_arena *arena, tt_word_maps *out,
                            tt_error *err)
{
    tt_buf words = {0};
    put_words(&words, caption);
    char *path = path_of(dir, &words), *data = NULL;
    size_t size = 0;
    tt_buf_free(&words);
    tt_status s = path ? TT_OK : no_memory(err);
    if (!s && !tt_file_exists(path)) s = tt_fail(err, TT_ERR_NOT_FOUND, "%s: no heat maps", path);
    if (!s) s = tt_file_read(path, FILE_MAX, &data, &size, err);
    if (!s) {
        tt_reader in = tt_reader_over(data, size);
        s = take(&in, path, arena, out, err);
    }
    tt_free(data);
    tt_free(path);
    return s;
}
