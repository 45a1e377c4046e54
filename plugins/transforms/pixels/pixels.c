/* Transforms of images: crop and flip, with which models are trained, and jpeg and resize, which a candidate
 * image may have gone through on its way to the attacker. */
#include "base/mem.h"
#include "base/rng.h"
#include "formats/image.h"

#include <string.h>

static const tt_host *host;

static void plain_destroy(void *transform)
{
    host->free(transform);
}

/* ---- crop ---- */

typedef struct crop {
    double share;
    uint32_t size; /* 0: by share */
    bool random;
} crop;

static const tt_param crop_params[] = {
    {"share", TT_PARAM_FLOAT, "0.9", 0.01, 1, NULL, "of each side that stays, rounded down", 0},
    {"size", TT_PARAM_INT, NULL, 1, 16384, NULL, "a square of so many pixels instead", 0},
    {"where", TT_PARAM_CHOICE, "centre", 0, 0, "centre|random", "random: a place of its own for each image",
     0},
};

static tt_status crop_create(const tt_params *p, void **transform, tt_error *err)
{
    crop *c = host->alloc(sizeof *c);
    if (!c) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    c->share = host->param_float(p, "share");
    c->size = host->param_is_set(p, "size") ? (uint32_t)host->param_int(p, "size") : 0;
    c->random = strcmp(host->param_string(p, "where"), "random") == 0;
    *transform = c;
    return TT_OK;
}

static tt_status take_part(const tt_pixels *in, uint32_t left, uint32_t top, uint32_t width, uint32_t height,
                           tt_pixels *out, tt_error *err)
{
    size_t row = (size_t)width * 3;
    *out = (tt_pixels){.width = width, .height = height, .rgb = host->alloc(row * height)};
    if (!out->rgb) return host->fail(err, TT_ERR_MEMORY, "out of memory for an image");
    for (uint32_t y = 0; y < height; y++)
        memcpy(out->rgb + y * row, in->rgb + ((size_t)(top + y) * in->width + left) * 3, row);
    return TT_OK;
}

static uint32_t part_of(uint32_t side, double share)
{
    uint32_t n = (uint32_t)((double)side * share);
    return n ? n : 1;
}

static tt_status crop_image(void *transform, uint64_t seed, const tt_pixels *in, tt_pixels *out,
                            tt_error *err)
{
    const crop *c = transform;
    uint32_t width = c->size ? c->size : part_of(in->width, c->share);
    uint32_t height = c->size ? c->size : part_of(in->height, c->share);
    if (width > in->width || height > in->height)
        return host->fail(
            err, TT_ERR_INVALID,
            "crop: a square of %u pixels does not fit into an image of %u x %u: resize it first", c->size,
            in->width, in->height);
    if (!c->random) return tt_pixels_center_crop(in, width, height, out, err);
    tt_stream_key key = tt_purpose_key(seed, "crop", "");
    uint32_t left = (uint32_t)tt_keyed_below(&key, 0, in->width - width + 1);
    uint32_t top = (uint32_t)tt_keyed_below(&key, 1, in->height - height + 1);
    return take_part(in, left, top, width, height, out, err);
}

/* ---- flip ---- */

typedef struct flip {
    double probability;
} flip;

static const tt_param flip_params[] = {
    {"probability", TT_PARAM_FLOAT, "0.5", 0, 1, NULL, "that an image is mirrored, left to right", 0},
};

static tt_status flip_create(const tt_params *p, void **transform, tt_error *err)
{
    flip *f = host->alloc(sizeof *f);
    if (!f) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    f->probability = host->param_float(p, "probability");
    *transform = f;
    return TT_OK;
}

static tt_status flip_image(void *transform, uint64_t seed, const tt_pixels *in, tt_pixels *out,
                            tt_error *err)
{
    const flip *f = transform;
    tt_status s = take_part(in, 0, 0, in->width, in->height, out, err);
    tt_stream_key key = tt_purpose_key(seed, "flip", "");
    if (s || tt_keyed_uniform(&key, 0) >= f->probability) return s;
    for (uint32_t y = 0; y < in->height; y++)
        for (uint32_t x = 0; x < in->width; x++)
            memcpy(out->rgb + ((size_t)y * in->width + x) * 3,
                   in->rgb + ((size_t)y * in->width + in->width - 1 - x) * 3, 3);
    return TT_OK;
}

/* ---- jpeg ---- */

typedef struct jpeg {
    int quality;
    bool half_colours;
} jpeg;

static const tt_param jpeg_params[] = {
    {"quality", TT_PARAM_INT, "75", 1, 100, NULL, "of libjpeg", 0},
    {"colours", TT_PARAM_CHOICE, "half", 0, 0, "half|full", "at half the resolution (4:2:0) or the whole", 0},
};

static tt_status jpeg_create(const tt_params *p, void **transform, tt_error *err)
{
    jpeg *j = host->alloc(sizeof *j);
    if (!j) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    j->quality = (int)host->param_int(p, "quality");
    j->half_colours = strcmp(host->param_string(p, "colours"), "half") == 0;
    *transform = j;
    return TT_OK;
}

