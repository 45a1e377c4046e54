/* How much memory a host of the model needs, from its configs. */
#include "sd15.h"

/* Activations of a pass, counted in its widest ones: what measured highest marks come to
 * (docs/performance.md), with a margin. They hold the backend's own buffers and what the device keeps for the
 * next pass. */
enum { UNET_WIDEST = 36, ENCODE_WIDEST = 8, DECODE_WIDEST = 11, TEXT_WIDEST = 24 };

static uint64_t bytes_of(tt_type type)
{
    return type == TT_BF16 ? 2 : 4;
}

/* Keys and values of cross-attention, of one text. */
static uint64_t text_values(const tt_unet_config *u, const tt_clip_text_config *c)
{
    uint64_t channels = 0;
    for (int l = 0; l < u->levels; l++) {
        int up = u->levels - 1 - l; /* the way up begins at the last level */
        if (u->down_cross[l])
            channels += (uint64_t)u->layers_per_block[l] * (uint64_t)u->transformer_layers[l] *
                        (uint64_t)u->block_out_channels[l];
        if (u->up_cross[up])
            channels += (uint64_t)(u->layers_per_block[l] + 1) * (uint64_t)u->transformer_layers[l] *
                        (uint64_t)u->block_out_channels[l];
    }
    if (u->mid_cross)
        channels +=
            (uint64_t)u->transformer_layers[u->levels - 1] * (uint64_t)u->block_out_channels[u->levels - 1];
    return 2 * (uint64_t)c->tokens * channels;
}

void sd15_memory_of(const sd15_target *t, const tt_type types[3], tt_memory_need *need)
{
    const tt_unet_config *u = tt_checkpoint_unet_config(t->checkpoint);
    const tt_vae_config *v = tt_checkpoint_vae_config(t->checkpoint);
    const tt_clip_text_config *c = tt_checkpoint_text_config(t->checkpoint);
    uint64_t values[3], latent = (uint64_t)t->latent_height * t->latent_width;
    uint64_t pixels = (uint64_t)t->resolution * t->resolution;
    uint64_t image = pixels * (uint64_t)v->block_out_channels[0] * bytes_of(types[1]);
    tt_checkpoint_weights(t->checkpoint, values);
    *need = (tt_memory_need){.size = sizeof *need};
    for (int i = 0; i < 3; i++)
        need->weights += values[i] * bytes_of(types[i]);
    need->weights += need->weights / 50; /* packing rounds channels up */
    need->predict =
        t->batch * (UNET_WIDEST * latent * (uint64_t)u->block_out_channels[0] * bytes_of(types[0]) +
                    TEXT_WIDEST * (uint64_t)c->tokens * (uint64_t)c->hidden * bytes_of(types[2]));
    need->encode = sd15_encode_chunk(v, pixels) * ENCODE_WIDEST * image;
    need->decode = DECODE_WIDEST * image;
    need->evaluation = text_values(u, c) * bytes_of(types[0]) +
                       4 * (uint64_t)c->tokens * (uint64_t)c->hidden + 8 * latent * t->channels;
}
