/* Transform watermark: the visible and the hidden mark of the FACE experiments (specs/black-box-attacks.md
 * 3.5), with Pillow's arithmetic. */
#include "mark.h"

#include "base/hash.h"
#include "base/mem.h"
#include "formats/image.h"

#include <math.h>
#include <string.h>

#define MARGIN 5u

static const tt_host *host;

typedef struct watermark {
    bool hidden, left;
    uint32_t width, height;
    uint8_t *rgba; /* [height][width][4], as it is pasted */
} watermark;

static const tt_param params[] = {
    {"variant", TT_PARAM_CHOICE, "visible", 0, 0, "visible|hidden",
     "visible: in a corner with its own opacity; hidden: over the middle, red, nearly transparent", 0},
    {"mark", TT_PARAM_PATH, NULL, 0, 0, NULL, "a PNG with alpha; unset: the mark that comes with Telltale",
     0},
    {"corner", TT_PARAM_CHOICE, "tr", 0, 0, "tr|tl",
     "where the visible mark stands: top right, as the paper says, or top left, as its script pastes it", 0},
    {"width", TT_PARAM_INT, NULL, 1, 4096, NULL,
     "width of the mark in pixels, its height by its own proportions; unset: 100 visible, 350 hidden", 0},
    {"opacity", TT_PARAM_FLOAT, "0.01", 0, 1, NULL, "what the hidden mark's alpha is multiplied by", 0},
};

static void watermark_destroy(void *transform)
{
    watermark *w = transform;
    tt_free(w->rgba);
    host->free(w);
}

static tt_status load_mark(const char *path, uint32_t *width, uint32_t *height, uint8_t **rgba, tt_error *err)
{
    if (path) return tt_image_read_rgba(path, width, height, rgba, err);
    *width = MARK_WIDTH, *height = MARK_HEIGHT;
    *rgba = tt_alloc((size_t)MARK_WIDTH * MARK_HEIGHT * 4);
    if (!*rgba) return host->fail(err, TT_ERR_MEMORY, "watermark: out of memory for the mark");
    mark_draw(*rgba);
    return TT_OK;
}

/* So that a log tells which mark was used. */
static void log_hash(const char *path, uint32_t width, uint32_t height, const uint8_t *rgba)
{
    tt_digest digest = tt_sha256_of(rgba, (size_t)width * height * 4);
    char hex[65];
    tt_digest_hex(&digest, hex);
    host->log(TT_LOG_INFO, "watermark: %s, %u × %u, SHA-256 of its RGBA rows %s",
              path ? path : "Telltale's own mark", width, height, hex);
}

/* α ← ⌊α·opacity⌋, and red at its fullest. */
static void hide(watermark *w, double opacity)
{
    size_t n = (size_t)w->width * w->height;
    for (size_t i = 0; i < n; i++) {
        w->rgba[4 * i] = 255;
        w->rgba[4 * i + 3] = (uint8_t)floor(w->rgba[4 * i + 3] * opacity);
    }
}

static tt_status watermark_create(const tt_params *p, void **transform, tt_error *err)
{
    watermark *w = host->alloc(sizeof *w);
    if (!w) return host->fail(err, TT_ERR_MEMORY, "watermark: out of memory");
    w->hidden = strcmp(host->param_string(p, "variant"), "hidden") == 0;
    w->left = strcmp(host->param_string(p, "corner"), "tl") == 0;
    const char *path = host->param_is_set(p, "mark") ? host->param_string(p, "mark") : NULL;
    uint32_t full_width, full_height;
    uint8_t *full = NULL;
    tt_status s = load_mark(path, &full_width, &full_height, &full, err);
    if (!s) {
        int64_t width = host->param_is_set(p, "width") ? host->param_int(p, "width") : w->hidden ? 350 : 100;
        w->width = (uint32_t)width;
        double height = (double)width / full_width * full_height; /* int(100/w*h) of the script */
        if (height < 1 || height > TT_IMAGE_MAX_SIDE)
            s = host->fail(
                err, TT_ERR_INVALID,
                "watermark: a mark of %u × %u would be %.1f pixels high at width %lld: change `width`",
                full_width, full_height, height, (long long)width);
        else
            w->height = (uint32_t)height;
    }
    if (!s) {
        log_hash(path, full_width, full_height, full);
        s = tt_image_resize(full, full_width, full_height, 4, w->width, w->height, TT_FILTER_BICUBIC,
                            &w->rgba, err);
    }
    tt_free(full);
    if (s) {
        watermark_destroy(w);
        return s;
    }
    if (w->hidden) hide(w, host->param_float(p, "opacity"));
    *transform = w;
    return TT_OK;
}

/* Pillow's blend: (a·(255−α) + b·α)/255 rounded, in integers. */
static uint8_t blend(uint8_t under, uint8_t over, uint8_t alpha)
{
    uint32_t v = under * (255u - alpha) + (uint32_t)over * alpha + 128;
    return (uint8_t)(((v >> 8) + v) >> 8);
}

static void paste(const watermark *w, uint32_t left, uint32_t top, tt_pixels *out)
{
    for (uint32_t y = 0; y < w->height; y++) {
        const uint8_t *mark = w->rgba + (size_t)y * w->width * 4;
        uint8_t *to = out->rgb + ((size_t)(top + y) * out->width + left) * 3;
        for (uint32_t x = 0; x < w->width; x++, mark += 4, to += 3)
            for (int c = 0; c < 3; c++)
                to[c] = blend(to[c], mark[c], mark[3]);
    }
}

static tt_status watermark_image(void *transform, uint64_t seed, const tt_pixels *in, tt_pixels *out,
                                 tt_error *err)
{
    (void)seed; /* one mark for all images */
    const watermark *w = transform;
    uint32_t margin = w->hidden ? 0 : MARGIN;
    if (w->width + margin > in->width || w->height + margin > in->height)
        return host->fail(
            err, TT_ERR_INVALID,
            "watermark: an image of %u × %u is too small for a mark of %u × %u%s: set a smaller `width`",
            in->width, in->height, w->width, w->height, margin ? " and its margin of 5" : "");
    size_t bytes = (size_t)in->width * in->height * 3;
    *out = (tt_pixels){.width = in->width, .height = in->height, .rgb = host->alloc(bytes)};
    if (!out->rgb) return host->fail(err, TT_ERR_MEMORY, "watermark: out of memory for an image");
    memcpy(out->rgb, in->rgb, bytes);
    uint32_t left = w->hidden ? (in->width - w->width) / 2 : w->left ? margin : in->width - margin - w->width;
    paste(w, left, w->hidden ? (in->height - w->height) / 2 : margin, out);
    return TT_OK;
}

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_TRANSFORM,
    .name = "watermark",
    .revision = 1,
    .version = "0.1.0",
    .summary = "a visible mark in a corner, or a hidden one over the whole image",
    .params = params,
    .n_params = sizeof params / sizeof params[0],
};

static tt_status init(const tt_host *h, const char *path, tt_error *err)
{
    (void)path, (void)err;
    host = h;
    return TT_OK;
}

static void deinit(void)
{
}

static const tt_plugin_info *info(uint32_t index)
{
    return index == 0 ? &description : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    static const tt_transform_plugin table = {.size = sizeof table,
                                              .create = watermark_create,
                                              .destroy = watermark_destroy,
                                              .image = watermark_image};
    return kind == TT_KIND_TRANSFORM && strcmp(name, "watermark") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
