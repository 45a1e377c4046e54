/* unet/config.json (specs/models-sd15.md 1.1). */
#include "models/config.h"
#include "models/unet_internal.h"

#include <string.h>

void tt_unet_config_sd15(tt_unet_config *config)
{
    *config = (tt_unet_config){
        .in_channels = 4,
        .out_channels = 4,
        .sample_height = 64,
        .sample_width = 64,
        .levels = 4,
        .block_out_channels = {320, 640, 1280, 1280},
        .down_cross = {true, true, true, false},
        .up_cross = {false, true, true, true},
        .mid_cross = true,
        .layers_per_block = {2, 2, 2, 2},
        .transformer_layers = {1, 1, 1, 1},
        .heads = {8, 8, 8, 8},
        .cross_attention_dim = 768,
        .norm_num_groups = 32,
        .norm_eps = 1e-5,
        .freq_shift = 0,
        .flip_sin_to_cos = true,
        .use_linear_projection = false,
    };
}

static const tt_config_rule rules[] = {
    {"sample_size", NULL},
    {"in_channels", NULL},
    {"out_channels", NULL},
    {"flip_sin_to_cos", NULL},
    {"freq_shift", NULL},
    {"down_block_types", NULL},
    {"mid_block_type", NULL},
    {"up_block_types", NULL},
    {"block_out_channels", NULL},
    {"layers_per_block", NULL},
    {"norm_num_groups", NULL},
    {"norm_eps", NULL},
    {"cross_attention_dim", NULL},
    {"transformer_layers_per_block", NULL},
    {"attention_head_dim", NULL},
    {"use_linear_projection", NULL},
    {"dropout", NULL},                       /* training only */
    {"upcast_attention", NULL},              /* our softmax is never below f32 */
    {"addition_embed_type_num_heads", NULL}, /* read only with an addition_embed_type */
    {"center_input_sample", "false"},
    {"only_cross_attention", "false"},
    {"downsample_padding", "1"},
    {"mid_block_scale_factor", "1"},
    {"act_fn", "silu|swish"},
    {"reverse_transformer_layers_per_block", "null"},
    {"encoder_hid_dim", "null"},
    {"encoder_hid_dim_type", "null"},
    {"num_attention_heads", "null"},
    {"dual_cross_attention", "false"},
    {"class_embed_type", "null"},
    {"addition_embed_type", "null"},
    {"addition_time_embed_dim", "null"},
    {"num_class_embeds", "null"},
    {"resnet_time_scale_shift", "default"},
    {"resnet_skip_time_act", "false"},
    {"resnet_out_scale_factor", "1"},
    {"time_embedding_type", "positional"},
    {"time_embedding_dim", "null"},
    {"time_embedding_act_fn", "null"},
    {"timestep_post_act", "null"},
    {"time_cond_proj_dim", "null"},
    {"conv_in_kernel", "3"},
    {"conv_out_kernel", "3"},
    {"projection_class_embeddings_input_dim", "null"},
    {"attention_type", "default"},
    {"class_embeddings_concat", "false"},
    {"mid_block_only_cross_attention", "null|false"},
    {"cross_attention_norm", "null"},
};

/* "CrossAttnDownBlock2D" or "DownBlock2D" for each level. */
static tt_status parse_blocks(const tt_node *json, const char *key, const char *plain, const char *cross,
                              int levels, bool *is_cross, tt_error *err)
{
    const char *names[TT_UNET_MAX_LEVELS];
    int n = 0;
    tt_status status = tt_config_strings(json, key, TT_UNET_MAX_LEVELS, names, &n, err);
    if (status) return status;
    if (n == 0) { /* absent: the class's default has four levels, attention in all but the deepest */
        if (levels != 4)
            return tt_node_fail(
                json, err, "%s is absent, which means 4 levels, but block_out_channels has %d", key, levels);
        for (int i = 0; i < 4; i++)
            is_cross[i] = i != (strcmp(key, "up_block_types") == 0 ? 0 : 3);
        return TT_OK;
    }
    if (n != levels)
        return tt_node_fail(tt_node_get(json, key), err, "%s has %d entries, block_out_channels has %d", key,
                            n, levels);
    for (int i = 0; i < n; i++) {
        is_cross[i] = strcmp(names[i], cross) == 0;
        if (is_cross[i] || strcmp(names[i], plain) == 0) continue;
        tt_node_fail(tt_node_get(json, key), err, "%s has a %s: only %s and %s are supported", key, names[i],
                     plain, cross);
        if (err) err->code = TT_ERR_UNSUPPORTED;
        return TT_ERR_UNSUPPORTED;
    }
    return TT_OK;
}

