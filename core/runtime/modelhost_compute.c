/* What a model's host does for encode, text, decode and generate. Each asks once for what a batch holds
 * already, and computes the rest in fixed-size batches, the last one padded: a row's bits then never depend
 * on how many rows there are. */
#include "formats/image.h"
#include "runtime/modelhost_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tt_digest identity_of(const char *kind, const tt_buf *description)
{
    tt_buf all = {0};
    tt_put_text(&all, kind);
    tt_buf_append(&all, description->data, description->size);
    tt_digest d = tt_sha256_of(all.data, all.size);
    tt_buf_free(&all);
    return d;
}

static uint32_t batch_of(const tt_modelhost *h)
{
    return h->info.batch > 0 ? h->info.batch : 1;
}

/* ---- encode ---- */

typedef struct encode_job {
    thing *t;
    const tt_host_sample *sample;
    tt_noise noise;
    uint32_t crop; /* side of the centre that is encoded; the resolution: the whole */
} encode_job;

/* The centre of an image at the model's resolution, resized to that resolution again. */
static tt_status crop_image(const tt_modelhost *h, uint32_t crop, tt_pixels *image, tt_error *err)
{
    tt_pixels centre, whole;
    tt_status s = tt_pixels_center_crop(image, crop, crop, &centre, err);
    if (s) return s;
    s = tt_pixels_resize(&centre, h->info.resolution, h->info.resolution, TT_FILTER_BILINEAR, &whole, err);
    tt_free(centre.rgb);
    if (s) return s;
    tt_free(image->rgb);
    *image = whole;
    return TT_OK;
}

/* The stored image, checked against its digest; side 0: as it is. */
static tt_status load_image(const tt_modelhost *h, const tt_host_sample *sample, uint32_t side,
                            tt_pixels *out, tt_error *err)
{
    tt_pixels stored = {0};
    tt_image_options options = {.apply_orientation = h->apply_orientation};
    tt_status s = tt_image_read(sample->path, &options, &stored, NULL, err);
    if (s) return s;
    tt_digest digest = tt_image_digest(&stored);
    if (memcmp(digest.bytes, sample->digest.bytes, sizeof digest.bytes) != 0)
        s = tt_fail(err, TT_ERR_INVALID,
                    "%s: the image has changed since the run was planned; run again to plan anew",
                    sample->path);
    else if (side != 0)
        s = tt_pixels_resize_crop(&stored, side, TT_FILTER_BILINEAR, out, err);
    if (s || side != 0)
        tt_free(stored.rgb);
    else
        *out = stored;
    return s;
}

tt_status tt_modelhost_image(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err)
{
    uint64_t id = tt_get_u64(in);
    uint32_t side = tt_get_u32(in);
    if (!tt_reader_done(in)) return tt_fail(err, TT_ERR_FORMAT, "a malformed request for an image");
    const tt_host_sample *sample = tt_modelhost_sample(h, id);
    if (!sample)
        return tt_fail(err, TT_ERR_REFUSED, "sample %llu is not one of this step's", (unsigned long long)id);
    if (side > TT_IMAGE_MAX_SIDE)
        return tt_fail(err, TT_ERR_INVALID, "an image of side %u: at most %u", side, TT_IMAGE_MAX_SIDE);
    tt_pixels image;
    tt_status s = load_image(h, sample, side, &image, err);
    if (s) return s;
    tt_put_u32(out, image.width);
    tt_put_u32(out, image.height);
    tt_put_bytes(out, image.rgb, (size_t)image.width * image.height * 3);
    tt_free(image.rgb);
    return TT_OK;
}

