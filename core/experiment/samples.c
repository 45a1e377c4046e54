#include "experiment/samples.h"
#include "base/file.h"
#include "base/log.h"
#include "formats/json.h"
#include "plugin/params.h"
#include "runtime/protocol.h"
#include "runtime/tally.h"
#include "runtime/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MANIFEST_FORM 2u /* of a manifest's lines: older ones are built anew */

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for the samples");
}

/* ---- manifests ---- */

/* A data set that names files or folders may change behind our back: its manifest is made anew in each run.
 * One that is a function of its parameters alone is kept. */
static bool reads_files(const tt_spec_data *data)
{
    for (uint32_t i = 0; i < data->plugin.params->n; i++)
        if (data->plugin.params->values[i].type == TT_PARAM_PATH && data->plugin.params->values[i].node)
            return true;
    for (size_t t = 0; t < data->n_transforms; t++)
        for (uint32_t i = 0; i < data->transforms[t].params->n; i++) {
            const tt_param_value *v = &data->transforms[t].params->values[i];
            if (v->type == TT_PARAM_PATH && v->node) return true;
        }
    return false;
}

static void put_plugin(tt_buf *out, const tt_spec_plugin *p)
{
    tt_buf params = {0};
    if (!tt_params_canonical(p->params, 0, false, &params)) out->failed = true;
    tt_put_text(out, p->info->name);
    tt_put_text(out, params.data);
    tt_buf_free(&params);
}

/* What TT_MSG_WORKER_DATA carries, without the folder; also what the manifest's folder is named after. */
static void put_request(tt_buf *out, const tt_spec *spec, const tt_spec_data *data, const char *dir)
{
    put_plugin(out, &data->plugin);
    tt_put_text(out, dir);
    tt_put_u64(out, spec->seed);
    tt_put_u8(out, data->apply_orientation);
    tt_put_u8(out, data->disjoint_identities);
    tt_put_u8(out, data->allow_duplicates);
    tt_put_u32(out, (uint32_t)data->n_transforms);
    for (size_t t = 0; t < data->n_transforms; t++)
        put_plugin(out, &data->transforms[t]);
}

char *tt_samples_manifest_dir(const tt_spec *spec, const tt_spec_data *data, const char *store)
{
    tt_buf text = {0};
    put_request(&text, spec, data, "");
    tt_put_u32(&text, MANIFEST_FORM);
    tt_put_u32(&text, data->plugin.info->revision);
    for (size_t t = 0; t < data->n_transforms; t++)
        tt_put_u32(&text, data->transforms[t].info->revision);
    char *dir = NULL;
    if (!text.failed) {
        tt_digest key = tt_sha256_of(text.data, text.size);
        char hex[65], name[96];
        tt_digest_hex(&key, hex);
        snprintf(name, sizeof name, "data-%.32s", hex);
        dir = tt_path_join(store, name);
    }
    tt_buf_free(&text);
    return dir;
}

/* A display of what the worker counts, kept by a thread while the conductor waits for the worker's answer. */
typedef struct watcher {
    tt_tally *tally;
    atomic_bool stop;
    pthread_t thread;
    bool running;
} watcher;

static void *watch(void *user)
{
    watcher *w = user;
    tt_progress *progress = NULL;
    for (bool last = false; !last;) {
        last = atomic_load(&w->stop);
        uint64_t done, total;
        tt_tally_get(w->tally, &done, &total);
        if (total && !progress) progress = tt_progress_start("reading images", "images", total);
        tt_progress_set(progress, done);
        if (!last) nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    tt_progress_finish(progress);
    return NULL;
}

static void watch_end(watcher *w)
{
    atomic_store(&w->stop, true);
    if (w->running) pthread_join(w->thread, NULL);
    tt_tally_close(w->tally);
}

static tt_status build(const tt_spec *spec, const tt_spec_data *data, const tt_launch *launch,
                       const char *dir, tt_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "data %.48s", data->name);
    tt_child worker;
    tt_log(TT_LOG_INFO, "data %s: reading and hashing the images", data->name);
    tt_status s = tt_dir_create(dir, err);
    if (!s) s = tt_child_start(launch, TT_CHILD_WORKER, name, &worker, err);
    if (s) return s;
    tt_buf request = {0};
    put_request(&request, spec, data, dir);
    tt_reply reply;
    watcher w = {0};
    int fd = -1;
    tt_error unwatched = {0}; /* then the work goes on without a display */
    /* in process the worker would take the descriptor itself over, and not a copy */
    if (!launch->in_process && tt_tally_create(&w.tally, &fd, &unwatched) == TT_OK)
        w.running = pthread_create(&w.thread, NULL, watch, &w) == 0;
    s = tt_child_call(&worker, TT_MSG_WORKER_DATA, &request, w.tally ? fd : -1, &reply, err);
    watch_end(&w);
    if (!s) tt_reply_free(&reply);
    if (s && s != TT_ERR_CRASHED) tt_fail_in(err, "data.%s", data->name);
    tt_buf_free(&request);
    tt_child_stop(&worker);
    return s;
}

