/* The lives of data sets, transforms, backends, targets and services, as far as they can be tried without a
 * model. */
#include "plugin/params.h"
#include "runtime/plugin_check_child.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- data ---- */

enum { IDS_TRIED = 100 };

static const char *fault_of_item(const tt_item *item)
{
    int given = (item->path != NULL) + (item->encoded != NULL) + (item->pixels.rgb != NULL);
    if (!item->id || !item->id[0]) return "it has no id";
    if (given != 1) return "exactly one of path, encoded and pixels must be set";
    if (item->encoded && item->encoded_size == 0) return "encoded is empty";
    if (item->pixels.rgb && (item->pixels.width == 0 || item->pixels.height == 0))
        return "pixels has no size";
    return NULL;
}

/* The ids of the first items of all splits, one a line; false: the step is ended. */
static bool collect_ids(tt_checker *c, const tt_data_plugin *table, void *data, tt_buf *ids)
{
    for (uint32_t split = 0; split < table->n_splits(data); split++) {
        const char *name = table->split_name(data, split);
        if (!name || !name[0]) return tt_checker_failed(c, "split %u has no name", split);
        uint64_t n = table->split_size(data, split);
        tt_buf_printf(ids, "[%s %llu]\n", name, (unsigned long long)n);
        for (uint64_t i = 0; i < n && i < IDS_TRIED; i++) {
            tt_error err = {0};
            tt_item item = {.size = sizeof item};
            tt_status s = table->item(data, split, i, &item, &err);
            if (s) return tt_checker_status(c, s, &err);
            const char *fault = fault_of_item(&item);
            if (fault)
                return tt_checker_failed(c, "item %llu of split %s: %s", (unsigned long long)i, name, fault);
            tt_buf_printf(ids, "%s\n", item.id);
        }
        tt_error err = {0};
        tt_item item = {.size = sizeof item};
        if (table->item(data, split, n, &item, &err) == TT_OK)
            return tt_checker_failed(
                c, "split %s of %llu items gives an item %llu: refuse what lies behind the end", name,
                (unsigned long long)n, (unsigned long long)n);
    }
    return ids->failed ? tt_checker_failed(c, "out of memory") : true;
}

void tt_check_data(tt_checker *c, const tt_data_plugin *table, const tt_params *params)
{
    tt_buf ids[2] = {{0}, {0}};
    for (int round = 0; round < 2; round++) {
        tt_error err = {0};
        void *data;
        tt_checker_begin(c, round ? "open again with the same seed" : "open");
        tt_status s = table->open(params, 1, &data, &err);
        if (s) {
            tt_checker_status(c, s, &err);
            break;
        }
        bool good = round || tt_checker_ok(c, "%u splits", table->n_splits(data));
        if (!round) tt_checker_begin(c, "items");
        good = good && collect_ids(c, table, data, &ids[round]);
        if (good && round && strcmp(ids[0].data ? ids[0].data : "", ids[1].data ? ids[1].data : "") != 0)
            good =
                tt_checker_failed(c, "one seed gives different splits: they must depend on the seed alone");
        if (good && table->n_splits(data) == 0) good = tt_checker_failed(c, "it has no split");
        if (good) tt_checker_ok(c, "%s", "");
        table->close(data);
        if (!good) break;
    }
    tt_buf_free(&ids[0]);
    tt_buf_free(&ids[1]);
}

/* ---- made pictures ---- */

static bool make_picture(tt_pixels *out, uint32_t width, uint32_t height)
{
    *out = (tt_pixels){width, height, tt_alloc_array((size_t)width * height, 3)};
    for (size_t i = 0; out->rgb && i < (size_t)width * height * 3; i++)
        out->rgb[i] = (uint8_t)(i * 37 % 251);
    return out->rgb != NULL;
}

/* ---- transforms ---- */

static bool same_picture(const tt_pixels *a, const tt_pixels *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->rgb, b->rgb, (size_t)a->width * a->height * 3) == 0;
}

