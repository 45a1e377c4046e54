/* vae/config.json (specs/models-sd15.md 2.1). */
#include "models/config.h"
#include "models/vae_internal.h"

#include <string.h>

void tt_vae_config_sd15(tt_vae_config *config)
{
    *config = (tt_vae_config){
        .in_channels = 3,
        .out_channels = 3,
        .latent_channels = 4,
        .levels = 4,
        .layers_per_block = 2,
        .norm_num_groups = 32,
        .sample_size = 512,
        .block_out_channels = {128, 256, 512, 512},
        .scaling_factor = 0.18215,
    };
}

static const tt_config_rule rules[] = {
    {"in_channels", NULL},
    {"out_channels", NULL},
    {"block_out_channels", NULL},
    {"layers_per_block", NULL},
    {"latent_channels", NULL},
    {"norm_num_groups", NULL},
    {"sample_size", NULL},
    {"scaling_factor", NULL},
    {"down_block_types", NULL},
    {"up_block_types", NULL},
    {"force_upcast", NULL}, /* a hint to f16 pipelines */
    {"act_fn", "silu|swish"},
    {"shift_factor", "null|0"},
    {"latents_mean", "null"},
    {"latents_std", "null"},
    {"use_quant_conv", "true"},
    {"use_post_quant_conv", "true"},
    {"mid_block_add_attention", "true"},
};

static tt_status parse_blocks(const tt_node *json, const char *key, const char *only, int levels,
                              tt_error *err)
{
    const char *names[TT_VAE_MAX_LEVELS];
    int n = 1; /* absent: one block */
    names[0] = only;
    tt_status status = tt_config_strings(json, key, TT_VAE_MAX_LEVELS, names, &n, err);
    if (status) return status;
    const tt_node *node = tt_node_get(json, key);
    if (!node) node = json;
    if (n != levels)
        return tt_node_fail(node, err, "%s has %d entries, block_out_channels has %d", key, n, levels);
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], only) != 0) {
            tt_node_fail(node, err, "%s has a %s: only %s is supported", key, names[i], only);
            if (err) err->code = TT_ERR_UNSUPPORTED;
            return TT_ERR_UNSUPPORTED;
        }
    return TT_OK;
}

static tt_status parse_channels(const tt_node *json, tt_vae_config *c, tt_error *err)
{
    const tt_node *channels = tt_node_get(json, "block_out_channels");
    c->levels = 1;
    if (channels) {
        if (channels->kind != TT_NODE_LIST || channels->n_children < 1 ||
            channels->n_children > TT_VAE_MAX_LEVELS)
            return tt_node_fail(channels, err, "block_out_channels must be a list of 1..%d numbers",
                                TT_VAE_MAX_LEVELS);
        c->levels = (int)channels->n_children;
    }
    return tt_config_ints(json, "block_out_channels", 64, 1, 16384, c->levels, c->block_out_channels, err);
}

tt_status tt_vae_config_parse(const tt_node *json, tt_vae_config *c, tt_error *err)
{
    *c = (tt_vae_config){0};
    tt_status s = tt_config_check(json, "AutoencoderKL", rules, sizeof rules / sizeof *rules, err);
    if (!s) s = parse_channels(json, c, err);
    if (!s) s = parse_blocks(json, "down_block_types", "DownEncoderBlock2D", c->levels, err);
    if (!s) s = parse_blocks(json, "up_block_types", "UpDecoderBlock2D", c->levels, err);
    if (!s) s = tt_config_int(json, "in_channels", 3, 1, 64, &c->in_channels, err);
    if (!s) s = tt_config_int(json, "out_channels", 3, 1, 64, &c->out_channels, err);
    if (!s) s = tt_config_int(json, "latent_channels", 4, 1, 256, &c->latent_channels, err);
    if (!s) s = tt_config_int(json, "layers_per_block", 1, 1, 64, &c->layers_per_block, err);
    if (!s) s = tt_config_int(json, "norm_num_groups", 32, 1, 4096, &c->norm_num_groups, err);
    if (!s) s = tt_config_int(json, "sample_size", 32, 1, 16384, &c->sample_size, err);
    if (!s) s = tt_config_double(json, "scaling_factor", 0.18215, 1e-6, 1e6, &c->scaling_factor, err);
    if (!s) s = tt_vae_config_validate(c, err);
    return s;
}

tt_status tt_vae_config_validate(const tt_vae_config *c, tt_error *err)
{
    if (c->levels < 1 || c->levels > TT_VAE_MAX_LEVELS || c->layers_per_block < 1 || c->norm_num_groups < 1 ||
        c->in_channels < 1 || c->out_channels < 1 || c->latent_channels < 1)
        return tt_fail(err, TT_ERR_INVALID,
                       "VAE config: levels, layers, groups and channels must be >= 1 (levels at most %d)",
                       TT_VAE_MAX_LEVELS);
    for (int i = 0; i < c->levels; i++)
        if (c->block_out_channels[i] < 1 || c->block_out_channels[i] % c->norm_num_groups)
            return tt_fail(err, TT_ERR_INVALID,
                           "VAE config: block_out_channels[%d] is %d: not a multiple of the %d norm groups",
                           i, c->block_out_channels[i], c->norm_num_groups);
    return TT_OK;
}