static tt_status load_manifest(const tt_spec *spec, const tt_spec_data *data, const tt_launch *launch,
                               const char *store, tt_string_map *fresh, tt_manifest *manifest, tt_error *err)
{
    char *dir = tt_samples_manifest_dir(spec, data, store);
    char *file = dir ? tt_path_join(dir, "manifest.jsonl") : NULL;
    tt_status s = file ? TT_OK : no_memory(err);
    bool sound = !s && fresh && tt_string_map_has(fresh, dir);
    if (!s && ((reads_files(data) && !sound) || !tt_file_exists(file)))
        s = build(spec, data, launch, dir, err);
    if (!s) s = tt_manifest_load(dir, manifest, err);
    if (!s && fresh && !sound && !tt_string_map_put(fresh, dir, NULL)) s = no_memory(err);
    tt_free(file);
    tt_free(dir);
    return s;
}

/* ---- universes ---- */

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const tt_sample_ref *)a)->id, y = ((const tt_sample_ref *)b)->id;
    return x < y ? -1 : x > y;
}

/* From run seed, content and caption (and a count, for equal ones), so that it says nothing of split or name.
 */
uint64_t tt_samples_id(uint64_t seed, const tt_manifest_item *item, uint32_t again)
{
    tt_buf text = {0};
    tt_put_text(&text, "sample");
    tt_put_u64(&text, seed);
    tt_put_digest(&text, &item->digest);
    tt_put_text(&text, item->caption);
    tt_put_u32(&text, again);
    tt_digest d = tt_sha256_of(text.data, text.size);
    tt_buf_free(&text);
    uint64_t id = 0;
    for (int i = 0; i < 8; i++)
        id |= (uint64_t)d.bytes[i] << 8 * i;
    return id;
}

static const tt_manifest *manifest_of(const tt_spec *spec, const tt_samples *samples, const tt_spec_set *set)
{
    return &samples->manifests[set->data - spec->data];
}

static size_t count_split(const tt_manifest *m, const char *split)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += strcmp(m->items[i].split, split) == 0;
    return n;
}

static void add_set(const tt_spec *spec, const tt_samples *samples, const tt_spec_set *set, bool member,
                    tt_universe *u)
{
    const tt_manifest *m = manifest_of(spec, samples, set);
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->items[i].split, set->split) == 0)
            u->refs[u->n++] = (tt_sample_ref){.id = tt_samples_id(spec->seed, &m->items[i], 0),
                                              .item = &m->items[i],
                                              .data = set->data->name,
                                              .member = member};
}

/* Equal images of one class (allowed where the data set says so) get ids of their own; of both classes they
 * are refused. Expects refs sorted by id; sorts again. */
static tt_status separate_equal(const tt_spec *spec, tt_universe *u, tt_error *err)
{
    for (size_t i = 1; i < u->n; i++) {
        uint32_t again = 0;
        for (size_t k = i; k < u->n && u->refs[k].id == u->refs[i - 1].id; k++)
            u->refs[k].id = tt_samples_id(spec->seed, u->refs[k].item, ++again);
        i += again;
    }
    qsort(u->refs, u->n, sizeof *u->refs, by_id);
    for (size_t i = 1; i < u->n; i++)
        if (u->refs[i].id == u->refs[i - 1].id)
            return tt_fail(err, TT_ERR_INTERNAL, "two samples have one id: %s and %s",
                           u->refs[i - 1].item->id, u->refs[i].item->id);
    return TT_OK;
}

