/* How much memory a host of the model needs, from its configs. */
#include "sd15.h"

/* Activations of a pass, counted in its widest ones: what measured highest marks come to
 * (docs/performance.md), with a margin. They hold the backend's own buffers and what the device keeps for the
 * next pass. */
enum { UNET_WIDEST = 36, ENCODE_WIDEST = 8, DECODE_WIDEST = 11, TEXT_WIDEST = 24 };
/* On a device of its own, besides: scratch for an image with its pads and for a sum, once in the block of now
 * and once in those that recordings keep. */
enum { SCRATCH_WIDEST = 4 };

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

/* Where networks lie and compute: the process, or a device with memory of its own. */
static tt_memory_amounts networks(const sd15_target *t, const tt_type types[3], const tt_backend *backend)
{
    uint64_t scratch = backend->memory ? SCRATCH_WIDEST : 0;
    bool of_batch = backend->traits & TT_BACKEND_BATCH_IN_BITS; /* there images go through the VAE alone */
    const tt_unet_config *u = tt_checkpoint_unet_config(t->checkpoint);
    const tt_vae_config *v = tt_checkpoint_vae_config(t->checkpoint);
    const tt_clip_text_config *c = tt_checkpoint_text_config(t->checkpoint);
    uint64_t values[3], latent = (uint64_t)t->latent_height * t->latent_width;
    uint64_t pixels = (uint64_t)t->resolution * t->resolution;
    uint64_t image = pixels * (uint64_t)v->block_out_channels[0] * bytes_of(types[1]);
    tt_checkpoint_weights(t->checkpoint, values);
    tt_memory_amounts need = {0};
    for (int i = 0; i < 3; i++)
        need.weights += values[i] * bytes_of(types[i]);
    need.weights += need.weights / 50; /* packing rounds channels up */
    need.predict = t->batch * ((UNET_WIDEST + scratch) * latent * (uint64_t)u->block_out_channels[0] *
                                   bytes_of(types[0]) +
                               TEXT_WIDEST * (uint64_t)c->tokens * (uint64_t)c->hidden * bytes_of(types[2]));
    need.encode = (of_batch ? 1 : sd15_encode_chunk(v, pixels)) * (ENCODE_WIDEST + scratch) * image;
    need.decode = (DECODE_WIDEST + scratch) * image;
    need.evaluation = text_values(u, c) * bytes_of(types[0]);
    return need;
}

/* Beside a device: what goes in and comes out, as floats, with a copy in the network's layout; of weights the
 * one that is just being converted. */
static tt_memory_amounts beside(const sd15_target *t, const tt_memory_amounts *device)
{
    const tt_vae_config *v = tt_checkpoint_vae_config(t->checkpoint);
    uint64_t latent = (uint64_t)t->latent_height * t->latent_width * t->channels;
    uint64_t pixels = (uint64_t)t->resolution * t->resolution, images = sd15_encode_chunk(v, pixels);
    return (tt_memory_amounts){.weights = device->weights / 20,
                               .predict = t->batch * 5 * 4 * latent,
                               .encode = images * (9 * 3 * pixels + 5 * 4 * latent),
                               .decode = 9 * 3 * pixels + 2 * 4 * latent};
}

void sd15_memory_of(const sd15_target *t, const tt_type types[3], const tt_backend *backend,
                    tt_memory_need *need)
{
    const tt_clip_text_config *c = tt_checkpoint_text_config(t->checkpoint);
    const tt_unet_config *u = tt_checkpoint_unet_config(t->checkpoint);
    bool apart = backend->memory != NULL;
    tt_memory_amounts lying = networks(t, types, backend);
    *need = (tt_memory_need){.size = sizeof *need, .batch = t->batch};
    if (apart && backend->record_begin) /* a recording has its texts' keys and values at places of its own */
        lying.predict += (uint64_t)t->batch * text_values(u, c) * bytes_of(types[0]);
    if (apart) {
        need->device = lying;
        need->host = beside(t, &lying);
    } else {
        need->host = lying;
    }
    /* a text's states, a latent and a prediction are the process's in any case */
    need->host.evaluation += 4 * (uint64_t)c->tokens * (uint64_t)c->hidden +
                             8 * (uint64_t)t->latent_height * t->latent_width * t->channels;
}