static tt_status encode_chunk(tt_modelhost *h, const encode_job *jobs, uint32_t n, tt_error *err)
{
    uint32_t batch = batch_of(h);
    size_t size = tt_modelhost_latent_size(h);
    bool with_noise = jobs[0].noise.role != NULL;
    tt_pixels *images = tt_alloc_array(batch, sizeof *images);
    float *noise = with_noise ? tt_alloc_array((size_t)batch * size, sizeof *noise) : NULL;
    float *latents = tt_alloc_array((size_t)batch * size, sizeof *latents);
    tt_status s = TT_OK;
    uint32_t loaded = 0;
    if (!images || !latents || (with_noise && !noise)) {
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %u latents", batch);
        goto done;
    }
    for (; loaded < n; loaded++) {
        const encode_job *job = &jobs[loaded];
        s = load_image(h, job->sample, h->info.resolution, &images[loaded], err);
        if (!s && job->crop != h->info.resolution) {
            s = crop_image(h, job->crop, &images[loaded], err);
            if (s) tt_free(images[loaded].rgb);
        }
        if (s) goto done;
        if (!with_noise) continue;
        tt_stream_key key = tt_noise_key(h->seed, &job->sample->digest, job->noise.role, job->noise.timestep,
                                         job->noise.draw);
        tt_keyed_normals(&key, 0, noise + loaded * size, size);
    }
    for (uint32_t i = n; i < batch; i++) { /* padding: the last one again */
        images[i] = images[n - 1];
        if (with_noise) memcpy(noise + i * size, noise + (n - 1) * size, size * sizeof *noise);
    }
    s = h->target_plugin->encode(h->target, batch, images, noise, latents, err);
    for (uint32_t i = 0; !s && i < n; i++) {
        thing *t = jobs[i].t;
        t->values = tt_alloc_array(size, sizeof *t->values);
        if (!t->values) {
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a latent");
            break;
        }
        memcpy(t->values, latents + i * size, size * sizeof *latents);
        t->n_values = size;
        t->channels = h->info.latent_channels;
        t->height = h->info.latent_height;
        t->width = h->info.latent_width;
    }
done:
    for (uint32_t i = 0; i < loaded; i++)
        tt_free(images[i].rgb);
    tt_free(images);
    tt_free(noise);
    tt_free(latents);
    return s;
}

/* Reads one request; a sample's whole and its crops are things of different identities. */
static tt_status read_encode(const tt_modelhost *h, bool crops, tt_reader *in, encode_job *job,
                             tt_digest *identity, tt_error *err)
{
    uint64_t id = tt_get_u64(in);
    *job = (encode_job){.noise = tt_get_noise(in)};
    job->crop = crops ? tt_get_u32(in) : h->info.resolution;
    if (in->failed) return tt_fail(err, TT_ERR_FORMAT, "a malformed request to encode");
    job->sample = tt_modelhost_sample(h, id);
    if (!job->sample)
        return tt_fail(err, TT_ERR_REFUSED, "sample %llu is not one of this step's", (unsigned long long)id);
    if (job->crop == 0 || job->crop > h->info.resolution)
        return tt_fail(err, TT_ERR_INVALID, "a crop of %u pixels: must be 1 to the model's resolution, %u",
                       job->crop, h->info.resolution);
    tt_buf text = {0};
    tt_put_u64(&text, id);
    tt_put_noise(&text, &job->noise);
    if (job->crop != h->info.resolution) tt_put_u32(&text, job->crop);
    *identity = identity_of("latent", &text);
    tt_buf_free(&text);
    return TT_OK;
}

tt_status tt_modelhost_encode(tt_modelhost *h, tt_modelhost_connection *c, bool crops, tt_reader *in,
                              tt_buf *out, tt_error *err)
{
    uint32_t n = tt_get_count(in, crops ? 28 : 24);
    encode_job *jobs = tt_alloc_array(n, sizeof *jobs);
    tt_status s = jobs ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory for %u requests", n);
    uint32_t n_jobs = 0;
    for (uint32_t i = 0; i < n && !s; i++) {
        encode_job *job = &jobs[n_jobs];
        tt_digest identity;
        s = read_encode(h, crops, in, job, &identity, err);
        if (s) break;
        thing *t = tt_thing_find(h, THING_LATENT, &identity);
        if (!t) {
            t = tt_thing_add(h, THING_LATENT, &identity);
            if (!t) {
                s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a latent");
                break;
            }
            job->t = t;
            n_jobs++;
        }
        tt_handle handle = 0;
        s = tt_handle_give(c, t, &handle, err);
        tt_put_u64(out, handle);
    }
    for (uint32_t at = 0; at < n_jobs && !s;) {
        /* one chunk is all sampled or all means */
        uint32_t m = 1;
        while (at + m < n_jobs && m < batch_of(h) && !jobs[at + m].noise.role == !jobs[at].noise.role)
            m++;
        s = encode_chunk(h, jobs + at, m, err);
        at += m;
    }
    if (!s) {
        c->meters.attributed.encodes += n;
        c->meters.executed.encodes += n_jobs;
    }
    tt_free(jobs);
    return s;
}

