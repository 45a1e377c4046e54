/* Loading a UNet: the structure that a config declares, filled from a weight source (models-sd15 1.2, 1.3).
 */
#include "base/mem.h"
#include "models/unet_internal.h"

#include <math.h>
#include <stdio.h>

/* sinusoid of models-sd15 1.2: every intermediate is rounded to f32 where PyTorch rounds it, because at t =
 * 999 a last bit of the frequency is 6e-5 of the angle. */
void tt_unet_time_features(const tt_unet_config *config, float timestep, float *out)
{
    int half = config->block_out_channels[0] / 2;
    float *sines = config->flip_sin_to_cos ? out + half : out;
    float *cosines = config->flip_sin_to_cos ? out : out + half;
    float log_period = (float)-log(10000.0), divisor = (float)((double)half - config->freq_shift);
    for (int i = 0; i < half; i++) {
        float exponent = log_period * (float)i / divisor;
        float angle = timestep * (float)exp((double)exponent);
        sines[i] = (float)sin((double)angle);
        cosines[i] = (float)cos((double)angle);
    }
}

/* ---- loading ---- */

typedef struct level_plan { /* what the layers of one level look like */
    const char *kind;       /* "down_blocks.1" */
    int channels, n_layers, heads, transformer_layers;
    bool cross;
} level_plan;

static tt_status load_layer(tt_unet *u, const tt_loader *l, tt_unet_layer *layer, const level_plan *plan,
                            int j, int in, tt_error *err)
{
    char name[TT_NAME_MAX];
    const tt_unet_config *c = &u->config;
    tt_status status = tt_name(name, err, "%s.resnets.%d", plan->kind, j);
    if (!status)
        status = tt_resnet_load(l, &layer->resnet, name, in, plan->channels, 4 * c->block_out_channels[0],
                                c->norm_num_groups, c->norm_eps, err);
    if (status || !plan->cross) return status;
    status = tt_name(name, err, "%s.attentions.%d", plan->kind, j);
    if (!status)
        status = tt_transformer_load(l, &layer->attention, name, plan->channels, plan->heads,
                                     plan->transformer_layers, c->norm_num_groups, c->cross_attention_dim,
                                     &u->n_sites, err);
    return status;
}

static tt_status create_layers(tt_unet_level *level, const level_plan *plan, tt_error *err)
{
    level->layers = tt_alloc_array((size_t)plan->n_layers, sizeof *level->layers);
    if (!level->layers) return tt_fail(err, TT_ERR_MEMORY, "%s: out of memory", plan->kind);
    level->n_layers = plan->n_layers;
    return TT_OK;
}

static tt_status load_down(tt_unet *u, const tt_loader *l, int b, tt_error *err)
{
    const tt_unet_config *c = &u->config;
    tt_unet_level *level = &u->down[b];
    char kind[TT_NAME_MAX], name[TT_NAME_MAX];
    tt_status status = tt_name(kind, err, "down_blocks.%d", b);
    level_plan plan = {kind,        c->block_out_channels[b], c->layers_per_block[b],
                       c->heads[b], c->transformer_layers[b], c->down_cross[b]};
    int in = c->block_out_channels[b ? b - 1 : 0];
    if (!status) status = create_layers(level, &plan, err);
    for (int j = 0; j < plan.n_layers && !status; j++)
        status = load_layer(u, l, &level->layers[j], &plan, j, j ? plan.channels : in, err);
    if (status || b == c->levels - 1) return status;
    level->has_sampler = true;
    status = tt_name(name, err, "%s.downsamplers.0.conv", kind);
    if (!status)
        status = tt_load_conv(l, &level->sampler, name, plan.channels, plan.channels, 3, 2, 1, false, err);
    return status;
}

/* Channels of the skip that the up layer pops: the down path's outputs in reverse. */
static int skip_channels(const tt_unet_config *c, int b, int j, int n_layers)
{
    int level = c->levels - 1 - b;
    if (j < n_layers - 1) return c->block_out_channels[level];
    return c->block_out_channels[level ? level - 1 : 0]; /* the sampler's output, or conv_in's */
}

static tt_status load_up(tt_unet *u, const tt_loader *l, int b, tt_error *err)
{
    const tt_unet_config *c = &u->config;
    tt_unet_level *level = &u->up[b];
    int depth = c->levels - 1 - b;
    char kind[TT_NAME_MAX], name[TT_NAME_MAX];
    tt_status status = tt_name(kind, err, "up_blocks.%d", b);
    level_plan plan = {kind,
                       c->block_out_channels[depth],
                       c->layers_per_block[depth] + 1,
                       c->heads[depth],
                       c->transformer_layers[depth],
                       c->up_cross[b]};
    int before = c->block_out_channels[b ? depth + 1 : depth];
    if (!status) status = create_layers(level, &plan, err);
    for (int j = 0; j < plan.n_layers && !status; j++) {
        int in = (j ? plan.channels : before) + skip_channels(c, b, j, plan.n_layers);
        status = load_layer(u, l, &level->layers[j], &plan, j, in, err);
    }
    if (status || b == c->levels - 1) return status;
    level->has_sampler = true;
    status = tt_name(name, err, "%s.upsamplers.0.conv", kind);
    if (!status)
        status = tt_load_conv(l, &level->sampler, name, plan.channels, plan.channels, 3, 1, 1, false, err);
    return status;
}