static int by_content(const void *a, const void *b)
{
    return memcmp(((const tt_sample_ref *)a)->item->digest.bytes,
                  ((const tt_sample_ref *)b)->item->digest.bytes, sizeof(tt_digest));
}

static tt_status check_classes(const tt_spec_model *model, tt_universe *u, tt_error *err)
{
    qsort(u->refs, u->n, sizeof *u->refs, by_content);
    for (size_t i = 1; i < u->n; i++) {
        const tt_sample_ref *x = &u->refs[i - 1], *y = &u->refs[i];
        if (by_content(x, y) == 0 && x->member != y->member)
            return tt_fail(err, TT_ERR_INVALID,
                           "same image: models.%s: %s.%s and %s.%s hold the same image (%s, %s): it cannot "
                           "be member and "
                           "non-member at once",
                           model->role, x->data, x->item->split, y->data, y->item->split, x->item->id,
                           y->item->id);
    }
    return TT_OK;
}

static void digest_universe(tt_universe *u)
{
    tt_buf text = {0};
    for (size_t i = 0; i < u->n; i++) {
        tt_put_u64(&text, u->refs[i].id);
        tt_put_digest(&text, &u->refs[i].item->digest);
        tt_put_text(&text, u->refs[i].item->caption);
    }
    u->digest = tt_sha256_of(text.data, text.size);
    tt_buf_free(&text);
}

static tt_status make_universe(const tt_spec *spec, const tt_samples *samples, size_t m, tt_universe *u,
                               tt_error *err)
{
    const tt_spec_model *model = &spec->models[m];
    const tt_spec_set *sets[2] = {&model->members, &model->nonmembers};
    size_t counts[2];
    for (int k = 0; k < 2; k++) {
        counts[k] = count_split(manifest_of(spec, samples, sets[k]), sets[k]->split);
        if (counts[k] == 0)
            return tt_node_fail(sets[k]->node, err, "data.%s has no image in the split %s",
                                sets[k]->data->name, sets[k]->split);
    }
    if (sets[0]->data->apply_orientation != sets[1]->data->apply_orientation)
        return tt_node_fail(sets[1]->node, err,
                            "data.%s and data.%s must agree in exif_orientation, for one model sees both",
                            sets[0]->data->name, sets[1]->data->name);
    u->refs = tt_alloc_array(counts[0] + counts[1], sizeof *u->refs);
    if (!u->refs) return no_memory(err);
    add_set(spec, samples, sets[0], true, u);
    add_set(spec, samples, sets[1], false, u);
    u->members = counts[0];
    u->apply_orientation = sets[0]->data->apply_orientation;
    size_t captioned = 0;
    for (size_t i = 0; i < u->n; i++)
        captioned += u->refs[i].item->caption != NULL;
    u->captions_withheld = captioned && captioned < u->n;
    tt_status s = check_classes(model, u, err);
    if (s) return s;
    qsort(u->refs, u->n, sizeof *u->refs, by_id);
    s = separate_equal(spec, u, err);
    if (!s) digest_universe(u);
    return s;
}

static size_t count_words(const char *caption)
{
    static const char spaces[] = " \t\n\v\f\r";
    size_t n = 0;
    for (const char *at = caption ? caption + strspn(caption, spaces) : ""; *at; n++) {
        at += strcspn(at, spaces);
        at += strspn(at, spaces);
    }
    return n;
}

/* How many captions have fewer words, and the first of these by name. */
static size_t count_short(const tt_universe *u, size_t least, const tt_sample_ref **first)
{
    size_t n = 0;
    *first = NULL;
    for (size_t i = 0; i < u->n; i++) {
        if (count_words(u->refs[i].item->caption) >= least) continue;
        n++;
        if (!*first || strcmp(u->refs[i].item->id, (*first)->item->id) < 0) *first = &u->refs[i];
    }
    return n;
}

/* A caption of white space alone is none. */
static tt_status check_captions(const tt_universe *u, tt_error *err)
{
    const tt_sample_ref *first;
    size_t missing = count_short(u, 1, &first);
    if (!missing) return TT_OK;
    return tt_fail(
        err, TT_ERR_INVALID,
        "%zu of %zu images have no caption, first %s.%s: %s; the spec's attacks need one for each: add "
        "it, leave the image out, or give the attacks that can do without a `prompt`",
        missing, u->n, first->data, first->item->split, first->item->id);
}

