/* Loading an AutoencoderKL (specs/models-sd15.md 2.2, 2.3). As in the UNet, the convolutions at both ends are
 * f32 whatever the type. */
#include "base/mem.h"
#include "models/vae_internal.h"

#include <stdio.h>

#define VAE_EPS 1e-6

/* The attention's linear layers under their new or their old name (diffusers before 0.17). */
static tt_status attention_name(const tt_loader *l, char out[TT_NAME_MAX], const char *prefix,
                                const char *now, const char *then, tt_error *err)
{
    char probe[TT_NAME_MAX];
    tt_status status = tt_name(out, err, "%s.%s", prefix, now);
    if (!status) status = tt_name(probe, err, "%s.%s.weight", prefix, now);
    if (status || l->source->has(l->source, probe)) return status;
    status = tt_name(probe, err, "%s.%s.weight", prefix, then);
    if (!status && l->source->has(l->source, probe)) status = tt_name(out, err, "%s.%s", prefix, then);
    return status;
}

static tt_status load_attention(const tt_loader *l, tt_vae_mid *mid, const char *name, const tt_vae_config *c,
                                tt_error *err)
{
    int64_t width = c->block_out_channels[c->levels - 1];
    static const char *const now[] = {"to_q", "to_k", "to_v"}, *const then[] = {"query", "key", "value"};
    char parts[3][TT_NAME_MAX], part[TT_NAME_MAX];
    tt_status status = tt_name(part, err, "%s.group_norm", name);
    if (!status) status = tt_load_norm(l, &mid->norm, part, width, c->norm_num_groups, VAE_EPS, false, err);
    for (int i = 0; i < 3 && !status; i++)
        status = attention_name(l, parts[i], name, now[i], then[i], err);
    if (!status) status = tt_load_linear_stack(l, &mid->qkv, parts, 3, width, width, true, err);
    if (!status) status = attention_name(l, part, name, "to_out.0", "proj_attn", err);
    if (!status) status = tt_load_linear(l, &mid->out, part, width, width, true, TT_ACT_NONE, err);
    return status;
}

static tt_status load_mid(const tt_loader *l, tt_vae_mid *mid, const char *half, const tt_vae_config *c,
                          tt_error *err)
{
    int64_t width = c->block_out_channels[c->levels - 1];
    char name[TT_NAME_MAX];
    tt_status status = tt_name(name, err, "%s.mid_block.resnets.0", half);
    if (!status)
        status = tt_resnet_load(l, &mid->first, name, width, width, 0, c->norm_num_groups, VAE_EPS, err);
    if (!status) status = tt_name(name, err, "%s.mid_block.attentions.0", half);
    if (!status) status = load_attention(l, mid, name, c, err);
    if (!status) status = tt_name(name, err, "%s.mid_block.resnets.1", half);
    if (!status)
        status = tt_resnet_load(l, &mid->last, name, width, width, 0, c->norm_num_groups, VAE_EPS, err);
    return status;
}

static tt_status load_layers(const tt_loader *l, tt_vae_level *level, const char *kind, int n, int64_t in,
                             int64_t out, int groups, tt_error *err)
{
    char name[TT_NAME_MAX];
    level->layers = tt_alloc_array((size_t)n, sizeof *level->layers);
    if (!level->layers) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", kind);
    level->n_layers = n;
    tt_status status = TT_OK;
    for (int j = 0; j < n && !status; j++) {
        status = tt_name(name, err, "%s.resnets.%d", kind, j);
        if (!status)
            status = tt_resnet_load(l, &level->layers[j], name, j ? out : in, out, 0, groups, VAE_EPS, err);
    }
    return status;
}

/* f32 at the two ends of each half */
static tt_status load_ends(const tt_loader *l, tt_vae_half *h, const char *half, const tt_vae_config *c,
                           int64_t in, int64_t first, int64_t last, int64_t out, tt_error *err)
{
    const tt_loader exact = {l->device, l->source, TT_F32};
    char name[TT_NAME_MAX];
    tt_status status = tt_name(name, err, "%s.conv_in", half);
    if (!status) status = tt_load_conv(&exact, &h->conv_in, name, in, first, 3, 1, 1, false, err);
    if (!status) status = tt_name(name, err, "%s.conv_norm_out", half);
    if (!status) status = tt_load_norm(l, &h->norm_out, name, last, c->norm_num_groups, VAE_EPS, true, err);
    if (!status) status = tt_name(name, err, "%s.conv_out", half);
    if (!status) status = tt_load_conv(&exact, &h->conv_out, name, last, out, 3, 1, 1, false, err);
    return status;
}