static tt_status jpeg_image(void *transform, uint64_t seed, const tt_pixels *in, tt_pixels *out,
                            tt_error *err)
{
    (void)seed; /* nothing is drawn */
    const jpeg *j = transform;
    tt_buf file = {0};
    tt_status s = tt_image_encode_jpeg(in, j->quality, j->half_colours, &file, err);
    if (!s) s = tt_image_decode("jpeg", (const uint8_t *)file.data, file.size, NULL, out, NULL, err);
    tt_buf_free(&file);
    return s;
}

/* ---- resize ---- */

typedef struct resize {
    uint32_t side;
    tt_filter filter;
    bool back;
} resize;

static const tt_param resize_params[] = {
    {"side", TT_PARAM_INT, "256", 1, 16384, NULL, "the shorter side, in pixels", 0},
    {"filter", TT_PARAM_CHOICE, "bilinear", 0, 0, "nearest|box|bilinear|hamming|bicubic|lanczos", "Pillow's",
     0},
    {"back", TT_PARAM_BOOL, "false", 0, 0, NULL, "and back to the size that it had", 0},
};

static tt_status resize_create(const tt_params *p, void **transform, tt_error *err)
{
    static const char *const filters[] = {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"};
    resize *r = host->alloc(sizeof *r);
    if (!r) return host->fail(err, TT_ERR_MEMORY, "out of memory");
    r->side = (uint32_t)host->param_int(p, "side");
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (strcmp(host->param_string(p, "filter"), filters[i]) == 0) r->filter = (tt_filter)i;
    r->back = host->param_bool(p, "back");
    *transform = r;
    return TT_OK;
}

/* The longer side is cut to a whole number, as torchvision's Resize does. */
static tt_status resize_image(void *transform, uint64_t seed, const tt_pixels *in, tt_pixels *out,
                              tt_error *err)
{
    (void)seed; /* nothing is drawn */
    const resize *r = transform;
    uint32_t shorter = in->width < in->height ? in->width : in->height;
    uint64_t width = (uint64_t)r->side * in->width / shorter,
             height = (uint64_t)r->side * in->height / shorter;
    if (width > TT_IMAGE_MAX_SIDE || height > TT_IMAGE_MAX_SIDE)
        return host->fail(err, TT_ERR_INVALID,
                          "resize: an image of %u x %u would have %llu x %llu pixels: set a smaller side",
                          in->width, in->height, (unsigned long long)width, (unsigned long long)height);
    tt_status s = tt_pixels_resize(in, (uint32_t)width, (uint32_t)height, r->filter, out, err);
    if (s || !r->back) return s;
    tt_pixels small = *out;
    s = tt_pixels_resize(&small, in->width, in->height, r->filter, out, err);
    tt_free(small.rgb);
    return s;
}

/* ---- the plugins ---- */

static const tt_plugin_info descriptions[] = {
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "crop",
     .revision = 1,
     .version = "0.1.0",
     .summary = "a part of every image, from its middle or at random",
     .params = crop_params,
     .n_params = sizeof crop_params / sizeof crop_params[0]},
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "flip",
     .revision = 1,
     .version = "0.1.0",
     .summary = "mirrors images at random",
     .params = flip_params,
     .n_params = sizeof flip_params / sizeof flip_params[0]},
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "jpeg",
     .revision = 1,
     .version = "0.1.0",
     .summary = "what JPEG leaves of every image",
     .params = jpeg_params,
     .n_params = sizeof jpeg_params / sizeof jpeg_params[0]},
    {.size = sizeof descriptions[0],
     .kind = TT_KIND_TRANSFORM,
     .name = "resize",
     .revision = 1,
     .version = "0.1.0",
     .summary = "resizes every image, and back if asked",
     .params = resize_params,
     .n_params = sizeof resize_params / sizeof resize_params[0]},
};

static const tt_transform_plugin crop_table = {.size = sizeof(tt_transform_plugin),
                                               .create = crop_create,
                                               .destroy = plain_destroy,
                                               .image = crop_image};
static const tt_transform_plugin flip_table = {.size = sizeof(tt_transform_plugin),
                                               .create = flip_create,
                                               .destroy = plain_destroy,
                                               .image = flip_image};
static const tt_transform_plugin jpeg_table = {.size = sizeof(tt_transform_plugin),
                                               .create = jpeg_create,
                                               .destroy = plain_destroy,
                                               .image = jpeg_image};
static const tt_transform_plugin resize_table = {.size = sizeof(tt_transform_plugin),
                                                 .create = resize_create,
                                                 .destroy = plain_destroy,
                                                 .image = resize_image};

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
    return index < sizeof descriptions / sizeof descriptions[0] ? &descriptions[index] : NULL;
}

static const void *get(tt_plugin_kind kind, const char *name)
{
    if (kind != TT_KIND_TRANSFORM) return NULL;
    if (strcmp(name, "crop") == 0) return &crop_table;
    if (strcmp(name, "flip") == 0) return &flip_table;
    if (strcmp(name, "jpeg") == 0) return &jpeg_table;
    if (strcmp(name, "resize") == 0) return &resize_table;
    return NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