static void try_image(tt_checker *c, const tt_transform_plugin *table, void *transform)
{
    tt_pixels in, before, out[2] = {{0}, {0}};
    tt_error err = {0};
    tt_status s = TT_OK;
    tt_checker_begin(c, "image");
    if (!make_picture(&in, 640, 520) || !make_picture(&before, 640, 520)) return;
    for (int i = 0; i < 2 && !s; i++)
        s = table->image(transform, 7, &in, &out[i], &err);
    if (s)
        tt_checker_status(c, s, &err);
    else if (!out[0].rgb || !out[0].width || !out[0].height)
        tt_checker_failed(c, "gives an image without size or pixels");
    else if (out[0].rgb == in.rgb)
        tt_checker_failed(c, "gives its input back: the output must come from host->alloc");
    else if (!same_picture(&in, &before))
        tt_checker_failed(c, "changes its input");
    else if (!same_picture(&out[0], &out[1]))
        tt_checker_failed(c, "one seed gives two images: randomness must come from the seed");
    else
        tt_checker_ok(c, "%ux%u to %ux%u", in.width, in.height, out[0].width, out[0].height);
    if (out[0].rgb != in.rgb) tt_free(out[0].rgb);
    if (out[1].rgb != in.rgb) tt_free(out[1].rgb);
    tt_free(in.rgb);
    tt_free(before.rgb);
}

static void try_caption(tt_checker *c, const tt_transform_plugin *table, void *transform)
{
    static const char *const captions[] = {"a portrait of a woman with a red scarf", "dog", "",
                                           "été à Paris, 雪"};
    tt_checker_begin(c, "caption");
    for (size_t i = 0; i < sizeof captions / sizeof *captions; i++) {
        char *out[2] = {NULL, NULL};
        tt_error err = {0};
        tt_status s = TT_OK;
        for (int k = 0; k < 2 && !s; k++)
            s = table->caption(transform, 7, captions[i], &out[k], &err);
        bool good = s         ? tt_checker_status(c, s, &err)
                    : !out[0] ? tt_checker_failed(c, "gives no text for \"%s\"", captions[i])
                    : strcmp(out[0], out[1]) != 0
                        ? tt_checker_failed(c, "one seed gives two texts: randomness must come from the seed")
                        : true;
        tt_free(out[0]);
        tt_free(out[1]);
        if (!good) return;
    }
    tt_checker_ok(c, "%s", "");
}

static void try_exchange(tt_checker *c, const tt_transform_plugin *table, void *transform)
{
    enum { N = 9 };
    uint64_t from[2][N];
    tt_error err = {0};
    tt_status s = TT_OK;
    tt_checker_begin(c, "exchange");
    for (int k = 0; k < 2 && !s; k++) {
        for (uint64_t i = 0; i < N; i++)
            from[k][i] = i;
        s = table->exchange(transform, 7, N, from[k], &err);
    }
    uint64_t beyond = 0;
    for (int i = 0; i < N && !s; i++)
        beyond += from[0][i] >= N;
    if (s)
        tt_checker_status(c, s, &err);
    else if (beyond)
        tt_checker_failed(c, "takes captions that are not there");
    else if (memcmp(from[0], from[1], sizeof from[0]) != 0)
        tt_checker_failed(c, "one seed gives two orders: randomness must come from the seed");
    else
        tt_checker_ok(c, "%s", "");
}

void tt_check_transform(tt_checker *c, const tt_transform_plugin *table, const tt_params *params)
{
    tt_error err = {0};
    void *transform;
    tt_checker_begin(c, "create");
    if (!table->image && !table->caption && !table->exchange) {
        tt_checker_failed(c, "has neither image, caption nor exchange: it transforms nothing");
        return;
    }
    if (!tt_checker_status(c, table->create(params, &transform, &err), &err)) return;
    if (table->image) try_image(c, table, transform);
    if (table->caption) try_caption(c, table, transform);
    if (table->exchange) try_exchange(c, table, transform);
    tt_checker_begin(c, "destroy");
    table->destroy(transform);
    tt_checker_ok(c, "%s", "");
}

/* ---- backends ---- */

