/* Data plugin flickr: Flickr30k (or 8k) images with their captions file, in any of the forms in which it goes
 * about. */
#include "list_file.h"

#include <string.h>

static const tt_host *host;

static const tt_param params[] = {
    {"path", TT_PARAM_PATH, NULL, 0, 0, NULL, "folder of the images (flickr30k_images/)", TT_PARAM_REQUIRED},
    {"captions", TT_PARAM_PATH, NULL, 0, 0, NULL,
     "results_20130124.token, results.csv with |, or a CSV of filename and raw or of image and caption",
     TT_PARAM_REQUIRED},
    {"splits", TT_PARAM_COUNTS, "{seen: 2500, held_out: 2500}", 0, 0, NULL,
     "names and counts, drawn from all images that the file lists; the paper's real-world setting has 10000 "
     "each",
     0},
    LISTED_PARAM_SPLIT_SEED,
    LISTED_PARAM_CAPTION,
};

static tt_status list_images(const list_file *f, listed *l, tt_error *err)
{
    const char *last = "";
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(last, f->rows[i].name) == 0) continue;
        last = f->rows[i].name;
        tt_status s = folder_add(&l->folder, last, err);
        if (s) return s;
    }
    return folder_sort(&l->folder, err);
}

static tt_status give_captions(const list_file *f, const tt_params *p, listed *l, tt_error *err)
{
    caption_chooser chooser;
    tt_status s = captions_begin(l, host, p, &chooser, err);
    for (size_t i = 0; i < f->n && !s; i++)
        s = captions_offer(l, &chooser, listed_find(l, f->rows[i].name), f->rows[i].caption,
                           strlen(f->rows[i].caption), err);
    captions_end(&chooser);
    return s;
}

static tt_status flickr_open(const tt_params *p, uint64_t seed, void **data, tt_error *err)
{
    (void)seed; /* see split_seed */
    listed *l = tt_alloc_zero(sizeof *l);
    if (!l) return host->fail(err, TT_ERR_MEMORY, "out of memory for a list of images");
    list_file f = {0};
    tt_status s = folder_begin(host->param_string(p, "path"), &l->folder, err);
    if (!s) s = list_file_read(host->param_string(p, "captions"), &f, err);
    if (!s) s = list_images(&f, l, err);
    if (!s) s = give_captions(&f, p, l, err);
    if (!s) s = listed_draw(l, host, p, err);
    list_file_free(&f);
    if (s) {
        listed_close(l);
        return s;
    }
    *data = l;
    return TT_OK;
}

static const tt_plugin_info description = {
    .size = sizeof description,
    .kind = TT_KIND_DATA,
    .name = "flickr",
    .revision = 1,
    .version = "0.1.0",
    .summary = "Flickr30k: a folder of images and its captions file",
    .reference = "Young et al., TACL 2014",
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
    static const tt_data_plugin table = LISTED_TABLE(flickr_open);
    return kind == TT_KIND_DATA && strcmp(name, "flickr") == 0 ? &table : NULL;
}

TT_EXPORT const tt_plugin_entry tt_plugin = {
    TT_ABI_VERSION, sizeof(tt_plugin_entry), init, deinit, info, get,
};