static tt_status parse_sample_size(const tt_node *json, tt_unet_config *c, tt_error *err)
{
    const tt_node *node = tt_node_get(json, "sample_size");
    int size[2] = {64, 64};
    tt_status status = TT_OK;
    if (node && node->kind != TT_NODE_NULL)
        status = tt_config_ints(json, "sample_size", 64, 1, 4096, 2, size, err);
    c->sample_height = size[0];
    c->sample_width = size[1];
    return status;
}

static tt_status parse_channels(const tt_node *json, tt_unet_config *c, tt_error *err)
{
    const tt_node *channels = tt_node_get(json, "block_out_channels");
    c->levels = 4;
    if (!channels) {
        static const int fallback[4] = {320, 640, 1280, 1280};
        memcpy(c->block_out_channels, fallback, sizeof fallback);
        return TT_OK;
    }
    if (channels->kind != TT_NODE_LIST || channels->n_children < 1 ||
        channels->n_children > TT_UNET_MAX_LEVELS)
        return tt_node_fail(channels, err, "block_out_channels must be a list of 1..%d numbers",
                            TT_UNET_MAX_LEVELS);
    c->levels = (int)channels->n_children;
    return tt_config_ints(json, "block_out_channels", 0, 1, 16384, c->levels, c->block_out_channels, err);
}

static tt_status parse_mid(const tt_node *json, tt_unet_config *c, tt_error *err)
{
    const char *mid;
    tt_status status = tt_config_string(json, "mid_block_type", "UNetMidBlock2DCrossAttn", &mid, err);
    if (status) return status;
    c->mid_cross = strcmp(mid, "UNetMidBlock2DCrossAttn") == 0;
    if (c->mid_cross || strcmp(mid, "UNetMidBlock2D") == 0) return TT_OK;
    tt_node_fail(tt_node_get(json, "mid_block_type"), err,
                 "mid_block_type is %s: only UNetMidBlock2DCrossAttn and UNetMidBlock2D are supported", mid);
    if (err) err->code = TT_ERR_UNSUPPORTED;
    return TT_ERR_UNSUPPORTED;
}

/* One width for all levels: a list is fine when its entries are equal. */
static tt_status parse_cross_dim(const tt_node *json, tt_unet_config *c, tt_error *err)
{
    int widths[TT_UNET_MAX_LEVELS];
    tt_status status = tt_config_ints(json, "cross_attention_dim", 1280, 1, 16384, c->levels, widths, err);
    if (status) return status;
    for (int i = 1; i < c->levels; i++)
        if (widths[i] != widths[0])
            return tt_node_fail(
                tt_node_get(json, "cross_attention_dim"), err,
                "cross_attention_dim differs between levels: one text encoder's width is supported");
    c->cross_attention_dim = widths[0];
    return TT_OK;
}