/* ---- text ---- */

static tt_status check_pieces(const tt_modelhost *h, const tt_text *text, tt_error *err)
{
    for (uint32_t k = 0; k < text->n_pieces; k++)
        if (!text->pieces[k].text && text->pieces[k].special_id != h->info.end_token)
            return tt_fail(err, TT_ERR_INVALID,
                           "special token %d: only the end token (%d) may be put into a text",
                           text->pieces[k].special_id, h->info.end_token);
    return TT_OK;
}

tt_status tt_modelhost_text(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                            tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    uint32_t n = 0, n_new = 0;
    tt_text *texts = NULL, *fresh;
    thing **targets;
    void **conditions;
    tt_status s =
        arena ? tt_get_texts(in, arena, &n, &texts, err) : tt_fail(err, TT_ERR_MEMORY, "out of memory");
    if (s) goto done;
    fresh = tt_arena_alloc_array(arena, n + batch_of(h), sizeof *fresh);
    targets = tt_arena_alloc_array(arena, n, sizeof(thing *));
    conditions = tt_arena_alloc_array(arena, n + batch_of(h), sizeof *conditions);
    if (!fresh || !targets || !conditions) {
        s = tt_fail(err, TT_ERR_MEMORY, "out of memory for %u texts", n);
        goto done;
    }
    for (uint32_t i = 0; i < n && !s; i++) {
        s = check_pieces(h, &texts[i], err);
        if (s) break;
        tt_buf text = {0};
        tt_put_texts(&text, 1, &texts[i]);
        tt_digest identity = identity_of("condition", &text);
        tt_buf_free(&text);
        thing *t = tt_thing_find(h, THING_CONDITION, &identity);
        if (!t) {
            t = tt_thing_add(h, THING_CONDITION, &identity);
            if (!t) {
                s = tt_fail(err, TT_ERR_MEMORY, "out of memory for a condition");
                break;
            }
            fresh[n_new] = texts[i];
            targets[n_new++] = t;
        }
        tt_handle handle = 0;
        s = tt_handle_give(c, t, &handle, err);
        tt_put_u64(out, handle);
    }
    uint32_t batch = batch_of(h);
    for (uint32_t at = 0; at < n_new && !s; at += batch) {
        uint32_t m = n_new - at < batch ? n_new - at : batch;
        tt_text chunk_last = fresh[at + m - 1];
        tt_text *chunk = tt_arena_alloc_array(arena, batch, sizeof *chunk);
        if (!chunk) {
            s = tt_fail(err, TT_ERR_MEMORY, "out of memory for texts");
            break;
        }
        memcpy(chunk, fresh + at, m * sizeof *chunk);
        for (uint32_t i = m; i < batch; i++)
            chunk[i] = chunk_last;
        s = h->target_plugin->text(h->target, batch, chunk, conditions, err);
        for (uint32_t i = 0; i < batch && !s; i++) {
            if (i < m)
                targets[at + i]->condition = conditions[i];
            else
                h->target_plugin->condition_free(h->target, conditions[i]);
        }
    }
    if (!s) {
        c->meters.attributed.texts += n;
        c->meters.executed.texts += n_new;
    }
done:
    tt_arena_destroy(arena);
    return s;
}

/* ---- decode ---- */