static void try_memory(tt_checker *c, const tt_backend *b, void *self)
{
    enum { BYTES = 4001 };
    uint8_t sent[BYTES], got[BYTES] = {0};
    tt_error err = {0};
    tt_checker_begin(c, "memory");
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (uint8_t)(i * 7);
    void *p = b->alloc(self, BYTES);
    if (!p) {
        tt_checker_failed(c, "alloc(%d) gives nothing", BYTES);
        return;
    }
    tt_status s = b->upload(self, p, sent, BYTES, &err);
    if (!s) s = b->download(self, got, p, BYTES, &err);
    if (!s && b->synchronize) s = b->synchronize(self, &err);
    if (s)
        tt_checker_status(c, s, &err);
    else if ((uintptr_t)p % 64)
        tt_checker_failed(c, "memory is not aligned to 64 bytes");
    else if (memcmp(sent, got, BYTES) != 0)
        tt_checker_failed(c, "what was uploaded does not come back");
    else
        tt_checker_ok(c, "%s", "");
    b->free(self, p);
}

void tt_check_backend(tt_checker *c, const tt_backend *b)
{
    tt_error err = {0};
    void *self;
    tt_checker_begin(c, "open");
    const char *why = b->unavailable ? b->unavailable() : NULL;
    if (why) {
        tt_checker_skipped(c, "not usable here: %s", why);
        return;
    }
    tt_device_options options = {.size = sizeof options, .threads = 1};
    if (!tt_checker_status(c, b->open(&options, &self, &err), &err)) return;
    const char *text = b->describe(self);
    tt_checker_begin(c, "describe");
    if (!text || !text[0])
        tt_checker_failed(
            c, "says nothing: results depend on versions and instruction set, which must be in step keys");
    else
        tt_checker_ok(c, "%s", text);
    try_memory(c, b, self);
    tt_checker_begin(c, "operations");
    tt_buf lacking = {0};
    int n = 0;
    for (int op = 0; op < TT_OP_COUNT; op++) {
        bool has = b->supports(self, (tt_op_code)op, TT_F32);
        n += has;
        if (!has) tt_buf_printf(&lacking, " %s", tt_op_name((tt_op_code)op));
    }
    tt_checker_ok(c, "%d of %d in f32%s%s", n, TT_OP_COUNT, lacking.size ? "; lacking:" : "",
                  lacking.size ? lacking.data : "");
    tt_buf_free(&lacking);
    tt_checker_begin(c, "close");
    b->close(self);
    tt_checker_ok(c, "%s", "");
}

/* ---- targets ---- */

static const char *fault_of_model(const tt_model_info *i)
{
    if (i->capabilities == 0 || (i->capabilities & ~(uint32_t)TT_CAP_WHITE_BOX))
        return "its capabilities are none, or unknown ones";
    if (i->resolution == 0) return "its resolution is 0";
    if (i->capabilities & (TT_CAP_ENCODE | TT_CAP_PREDICT)) {
        if (!i->latent_channels || !i->latent_height || !i->latent_width) return "its latent has no size";
        if (!i->batch) return "its batch is 0";
    }
    if (i->capabilities & TT_CAP_PREDICT) {
        if (!i->train_timesteps || !i->alpha_bar) return "it predicts, but gives no schedule";
        for (uint32_t t = 0; t < i->train_timesteps; t++)
            if (!(i->alpha_bar[t] > 0 && i->alpha_bar[t] <= 1) ||
                (t && i->alpha_bar[t] > i->alpha_bar[t - 1]))
                return "alpha_bar must fall from 1 towards 0";
    }
    return NULL;
}