tt_status tt_unet_config_parse(const tt_node *json, tt_unet_config *c, tt_error *err)
{
    *c = (tt_unet_config){0};
    tt_status s = tt_config_check(json, "UNet2DConditionModel", rules, sizeof rules / sizeof *rules, err);
    if (!s) s = parse_channels(json, c, err);
    if (!s) s = parse_sample_size(json, c, err);
    if (!s) s = tt_config_int(json, "in_channels", 4, 1, 1024, &c->in_channels, err);
    if (!s) s = tt_config_int(json, "out_channels", 4, 1, 1024, &c->out_channels, err);
    if (!s)
        s = parse_blocks(json, "down_block_types", "DownBlock2D", "CrossAttnDownBlock2D", c->levels,
                         c->down_cross, err);
    if (!s)
        s = parse_blocks(json, "up_block_types", "UpBlock2D", "CrossAttnUpBlock2D", c->levels, c->up_cross,
                         err);
    if (!s) s = parse_mid(json, c, err);
    if (!s) s = tt_config_ints(json, "layers_per_block", 2, 1, 64, c->levels, c->layers_per_block, err);
    if (!s)
        s = tt_config_ints(json, "transformer_layers_per_block", 1, 1, 64, c->levels, c->transformer_layers,
                           err);
    if (!s) s = tt_config_ints(json, "attention_head_dim", 8, 1, 1024, c->levels, c->heads, err);
    if (!s) s = parse_cross_dim(json, c, err);
    if (!s) s = tt_config_int(json, "norm_num_groups", 32, 1, 4096, &c->norm_num_groups, err);
    if (!s) s = tt_config_double(json, "norm_eps", 1e-5, 0, 1, &c->norm_eps, err);
    if (!s) s = tt_config_double(json, "freq_shift", 0, -16, 16, &c->freq_shift, err);
    if (!s) s = tt_config_bool(json, "flip_sin_to_cos", true, &c->flip_sin_to_cos, err);
    if (!s) s = tt_config_bool(json, "use_linear_projection", false, &c->use_linear_projection, err);
    if (!s) s = tt_unet_config_validate(c, err);
    return s;
}

tt_status tt_unet_config_validate(const tt_unet_config *c, tt_error *err)
{
    if (c->levels < 1 || c->levels > TT_UNET_MAX_LEVELS)
        return tt_fail(err, TT_ERR_INVALID, "UNet config: %d levels: must be 1..%d", c->levels,
                       TT_UNET_MAX_LEVELS);
    if (c->norm_num_groups < 1 || c->cross_attention_dim < 1 || c->in_channels < 1 || c->out_channels < 1)
        return tt_fail(err, TT_ERR_INVALID,
                       "UNet config: channels, groups and cross_attention_dim must be >= 1");
    int half = c->block_out_channels[0] / 2;
    if (c->block_out_channels[0] % 2 || (double)half <= c->freq_shift)
        return tt_fail(err, TT_ERR_INVALID,
                       "UNet config: block_out_channels[0] is %d: the timestep features need an even number",
                       c->block_out_channels[0]);
    for (int i = 0; i < c->levels; i++) {
        int channels = c->block_out_channels[i];
        if (channels < 1 || channels % c->norm_num_groups)
            return tt_fail(err, TT_ERR_INVALID,
                           "UNet config: block_out_channels[%d] is %d: not a multiple of the %d "
                           "norm groups",
                           i, channels, c->norm_num_groups);
        if (c->layers_per_block[i] < 1)
            return tt_fail(err, TT_ERR_INVALID, "UNet config: layers_per_block[%d] is %d: must be >= 1", i,
                           c->layers_per_block[i]);
        bool attends =
            c->down_cross[i] || c->up_cross[c->levels - 1 - i] || (c->mid_cross && i == c->levels - 1);
        if (attends && (c->heads[i] < 1 || channels % c->heads[i]))
            return tt_fail(
                err, TT_ERR_INVALID,
                "UNet config: attention_head_dim[%d] is %d heads, which does not divide %d channels", i,
                c->heads[i], channels);
        if (attends && c->transformer_layers[i] < 1)
            return tt_fail(err, TT_ERR_INVALID, "UNet config: transformer_layers_per_block[%d] must be >= 1",
                           i);
    }
    return TT_OK;
}