static tt_status keep_image(tt_modelhost *h, tt_modelhost_connection *c, const tt_pixels *p,
                            tt_handle *handle, tt_error *err)
{
    tt_buf text = {0};
    tt_put_u32(&text, c->index);
    tt_put_u64(&text, c->serial++);
    tt_digest identity = identity_of("image", &text);
    tt_buf_free(&text);
    size_t plane = (size_t)p->width * p->height;
    thing *t = tt_thing_add(h, THING_IMAGE, &identity);
    float *values = t ? tt_alloc_array(3 * plane, sizeof *values) : NULL;
    if (!values) return tt_fail(err, TT_ERR_MEMORY, "out of memory for an image");
    for (size_t i = 0; i < plane; i++)
        for (size_t k = 0; k < 3; k++)
            values[k * plane + i] = (float)p->rgb[3 * i + k] / 255.0f;
    t->values = values;
    t->n_values = 3 * plane;
    t->channels = 3;
    t->height = p->height;
    t->width = p->width;
    return tt_handle_give(c, t, handle, err);
}

tt_status tt_modelhost_decode(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                              tt_error *err)
{
    uint32_t n = tt_get_count(in, 8);
    size_t size = tt_modelhost_latent_size(h);
    uint32_t batch = batch_of(h);
    float *latents = tt_alloc_array((size_t)batch * size, sizeof *latents);
    tt_pixels *images = tt_alloc_array(batch, sizeof *images);
    tt_status s = latents && images ? TT_OK : tt_fail(err, TT_ERR_MEMORY, "out of memory to decode");
    for (uint32_t at = 0; at < n && !s; at += batch) {
        uint32_t m = n - at < batch ? n - at : batch;
        for (uint32_t i = 0; i < m && !s; i++) {
            thing *t = NULL;
            tt_handle handle = tt_get_u64(in);
            s = in->failed ? tt_fail(err, TT_ERR_FORMAT, "a malformed request to decode")
                           : tt_handle_take(c, handle, 1u << THING_LATENT | 1u << THING_PREDICTION, &t, err);
            if (!s && t->n_values != size) s = tt_fail(err, TT_ERR_INVALID, "a latent of another size");
            if (!s) memcpy(latents + i * size, t->values, size * sizeof *latents);
        }
        if (s) break;
        for (uint32_t i = m; i < batch; i++)
            memcpy(latents + i * size, latents + (m - 1) * size, size * sizeof *latents);
        s = h->target_plugin->decode(h->target, batch, latents, images, err);
        if (s) break;
        for (uint32_t i = 0; i < batch; i++) {
            tt_handle handle = 0;
            if (i < m && !s) {
                s = keep_image(h, c, &images[i], &handle, err);
                tt_put_u64(out, handle);
            }
            tt_free(images[i].rgb);
            images[i].rgb = NULL;
        }
    }
    if (!s) {
        c->meters.attributed.decodes += n;
        c->meters.executed.decodes += n;
    }
    tt_free(latents);
    tt_free(images);
    return s;
}

/* ---- generate, vary ---- */

tt_status tt_modelhost_generate(tt_modelhost *h, tt_modelhost_connection *c, bool vary, tt_reader *in,
                                tt_buf *out, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    if (!arena) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    tt_generate g;
    tt_pixels *images = NULL;
    tt_status s = tt_get_generate(in, arena, &g, err);
    if (!s && vary != (g.init != NULL))
        s = tt_fail(err, TT_ERR_INVALID,
                    vary ? "vary needs an image to start from" : "generate takes no image: use vary");
    if (!s) s = tt_modelhost_spend(h, c, g.images, 0, g.images, err);
    if (!s) {
        images = tt_arena_alloc_array(arena, g.images, sizeof *images);
        s = images ? h->target_plugin->generate(h->target, &g, images, NULL, NULL, err)
                   : tt_fail(err, TT_ERR_MEMORY, "out of memory for %u images", g.images);
        if (s) images = NULL;
    }
    for (uint32_t i = 0; images && i < g.images; i++) {
        tt_handle handle = 0;
        if (!s) s = keep_image(h, c, &images[i], &handle, err);
        tt_put_u64(out, handle);
        tt_free(images[i].rgb);
    }
    if (!s) {
        c->meters.attributed.images += g.images;
        c->meters.executed.images += g.images;
        tt_modelhost_charge(h, c, &(tt_meter){.images = g.images}, &(tt_meter){.images = g.images});
    }
    tt_arena_destroy(arena);
    return s;
}
