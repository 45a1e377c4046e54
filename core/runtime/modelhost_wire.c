/* The wire forms that a model's host and its clients share. */
#include "runtime/modelhost_internal.h"

#include <math.h>
#include <string.h>

static void put_meter(tt_buf *out, const tt_meter *m)
{
    tt_put_u64(out, m->predictions);
    tt_put_u64(out, m->encodes);
    tt_put_u64(out, m->decodes);
    tt_put_u64(out, m->texts);
    tt_put_u64(out, m->images);
    tt_put_u64(out, m->service_texts);
    tt_put_u64(out, m->service_predictions);
}

static tt_meter get_meter(tt_reader *in)
{
    tt_meter m = {0};
    m.predictions = tt_get_u64(in);
    m.encodes = tt_get_u64(in);
    m.decodes = tt_get_u64(in);
    m.texts = tt_get_u64(in);
    m.images = tt_get_u64(in);
    m.service_texts = tt_get_u64(in);
    m.service_predictions = tt_get_u64(in);
    return m;
}

static void meter_add(tt_meter *sum, const tt_meter *m)
{
    sum->predictions += m->predictions;
    sum->encodes += m->encodes;
    sum->decodes += m->decodes;
    sum->texts += m->texts;
    sum->images += m->images;
    sum->service_texts += m->service_texts;
    sum->service_predictions += m->service_predictions;
    sum->money += m->money;
}

void tt_put_counts(tt_buf *out, const tt_meters *m)
{
    put_meter(out, &m->attributed);
    put_meter(out, &m->executed);
}

tt_meters tt_get_counts(tt_reader *in)
{
    tt_meters m;
    m.attributed = get_meter(in);
    m.executed = get_meter(in);
    return m;
}

void tt_put_money(tt_buf *out, const tt_meters *m)
{
    tt_put_u64(out, m->attributed.money);
    tt_put_u64(out, m->executed.money);
}

void tt_get_money(tt_reader *in, tt_meters *m)
{
    m->attributed.money = tt_get_u64(in);
    m->executed.money = tt_get_u64(in);
}

void tt_put_meters(tt_buf *out, const tt_meters *m)
{
    tt_put_counts(out, m);
    tt_put_money(out, m);
}

tt_meters tt_get_meters(tt_reader *in)
{
    tt_meters m = tt_get_counts(in);
    tt_get_money(in, &m);
    return m;
}

void tt_meters_add(tt_meters *sum, const tt_meters *m)
{
    meter_add(&sum->attributed, &m->attributed);
    meter_add(&sum->executed, &m->executed);
}

void tt_put_noise(tt_buf *out, const tt_noise *noise)
{
    tt_put_text(out, noise->role);
    tt_put_i32(out, noise->timestep);
    tt_put_u32(out, noise->draw);
}

tt_noise tt_get_noise(tt_reader *in)
{
    tt_noise n;
    n.role = tt_get_text(in);
    n.timestep = tt_get_i32(in);
    n.draw = tt_get_u32(in);
    return n;
}

void tt_put_texts(tt_buf *out, uint32_t n, const tt_text *texts)
{
    tt_put_u32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        tt_put_u32(out, texts[i].n_pieces);
        for (uint32_t k = 0; k < texts[i].n_pieces; k++) {
            tt_put_text(out, texts[i].pieces[k].text);
            tt_put_i32(out, texts[i].pieces[k].special_id);
        }
    }
}

tt_status tt_get_texts(tt_reader *in, tt_arena *arena, uint32_t *n, tt_text **texts, tt_error *err)
{
    *n = tt_get_count(in, 4);
    *texts = tt_arena_alloc_array(arena, *n, sizeof **texts);
    if (!*texts) return tt_fail(err, TT_ERR_MEMORY, "out of memory for %u texts", *n);
    for (uint32_t i = 0; i < *n && !in->failed; i++) {
        uint32_t pieces = tt_get_count(in, 12);
        tt_text_piece *p = tt_arena_alloc_array(arena, pieces, sizeof *p);
        if (!p) return tt_fail(err, TT_ERR_MEMORY, "out of memory for a text");
        for (uint32_t k = 0; k < pieces; k++) {
            p[k].text = tt_get_text(in);
            p[k].special_id = tt_get_i32(in);
        }
        (*texts)[i] = (tt_text){p, pieces};
    }
    return in->failed ? tt_fail(err, TT_ERR_FORMAT, "a malformed request") : TT_OK;
}