static tt_status load_encoder(tt_vae *vae, const tt_loader *l, tt_error *err)
{
    const tt_vae_config *c = &vae->config;
    tt_vae_half *h = &vae->encoder;
    const tt_loader exact = {l->device, l->source, TT_F32};
    int64_t deepest = c->block_out_channels[c->levels - 1], moments = 2 * c->latent_channels;
    char kind[TT_NAME_MAX], name[TT_NAME_MAX];
    tt_status status =
        load_ends(l, h, "encoder", c, c->in_channels, c->block_out_channels[0], deepest, moments, err);
    for (int b = 0; b < c->levels && !status; b++) {
        int64_t out = c->block_out_channels[b], in = c->block_out_channels[b ? b - 1 : 0];
        status = tt_name(kind, err, "encoder.down_blocks.%d", b);
        if (!status)
            status =
                load_layers(l, &h->levels[b], kind, c->layers_per_block, in, out, c->norm_num_groups, err);
        if (status || b == c->levels - 1) break;
        h->levels[b].has_sampler = true;
        status = tt_name(name, err, "%s.downsamplers.0.conv", kind);
        if (!status) status = tt_load_conv(l, &h->levels[b].sampler, name, out, out, 3, 2, 1, true, err);
    }
    if (!status) status = load_mid(l, &h->mid, "encoder", c, err);
    if (!status)
        status = tt_load_linear(&exact, &h->quant, "quant_conv", moments, moments, true, TT_ACT_NONE, err);
    return status;
}

static tt_status load_decoder(tt_vae *vae, const tt_loader *l, tt_error *err)
{
    const tt_vae_config *c = &vae->config;
    tt_vae_half *h = &vae->decoder;
    const tt_loader exact = {l->device, l->source, TT_F32};
    int64_t deepest = c->block_out_channels[c->levels - 1], z = c->latent_channels;
    char kind[TT_NAME_MAX], name[TT_NAME_MAX];
    tt_status status = tt_load_linear(&exact, &h->quant, "post_quant_conv", z, z, true, TT_ACT_NONE, err);
    if (!status)
        status = load_ends(l, h, "decoder", c, z, deepest, c->block_out_channels[0], c->out_channels, err);
    if (!status) status = load_mid(l, &h->mid, "decoder", c, err);
    for (int b = 0; b < c->levels && !status; b++) {
        int depth = c->levels - 1 - b;
        int64_t out = c->block_out_channels[depth], in = c->block_out_channels[b ? depth + 1 : depth];
        status = tt_name(kind, err, "decoder.up_blocks.%d", b);
        if (!status)
            status = load_layers(l, &h->levels[b], kind, c->layers_per_block + 1, in, out, c->norm_num_groups,
                                 err);
        if (status || b == c->levels - 1) break;
        h->levels[b].has_sampler = true;
        status = tt_name(name, err, "%s.upsamplers.0.conv", kind);
        if (!status) status = tt_load_conv(l, &h->levels[b].sampler, name, out, out, 3, 1, 1, false, err);
    }
    return status;
}

tt_status tt_vae_create(tt_device *device, const tt_vae_config *config, tt_type type,
                        tt_weight_source *source, tt_vae **vae, tt_error *err)
{
    *vae = NULL;
    tt_status status = tt_vae_config_validate(config, err);
    if (status) return status;
    tt_vae *v = tt_alloc_zero(sizeof *v);
    if (!v) return tt_fail(err, TT_ERR_MEMORY, "VAE: out of memory");
    v->device = device;
    v->config = *config;
    v->type = type;
    tt_vae_shapes_init(v);
    const tt_loader loader = {device, source, type};
    status = load_encoder(v, &loader, err);
    if (!status) status = load_decoder(v, &loader, err);
    if (status) {
        tt_fail_in(err, "VAE");
        tt_vae_destroy(v);
        return status;
    }
    *vae = v;
    return TT_OK;
}

static void unload_half(tt_device *device, tt_vae_half *h)
{
    for (int b = 0; b < TT_VAE_MAX_LEVELS; b++) {
        for (int j = 0; j < h->levels[b].n_layers; j++)
            tt_resnet_unload(device, &h->levels[b].layers[j]);
        tt_unpack(device, h->levels[b].sampler.packed);
        tt_free(h->levels[b].layers);
    }
    tt_resnet_unload(device, &h->mid.first);
    tt_resnet_unload(device, &h->mid.last);
    tt_unpack(device, h->mid.norm.packed);
    tt_unpack(device, h->mid.qkv.packed);
    tt_unpack(device, h->mid.out.packed);
    tt_unpack(device, h->conv_in.packed);
    tt_unpack(device, h->conv_out.packed);
    tt_unpack(device, h->norm_out.packed);
    tt_unpack(device, h->quant.packed);
}

void tt_vae_destroy(tt_vae *v)
{
    if (!v) return;
    tt_shapes_forget(&v->encoded);
    tt_shapes_forget(&v->decoded);
    unload_half(v->device, &v->encoder);
    unload_half(v->device, &v->decoder);
    tt_free(v);
}

const tt_vae_config *tt_vae_get_config(const tt_vae *vae)
{
    return &vae->config;
}