void tt_check_target(tt_checker *c, const tt_target_plugin *table, const tt_params *params)
{
    tt_error err = {0};
    void *target;
    char hex[65] = "";
    tt_checker_begin(c, "digest");
    tt_status s = table->digest(params, hex, &err);
    if (!s && strspn(hex, "0123456789abcdef") != 64) {
        tt_checker_failed(c, "gives no 64 lower-case hexadecimal digits");
        return;
    }
    if (!tt_checker_status(c, s, &err)) return;
    tt_device_options device = {.size = sizeof device};
    tt_target_context context = {sizeof context, tt_backend_reference(), device};
    tt_checker_begin(c, "open");
    if (!tt_checker_status(c, table->open(params, &context, &target, &err), &err)) return;
    tt_model_info info = {.size = sizeof info};
    tt_checker_begin(c, "info");
    s = table->info(target, &info, &err);
    if (s)
        tt_checker_status(c, s, &err);
    else if (fault_of_model(&info))
        tt_checker_failed(c, "%s", fault_of_model(&info));
    else
        tt_checker_ok(c, "%u pixels, latent %ux%ux%u", info.resolution, info.latent_channels,
                      info.latent_height, info.latent_width);
    tt_checker_begin(c, "close");
    table->close(target);
    tt_checker_ok(c, "%s", "");
}

/* ---- services ---- */

static bool all_finite(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static void end_embedding(tt_checker *c, tt_status s, const tt_error *err, float *values, size_t n)
{
    if (s)
        tt_checker_status(c, s, err);
    else if (!values || n == 0 || !all_finite(values, n))
        tt_checker_failed(c, "gives no values, or some that are not finite");
    else
        tt_checker_ok(c, "%zu values", n);
    tt_free(values);
}

static void try_words(tt_checker *c, const tt_service_plugin *table, void *service)
{
    tt_error err = {0};
    char **words = NULL;
    double *weights = NULL;
    size_t n = 0;
    tt_checker_begin(c, "weigh_words");
    tt_status s = table->weigh_words(service, "a dog on a red sofa", &words, &weights, &n, &err);
    if (s)
        tt_checker_status(c, s, &err);
    else
        tt_checker_ok(c, "%zu words", n);
    for (size_t i = 0; !s && i < n; i++)
        tt_free(words[i]);
    tt_free(words);
    tt_free(weights);
}

static void try_pictures(tt_checker *c, const tt_service_plugin *table, void *service,
                         const tt_pixels *picture)
{
    tt_error err = {0};
    if (table->caption) {
        char *text = NULL;
        tt_checker_begin(c, "caption");
        tt_status s = table->caption(service, picture, &text, &err);
        if (s)
            tt_checker_status(c, s, &err);
        else if (!text)
            tt_checker_failed(c, "gives no text");
        else
            tt_checker_ok(c, "\"%.200s\"", text);
        tt_free(text);
    }
    if (table->embed_image) {
        float *values = NULL;
        size_t n = 0;
        tt_checker_begin(c, "embed_image");
        tt_status s = table->embed_image(service, picture, &values, &n, &err);
        end_embedding(c, s, &err, values, n);
    }
    if (table->detect) {
        tt_box *boxes = NULL;
        size_t n = 0;
        tt_checker_begin(c, "detect");
        tt_status s = table->detect(service, picture, &boxes, &n, &err);
        if (s)
            tt_checker_status(c, s, &err);
        else
            tt_checker_ok(c, "%zu boxes", n);
        tt_free(boxes);
    }
}

void tt_check_service(tt_checker *c, const tt_service_plugin *table, const tt_params *params)
{
    tt_error err = {0};
    void *service;
    tt_device_options device = {.size = sizeof device};
    tt_target_context context = {sizeof context, tt_backend_reference(), device};
    tt_checker_begin(c, "open");
    if (!tt_checker_status(c, table->open(params, &context, &service, &err), &err)) return;
    tt_pixels picture;
    if (make_picture(&picture, 64, 64)) {
        try_pictures(c, table, service, &picture);
        tt_free(picture.rgb);
    }
    if (table->embed_text) {
        float *values = NULL;
        size_t n = 0;
        tt_checker_begin(c, "embed_text");
        tt_status s = table->embed_text(service, "a dog on a red sofa", &values, &n, &err);
        end_embedding(c, s, &err, values, n);
    }
    if (table->weigh_words) try_words(c, table, service);
    tt_checker_begin(c, "close");
    table->close(service);
    tt_checker_ok(c, "%s", "");
}
