/* Shared by the files modelhost*.c only. */
#ifndef TT_RUNTIME_MODELHOST_INTERNAL_H
#define TT_RUNTIME_MODELHOST_INTERNAL_H

#include "base/rng.h"
#include "plugin/registry.h"
#include "runtime/modelhost.h"
#include "runtime/protocol.h"
#include "telltale/tensor.h"

typedef enum thing_kind {
    THING_LATENT = 1,
    THING_CONDITION,
    THING_PREDICTION,
    THING_IMAGE,
    THING_MAPS
} thing_kind;

/* A thing is what a handle names. `identity` says what it is by how it was made, so that the same thing asked
 * for twice in a batch is made once; things that were put by an attack get an identity of their own. */
typedef struct thing {
    thing_kind kind;
    tt_digest identity;
    float *values; /* latent, prediction: flat C,H,W; image: RGB 0..1 */
    size_t n_values;
    uint32_t channels, height, width;
    void *condition;    /* THING_CONDITION: the target's */
    uint64_t uses;      /* how often it was asked for, over all batches */
    struct thing *next; /* hash chain */
} thing;

#define THING_BUCKETS 4096u

/* The loss and the prediction of one evaluation of this batch */
typedef struct evaluation {
    tt_digest identity;
    double loss;
    thing *prediction;     /* NULL: not kept */
    thing *maps;           /* NULL: not asked for yet */
    bool computed, queued; /* queued: among those that the present call computes */
    struct evaluation *next;
} evaluation;

struct tt_modelhost_connection {
    uint32_t granted;
    int fd; /* -1: direct */
    tt_meters meters;
    thing **handles; /* handle h is handles[h-1]; NULL: released */
    size_t n_handles, capacity;
    uint64_t serial;                           /* numbers what this connection puts */
    uint64_t queries_per_sample, queries_left; /* of this batch; 0 a sample: no limit */
    uint32_t index;
};

struct tt_modelhost {
    tt_registry *registry;
    char **plugin_dirs;
    size_t n_plugin_dirs;
    const tt_target_plugin *target_plugin;
    tt_params *params;
    void *target;
    tt_model_info info;
    const tt_backend *backend; /* NULL: no model is open */
    char *backend_description;
    int threads;            /* the host's; 0: all processors */
    bool of_batch;          /* bits depend on the batch: it must stay what it was said to be */
    uint32_t fitting_batch; /* after predictions that were too many for the device's memory: how many are not;
                               0: that did not happen, or not even one fits */
    uint64_t seed;
    bool apply_orientation, images_only;
    bool budgeted;
    uint64_t predictions_left, images_left; /* to be computed, of all connections; where budgeted */
    uint64_t money_left;                    /* as of tt_meter; where budgeted */
    uint64_t prediction_price, image_price; /* 0: free */
    tt_host_sample *samples;                /* sorted by id */
    size_t n_samples;
    tt_arena *sample_text;
    tt_modelhost_connection **connections;
    uint32_t n_connections;
    thing *things[THING_BUCKETS];
    size_t n_conditions;
    evaluation *evaluations[THING_BUCKETS];
    /* a service in place of a target */
    const tt_service_plugin *service_plugin;
    void *service;
    struct weighed *weighed[THING_BUCKETS]; /* by text, for as long as the host lives */
    char *maps_dir;                         /* where heat maps of words are kept; NULL: nowhere */
    uint32_t map_side;
};

/* modelhost_things.c */
thing *tt_thing_find(tt_modelhost *h, thing_kind kind, const tt_digest *identity);
thing *tt_thing_add(tt_modelhost *h, thing_kind kind, const tt_digest *identity); /* NULL: no memory */
tt_status tt_handle_give(tt_modelhost_connection *c, thing *t, tt_handle *handle, tt_error *err);
/* The thing that a handle of this connection names, of one of the kinds (bit 1 << kind), else an error. */
tt_status tt_handle_take(const tt_modelhost_connection *c, tt_handle handle, uint32_t kinds, thing **out,
                         tt_error *err);
/* Ends the batch: all handles and things go, except the few conditions that every batch asks for (the null
 * caption). */
void tt_things_end_batch(tt_modelhost *h);
void tt_things_free(tt_modelhost *h);
evaluation *tt_evaluation_get(tt_modelhost *h, const tt_digest *identity, bool *is_new); /* NULL: no memory */

const tt_host_sample *tt_modelhost_sample(const tt_modelhost *h, uint64_t id);
size_t tt_modelhost_latent_size(const tt_modelhost *h);
/* Reads a noise off the wire; role NULL: none. */
tt_noise tt_get_noise(tt_reader *in);
void tt_put_noise(tt_buf *out, const tt_noise *noise);

/* modelhost_compute.c: what each request does, after access was checked */
tt_status tt_modelhost_encode(tt_modelhost *h, tt_modelhost_connection *c, bool crops, tt_reader *in,
                              tt_buf *out, tt_error *err);
tt_status tt_modelhost_image(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err);
tt_status tt_modelhost_text(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                            tt_error *err);
tt_status tt_modelhost_decode(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                              tt_error *err);
tt_status tt_modelhost_generate(tt_modelhost *h, tt_modelhost_connection *c, bool vary, tt_reader *in,
                                tt_buf *out, tt_error *err);
/* modelhost_predict.c; attend: with attention maps */
tt_status tt_modelhost_predict(tt_modelhost *h, tt_modelhost_connection *c, bool attend, tt_reader *in,
                               tt_buf *out, tt_error *err);
/* modelhost_values.c */
tt_status tt_modelhost_put(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                           tt_error *err);
tt_status tt_modelhost_put_condition(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                                     tt_error *err);
tt_status tt_modelhost_get(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                           tt_error *err);
tt_status tt_modelhost_spans(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err);
tt_status tt_modelhost_noise(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err);

/* modelhost_budget.c */
tt_status tt_modelhost_budget(tt_modelhost *h, tt_reader *in, tt_error *err);
tt_status tt_modelhost_price(tt_modelhost *h, tt_reader *in, tt_error *err);
/* Before anything is computed: `queries` are asked for, of which that many predictions and images are new.
 * TT_ERR_REFUSED: a budget does not allow it, and nothing is spent. */
tt_status tt_modelhost_spend(tt_modelhost *h, tt_modelhost_connection *c, uint32_t queries,
                             uint32_t predictions, uint32_t images, tt_error *err);
/* Counts the money of what was asked and of what was computed. */
void tt_modelhost_charge(const tt_modelhost *h, tt_modelhost_connection *c, const tt_meter *asked,
                         const tt_meter *computed);

/* modelhost_service.c */
tt_status tt_modelhost_open_service(tt_modelhost *h, tt_reader *in, tt_buf *out, tt_error *err);
tt_status tt_modelhost_weigh(tt_modelhost *h, tt_modelhost_connection *c, tt_reader *in, tt_buf *out,
                             tt_error *err);
void tt_modelhost_close_service(tt_modelhost *h);

/* wire forms shared with the client */
void tt_put_generate(tt_buf *out, const tt_generate *g);
/* Pointers in *g point into the message and into `arena`. */
tt_status tt_get_generate(tt_reader *in, tt_arena *arena, tt_generate *g, tt_error *err);
void tt_put_texts(tt_buf *out, uint32_t n, const tt_text *texts);
tt_status tt_get_texts(tt_reader *in, tt_arena *arena, uint32_t *n, tt_text **texts, tt_error *err);

#endif