static void put_pixels(tt_buf *out, const tt_pixels *p)
{
    tt_put_u8(out, p != NULL);
    if (!p) return;
    tt_put_u32(out, p->width);
    tt_put_u32(out, p->height);
    tt_put_bytes(out, p->rgb, (size_t)p->width * p->height * 3);
}

static tt_status get_pixels(tt_reader *in, tt_arena *arena, const tt_pixels **pixels, tt_error *err)
{
    *pixels = NULL;
    if (!tt_get_u8(in)) return TT_OK;
    tt_pixels *p = tt_arena_alloc(arena, sizeof *p);
    if (!p) return tt_fail(err, TT_ERR_MEMORY, "out of memory");
    p->width = tt_get_u32(in);
    p->height = tt_get_u32(in);
    size_t size;
    const void *rgb = tt_get_bytes(in, &size);
    if (in->failed || p->width > 1u << 15 || p->height > 1u << 15 || size != (size_t)p->width * p->height * 3)
        return tt_fail(err, TT_ERR_FORMAT, "an image of the wrong size");
    p->rgb = (uint8_t *)(uintptr_t)rgb; /* read-only use */
    *pixels = p;
    return TT_OK;
}

void tt_put_generate(tt_buf *out, const tt_generate *g)
{
    tt_put_texts(out, 1, &g->prompt);
    tt_put_texts(out, 1, &g->negative);
    tt_put_u32(out, g->width);
    tt_put_u32(out, g->height);
    tt_put_u32(out, g->steps);
    tt_put_f64(out, g->guidance);
    tt_put_u8(out, g->guidance_equation);
    tt_put_u32(out, (uint32_t)g->sampler);
    tt_put_u8(out, g->karras);
    tt_put_u32(out, (uint32_t)g->stream);
    tt_put_u64(out, g->seed);
    tt_put_u32(out, g->cuda_stride);
    tt_put_u32(out, g->images);
    put_pixels(out, g->init);
    put_pixels(out, g->mask);
    tt_put_f64(out, g->strength);
    tt_put_u8(out, g->legacy_inpaint);
}

static tt_status get_one_text(tt_reader *in, tt_arena *arena, tt_text *text, tt_error *err)
{
    uint32_t n;
    tt_text *texts;
    tt_status s = tt_get_texts(in, arena, &n, &texts, err);
    if (s) return s;
    if (n != 1) return tt_fail(err, TT_ERR_FORMAT, "a malformed request");
    *text = texts[0];
    return TT_OK;
}

tt_status tt_get_generate(tt_reader *in, tt_arena *arena, tt_generate *g, tt_error *err)
{
    *g = (tt_generate){.size = sizeof *g};
    tt_status s = get_one_text(in, arena, &g->prompt, err);
    if (!s) s = get_one_text(in, arena, &g->negative, err);
    if (s) return s;
    g->width = tt_get_u32(in);
    g->height = tt_get_u32(in);
    g->steps = tt_get_u32(in);
    g->guidance = tt_get_f64(in);
    g->guidance_equation = tt_get_u8(in);
    uint32_t sampler = tt_get_u32(in);
    g->karras = tt_get_u8(in);
    uint32_t stream = tt_get_u32(in);
    g->seed = tt_get_u64(in);
    g->cuda_stride = tt_get_u32(in);
    g->images = tt_get_u32(in);
    s = get_pixels(in, arena, &g->init, err);
    if (!s) s = get_pixels(in, arena, &g->mask, err);
    if (s) return s;
    g->strength = tt_get_f64(in);
    g->legacy_inpaint = tt_get_u8(in);
    if (in->failed || sampler > TT_SAMPLER_EULER || stream > TT_STREAM_KEYED || g->images == 0 ||
        g->images > 4096 || g->steps > 10000 || !isfinite(g->guidance) || !isfinite(g->strength))
        return tt_fail(err, TT_ERR_FORMAT, "a malformed request to generate");
    g->sampler = (tt_sampler)sampler;
    g->stream = (tt_stream)stream;
    return TT_OK;
}