static tt_status load_mid(tt_unet *u, const tt_loader *l, tt_error *err)
{
    const tt_unet_config *c = &u->config;
    int last = c->levels - 1, channels = c->block_out_channels[last];
    level_plan plan = {"mid_block", channels, 1, c->heads[last], c->transformer_layers[last], c->mid_cross};
    tt_status status = load_layer(u, l, &u->mid, &plan, 0, channels, err);
    if (status || !c->mid_cross) return status;
    return tt_resnet_load(l, &u->mid_last, "mid_block.resnets.1", channels, channels,
                          4 * c->block_out_channels[0], c->norm_num_groups, c->norm_eps, err);
}

static tt_status load_all(tt_unet *u, const tt_loader *l, tt_error *err)
{
    const tt_unet_config *c = &u->config;
    const tt_loader exact = {l->device, l->source, TT_F32};
    int first = c->block_out_channels[0];
    tt_status s = tt_load_conv(&exact, &u->conv_in, "conv_in", c->in_channels, first, 3, 1, 1, false, err);
    if (!s)
        s = tt_load_linear(&exact, &u->time_1, "time_embedding.linear_1", first, 4 * first, true, TT_ACT_SILU,
                           err);
    /* every ResNet block applies silu to the embedding: once here does for all */
    if (!s)
        s = tt_load_linear(&exact, &u->time_2, "time_embedding.linear_2", 4 * first, 4 * first, true,
                           TT_ACT_SILU, err);
    for (int b = 0; b < c->levels && !s; b++)
        s = load_down(u, l, b, err);
    if (!s) s = load_mid(u, l, err);
    for (int b = 0; b < c->levels && !s; b++)
        s = load_up(u, l, b, err);
    if (!s)
        s = tt_load_norm(l, &u->norm_out, "conv_norm_out", first, c->norm_num_groups, c->norm_eps, true, err);
    if (!s) s = tt_load_conv(&exact, &u->conv_out, "conv_out", first, c->out_channels, 3, 1, 1, false, err);
    return s;
}

static void collect(tt_unet *u, tt_transformer *x)
{
    for (int i = 0; i < x->n_blocks; i++)
        u->sites[x->blocks[i].site] = &x->blocks[i];
}

static tt_status collect_sites(tt_unet *u, tt_error *err)
{
    u->sites = tt_alloc_array((size_t)u->n_sites + 1, sizeof *u->sites);
    if (!u->sites) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    for (int b = 0; b < u->config.levels; b++) {
        for (int j = 0; j < u->down[b].n_layers; j++)
            collect(u, &u->down[b].layers[j].attention);
        for (int j = 0; j < u->up[b].n_layers; j++)
            collect(u, &u->up[b].layers[j].attention);
    }
    collect(u, &u->mid.attention);
    return TT_OK;
}

tt_status tt_unet_create(tt_device *device, const tt_unet_config *config, tt_type type,
                         tt_weight_source *source, tt_unet **unet, tt_error *err)
{
    *unet = NULL;
    tt_status status = tt_unet_config_validate(config, err);
    if (status) return status;
    tt_unet *u = tt_alloc_zero(sizeof *u);
    if (!u) return tt_fail(err, TT_ERR_MEMORY, "UNet: out of memory");
    u->device = device;
    u->config = *config;
    u->type = type;
    const tt_loader loader = {device, source, type};
    status = load_all(u, &loader, err);
    if (!status) status = collect_sites(u, err);
    if (status) {
        tt_fail_in(err, "UNet");
        tt_unet_destroy(u);
        return status;
    }
    tt_unet_shapes_init(u);
    *unet = u;
    return TT_OK;
}

static void unload_layer(tt_device *device, tt_unet_layer *layer)
{
    tt_resnet_unload(device, &layer->resnet);
    tt_transformer_unload(device, &layer->attention);
}

static void unload_level(tt_device *device, tt_unet_level *level)
{
    for (int j = 0; j < level->n_layers; j++)
        unload_layer(device, &level->layers[j]);
    tt_unpack(device, level->sampler.packed);
    tt_free(level->layers);
}

void tt_unet_destroy(tt_unet *u)
{
    if (!u) return;
    tt_shapes_forget(&u->shapes);
    for (int b = 0; b < TT_UNET_MAX_LEVELS; b++) {
        unload_level(u->device, &u->down[b]);
        unload_level(u->device, &u->up[b]);
    }
    unload_layer(u->device, &u->mid);
    tt_resnet_unload(u->device, &u->mid_last);
    tt_unpack(u->device, u->conv_in.packed);
    tt_unpack(u->device, u->conv_out.packed);
    tt_unpack(u->device, u->time_1.packed);
    tt_unpack(u->device, u->time_2.packed);
    tt_unpack(u->device, u->norm_out.packed);
    tt_free(u->sites);
    tt_free(u);
}

const tt_unet_config *tt_unet_get_config(const tt_unet *u)
{
    return &u->config;
}