tt_status tt_samples_check_words(const tt_universe *u, const tt_spec_attack *attack, uint32_t least,
                                 tt_error *err)
{
    const tt_sample_ref *first;
    size_t n = count_short(u, least, &first);
    if (!n) return TT_OK;
    return tt_node_fail(
        attack->plugin.node, err,
        "attacks.%s needs captions of at least %u words, and %zu of %zu have fewer, first %s.%s: %s; "
        "leave these images out, or choose parameters that need fewer words (`telltale describe %s`)",
        attack->name, least, n, u->n, first->data, first->item->split, first->item->id,
        attack->plugin.info->name);
}

/* ---- the list of all ---- */

static int by_place(const void *a, const void *b)
{
    const tt_sample_ref *x = *(const tt_sample_ref *const *)a, *y = *(const tt_sample_ref *const *)b;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* References to one manifest item (the target's and the control's) get one index. */
static tt_status list_all(tt_samples *s, tt_error *err)
{
    size_t n = 0;
    for (size_t m = 0; m < s->n_models; m++)
        n += s->universes[m].n;
    tt_sample_ref **refs = tt_alloc_array(n, sizeof(tt_sample_ref *));
    s->all = tt_alloc_array(n, sizeof(tt_sample_ref *));
    if (!refs || !s->all) {
        tt_free(refs);
        return no_memory(err);
    }
    for (size_t d = 0; d < s->n_data; d++) {
        const tt_manifest *manifest = &s->manifests[d];
        size_t k = 0;
        for (size_t m = 0; m < s->n_models; m++)
            for (size_t i = 0; i < s->universes[m].n; i++) {
                tt_sample_ref *r = &s->universes[m].refs[i];
                if (manifest->n && r->item >= manifest->items && r->item < manifest->items + manifest->n)
                    refs[k++] = r;
            }
        qsort(refs, k, sizeof(tt_sample_ref *), by_place);
        for (size_t i = 0; i < k; i++) {
            if (i == 0 || refs[i]->item != refs[i - 1]->item) s->all[s->n_all++] = refs[i];
            refs[i]->index = (uint32_t)s->n_all - 1;
        }
    }
    tt_free(refs);
    return TT_OK;
}

tt_status tt_samples_load(const tt_spec *spec, const tt_launch *launch, const char *store, const bool *used,
                          bool needs_captions, tt_string_map *fresh, tt_samples *samples, tt_error *err)
{
    *samples = (tt_samples){.n_data = spec->n_data, .n_models = spec->n_models};
    samples->manifests = tt_alloc_zero(spec->n_data * sizeof *samples->manifests);
    samples->universes = tt_alloc_zero(spec->n_models * sizeof *samples->universes);
    tt_status s = samples->manifests && samples->universes ? TT_OK : no_memory(err);
    for (size_t d = 0; d < spec->n_data && !s; d++) {
        bool needed = false;
        for (size_t m = 0; m < spec->n_models; m++)
            needed |= used[m] && (spec->models[m].members.data == &spec->data[d] ||
                                  spec->models[m].nonmembers.data == &spec->data[d]);
        if (needed)
            s = load_manifest(spec, &spec->data[d], launch, store, fresh, &samples->manifests[d], err);
    }
    for (size_t m = 0; m < spec->n_models && !s; m++) {
        if (!used[m]) continue;
        s = make_universe(spec, samples, m, &samples->universes[m], err);
        if (!s && needs_captions) s = check_captions(&samples->universes[m], err);
    }
    if (!s) s = list_all(samples, err);
    if (s) tt_samples_free(samples);
    return s;
}

void tt_samples_free(tt_samples *s)
{
    for (size_t d = 0; s->manifests && d < s->n_data; d++)
        tt_manifest_free(&s->manifests[d]);
    for (size_t m = 0; s->universes && m < s->n_models; m++)
        tt_free(s->universes[m].refs);
    tt_free(s->manifests);
    tt_free(s->universes);
    tt_free((void *)s->all);
    *s = (tt_samples){0};
}
