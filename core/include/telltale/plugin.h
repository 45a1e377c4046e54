/* The plugin ABI. A plugin is a shared object that exports one symbol, `tt_plugin`, and needs to link nothing
 * of ours: everything it may ask of the program comes as a table of functions (tt_host). Structs begin with
 * their size, so that they may grow: a newer program zero-fills what an older plugin does not have, and
 * refuses what it does not know.
 *
 *     program                                     plugin
 *     dlopen, read tt_plugin.abi and .size
 *     tt_plugin.init(host, path)            ───►  keep `host`
 *     tt_plugin.info(0), info(1), … NULL    ───►  what it offers: kind, name, revision, summary
 *     tt_plugin.get(kind, name)             ───►  the table of that kind (tt_attack_plugin, …)
 *     table->create/open … destroy/close
 *     tt_plugin.deinit()
 *
 * Threads: every function of a plugin is called from one thread at a time; a backend or target may use
 * threads inside a call, as many as host->threads() says. Strings are UTF-8. Memory that crosses the boundary
 * is freed by the side that made it, except where a comment says that it comes from host->alloc. */
#ifndef TELLTALE_PLUGIN_H
#define TELLTALE_PLUGIN_H

#include "telltale/backend.h"
#include "telltale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TT_ABI_VERSION 1u

typedef enum tt_plugin_kind {
    TT_KIND_ATTACK = 1,
    TT_KIND_TARGET,
    TT_KIND_DATA,
    TT_KIND_SERVICE,
    TT_KIND_TRANSFORM,
    TT_KIND_BACKEND
} tt_plugin_kind;

/* ------------------------------------------------------------------ parameters
 * ---------------------------------- */

typedef enum tt_param_type {
    TT_PARAM_BOOL = 1,
    TT_PARAM_INT,   /* min..max */
    TT_PARAM_FLOAT, /* min..max */
    TT_PARAM_STRING,
    TT_PARAM_CHOICE, /* one of `choices`, "a|b|c" */
    TT_PARAM_PATH,   /* taken relative to the spec file's folder; part of no step key (contents are) */
    TT_PARAM_INTS,   /* list; min..max hold for each entry */
    TT_PARAM_FLOATS,
    TT_PARAM_STRINGS,
    TT_PARAM_COUNTS /* mapping of names to counts: {seen: 200, held_out: 200} */
} tt_param_type;

#define TT_PARAM_REQUIRED 1u /* no default */
#define TT_PARAM_SCORE                                                                                       \
    2u /* an attack's parameter that only fit and score read: changing it re-runs no measure */
#define TT_PARAM_SPEED 4u /* changes no result: threads, batch hints; part of no step key */

/* One key. Parsing, `telltale describe`, the manual and the messages come from this table. */
typedef struct tt_param {
    const char *key;
    tt_param_type type;
    const char *default_value; /* as it would be written in YAML: "0.5", "[440, 450, 460]"; NULL: unset */
    double min, max;           /* both 0: no range */
    const char *choices;
    const char *help; /* one line */
    uint32_t flags;
} tt_param;

/* Parsed and checked values, read through the host's table. */
typedef struct tt_params tt_params;

/* ------------------------------------------------------------------ host services
 * ------------------------------- */

typedef enum tt_log_level { TT_LOG_DEBUG = 0, TT_LOG_INFO, TT_LOG_WARNING, TT_LOG_ERROR } tt_log_level;

typedef struct tt_host {
    uint32_t abi, size;

    tt_status (*fail)(tt_error *err, tt_status code, const char *format, ...) TT_PRINTF(3, 4);
    void (*log)(tt_log_level level, const char *format, ...) TT_PRINTF(2, 3);
    void *(*alloc)(size_t size); /* zeroed; NULL when out of memory */
    void (*free)(void *p);
    /* true: the user wants to stop; finish the current item and return TT_ERR_INTERRUPTED */
    bool (*stop_requested)(void);
    int (*threads)(void);

    /* Parameters; the key must be in the plugin's table, with the matching type. Lists and strings live as
     * long as the params. String: NULL when unset. */
    bool (*param_is_set)(const tt_params *p, const char *key);
    bool (*param_bool)(const tt_params *p, const char *key);
    int64_t (*param_int)(const tt_params *p, const char *key);
    double (*param_float)(const tt_params *p, const char *key);
    const char *(*param_string)(const tt_params *p, const char *key); /* STRING, CHOICE, PATH */
    size_t (*param_list)(const tt_params *p, const char *key, const double **values); /* INTS, FLOATS */
    size_t (*param_strings)(const tt_params *p, const char *key, const char *const **values);
    size_t (*param_counts)(const tt_params *p, const char *key, const char *const **names,
                           const int64_t **values);

    /* Statistics are the core's; the one that fit needs: area under the ROC of a grid of 2,000 thresholds, as
     * the CLiD scripts take it (low score = member when `low_is_member`), specs 2.6.3. */
    double (*grid_auc)(size_t n, const double *scores, const uint8_t *member, bool low_is_member);
} tt_host;

/* ------------------------------------------------------------------ entry
 * --------------------------------------- */

typedef struct tt_plugin_info {
    uint32_t size;
    tt_plugin_kind kind;
    const char *name;    /* [a-z0-9_]+, unique within its kind */
    uint32_t revision;   /* semantic revision: raised when results change */
    const char *version; /* of the build, for people */
    const char *summary; /* one line */
    const tt_param *params;
    uint32_t n_params;
    const char *reference; /* paper, or NULL */
} tt_plugin_info;

typedef struct tt_plugin_entry {
    uint32_t abi;  /* TT_ABI_VERSION */
    uint32_t size; /* sizeof(tt_plugin_entry) */
    tt_status (*init)(const tt_host *host, const char *path, tt_error *err);
    void (*deinit)(void);
    const tt_plugin_info *(*info)(uint32_t index);             /* NULL behind the last */
    const void *(*get)(tt_plugin_kind kind, const char *name); /* NULL: no such thing */
} tt_plugin_entry;

/* In the plugin:  TT_EXPORT const tt_plugin_entry tt_plugin = {TT_ABI_VERSION, sizeof(tt_plugin_entry), …};
 */

/* ------------------------------------------------------------------ values
 * -------------------------------------- */

/* 8-bit RGB, rows of 3·width bytes without padding. */
typedef struct tt_pixels {
    uint32_t width, height;
    uint8_t *rgb;
} tt_pixels;

/* Text as a list of pieces: `text` tokenised as an untrusted string, or, when text is NULL, one special token
 * id. So an attack can put an end token inside a caption without any string ever being parsed for it. */
typedef struct tt_text_piece {
    const char *text;
    int32_t special_id;
} tt_text_piece;
typedef struct tt_text {
    const tt_text_piece *pieces;
    uint32_t n_pieces;
} tt_text;

/* ------------------------------------------------------------------ access
 * -------------------------------------- */

enum {
    TT_CAP_GENERATE = 1 << 0,  /* images from text */
    TT_CAP_SEED = 1 << 1,      /* control of the generator's noise */
    TT_CAP_VARY = 1 << 2,      /* image to image, in-painting */
    TT_CAP_ENCODE = 1 << 3,    /* image -> latent */
    TT_CAP_DECODE = 1 << 4,    /* latent -> image */
    TT_CAP_TEXT = 1 << 5,      /* text -> embedding */
    TT_CAP_PREDICT = 1 << 6,   /* noise prediction at chosen states */
    TT_CAP_ATTENTION = 1 << 7, /* cross-attention maps */
    TT_CAP_GRAD_INPUT = 1 << 8,
    TT_CAP_GRAD_WEIGHTS = 1 << 9,
    /* presets */
    TT_CAP_BLACK_BOX = TT_CAP_GENERATE,
    TT_CAP_GREY_BOX = TT_CAP_GENERATE | TT_CAP_SEED | TT_CAP_VARY | TT_CAP_ENCODE | TT_CAP_DECODE |
                      TT_CAP_TEXT | TT_CAP_PREDICT,
    TT_CAP_WHITE_BOX = (1 << 10) - 1
};

/* What everybody may know of a model. */
typedef struct tt_model_info {
    uint32_t size;
    uint32_t capabilities; /* what the model itself can do */
    uint32_t resolution;   /* side of its images, pixels */
    uint32_t latent_channels, latent_height, latent_width;
    uint32_t text_tokens, text_width;
    uint32_t train_timesteps;    /* 1000 */
    int32_t end_token;           /* special id of the end-of-text token */
    uint32_t batch;              /* predictions computed at once */
    const double *alpha_bar;     /* [train_timesteps], double arithmetic (grey-box spec 1.1) */
    const double *alpha_bar_f32; /* the f32 table of diffusers, widened */
} tt_model_info;

/* A thing that stays in the model's host: latent, condition, prediction or image. 0 is none. */
typedef uint64_t tt_handle;

/* Measurement noise: keyed by (run seed, content hash of the sample, role, timestep value, draw);
 * docs/randomness.md */
typedef struct tt_noise {
    const char *role; /* "eps", "vae", …; NULL: no noise */
    int32_t timestep; /* the timestep value, or -1 where the noise belongs to none */
    uint32_t draw;
} tt_noise;

typedef struct tt_encode {
    uint64_t sample;
    tt_noise noise; /* role NULL: the posterior's mean; else mean + std·noise */
} tt_encode;

/* The centre of the image, a square of `crop` pixels out of the model's resolution, resized to the whole
 * (bilinear, 8 bit): the perturbation of PFAMI (grey-box spec 2.5). */
typedef struct tt_encode_crop {
    uint64_t sample;
    tt_noise noise; /* as in tt_encode */
    uint32_t crop;  /* 1..resolution */
} tt_encode_crop;

enum { TT_WANT_LOSS = 1, TT_WANT_PREDICTION = 2 };

/* One noise prediction of one sample at one timestep under one condition: one query.
 * With noise:    x_t = √ᾱ_t·latent + √(1−ᾱ_t)·n;  loss = mean over elements of (n − ε(x_t, t, c))², in
 * double. Without noise: x_t = latent as it is, and no loss. ε is what the model predicts, converted from v
 * where need be. */
typedef struct tt_predict {
    tt_handle latent, condition;
    int32_t timestep;
    uint32_t want;   /* TT_WANT_… */
    uint64_t sample; /* whose noise */
    tt_noise noise;
    bool alpha_bar_f32; /* ᾱ from the f32 table of diffusers */
} tt_predict;
typedef struct tt_prediction {
    double loss;          /* NaN when not asked for */
    tt_handle prediction; /* ε, when asked for; release it */
} tt_prediction;

typedef enum tt_sampler {
    TT_SAMPLER_DEFAULT = 0,
    TT_SAMPLER_PNDM,
    TT_SAMPLER_DDIM,
    TT_SAMPLER_DPMPP_2M,
    TT_SAMPLER_EULER
} tt_sampler;
typedef enum tt_stream { TT_STREAM_TORCH_CPU = 0, TT_STREAM_TORCH_CUDA, TT_STREAM_KEYED } tt_stream;

typedef struct tt_generate {
    uint32_t size;
    tt_text prompt, negative; /* negative: no pieces = "" */
    uint32_t width, height;   /* 0: the model's resolution */
    uint32_t steps;           /* 0: 50 */
    double guidance;          /* scale s */
    bool guidance_equation; /* ε_u + s(ε_c − ε_u) literally for every s; false: diffusers' rule, s ≤ 1 runs c
                               alone */
    tt_sampler sampler; /* DEFAULT: the scheduler in the model's own config */
    bool karras;
    tt_stream stream;
    uint64_t seed;
    uint32_t cuda_stride; /* S of the CUDA stream (models-rng 8.7); 0: 270336 */
    uint32_t images;      /* per prompt, one draw of noise for all */
    /* vary: */
    const tt_pixels *init; /* image to image when set */
    const tt_pixels *mask; /* in-painting when set: white (255) is repainted; size of init */
    double strength;
    bool legacy_inpaint; /* models-sampling 7.14, first column */
} tt_generate;

/* ------------------------------------------------------------------ model handle
 * -------------------------------- */

/* What an attack holds of a model. Calls block and work on arrays. Functions that were not granted are NULL,
 * and the host refuses them in any case. On error nothing was given out. */
typedef struct tt_model tt_model;
struct tt_model {
    uint32_t size;
    const char *role;
    tt_model_info info;
    void *self;
    tt_status (*encode)(tt_model *m, uint32_t n, const tt_encode *requests, tt_handle *latents,
                        tt_error *err);
    tt_status (*text)(tt_model *m, uint32_t n, const tt_text *texts, tt_handle *conditions, tt_error *err);
    tt_status (*predict)(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                         tt_error *err);
    tt_status (*decode)(tt_model *m, uint32_t n, const tt_handle *latents, tt_handle *images, tt_error *err);
    /* generate and vary fill images with handles of 8-bit images, request->images of them */
    tt_status (*generate)(tt_model *m, const tt_generate *request, tt_handle *images, tt_error *err);
    tt_status (*vary)(tt_model *m, const tt_generate *request, tt_handle *images, tt_error *err);
    /* Between a handle and plain floats in C,H,W order (conditions: tokens × width; images: RGB 0..1 as
     * 3,H,W). */
    tt_status (*put)(tt_model *m, uint32_t channels, uint32_t height, uint32_t width, const float *values,
                     tt_handle *latent, tt_error *err);
    tt_status (*get)(tt_model *m, tt_handle handle, float *values, size_t n_values, tt_error *err);
    tt_status (*release)(tt_model *m, uint32_t n, const tt_handle *handles, tt_error *err);
    /* Granted with encode. A host that is older does not have it: see `size`. */
    tt_status (*encode_crop)(tt_model *m, uint32_t n, const tt_encode_crop *requests, tt_handle *latents,
                             tt_error *err);
    /* Granted with text: a condition from values (tokens × width), such as a perturbed embedding. */
    tt_status (*put_condition)(tt_model *m, const float *values, size_t n_values, tt_handle *condition,
                               tt_error *err);
    /* Granted with text: where the pieces of a text lie among the condition's tokens. Piece k has tokens
     * first[k] up to but without first[k+1]; first [n_pieces + 1]. What was cut off behind the last token has
     * none. */
    tt_status (*spans)(tt_model *m, const tt_text *text, uint32_t *first, tt_error *err);
    /* Granted with predict: n values of a sample's measurement noise, from the stream's first on. */
    tt_status (*noise)(tt_model *m, uint64_t sample, const tt_noise *noise, float *values, size_t n_values,
                       tt_error *err);
    /* Granted with attention and predict: predict, whose results are the same bit for bit, and the
     * cross-attention maps of each evaluation: softmax probabilities summed over heads and layers, every
     * layer's resized (bicubic) to the latent's size; get gives [text_tokens][latent_height][latent_width].
     * Queries as of predict. */
    tt_status (*attend)(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                        tt_handle *maps, tt_error *err);
    /* The candidate image of a sample, 8-bit RGB, rgb from host->alloc. side 0: as it is stored; else its
     * shorter side resized to `side` and the centre square cut out, as encode does. Costs no query and needs
     * no capability: the attacker has the images in question. */
    tt_status (*image)(tt_model *m, uint64_t sample, uint32_t side, tt_pixels *image, tt_error *err);
};

/* ------------------------------------------------------------------ service handle
 * ------------------------------ */

/* What an attack holds of a service: a model of the attacker's own, which runs in a host of its own. */
typedef struct tt_service tt_service;
struct tt_service {
    uint32_t size;
    const char *name;
    void *self;
    /* What the words of n texts, a piece each, weigh: weights[i] has room for texts[i].n_pieces; larger: more
     * important. */
    tt_status (*weigh)(tt_service *s, uint32_t n, const tt_text *texts, double *const *weights,
                       tt_error *err);
};

/* ------------------------------------------------------------------ attack
 * -------------------------------------- */

#define TT_ATTACK_MAX_ROLES    4
#define TT_ATTACK_MAX_SERVICES 4
/* A role without a model, capabilities 0: its handle knows the candidate images (`image`) and nothing else.
 */
#define TT_ROLE_IMAGES "images"

typedef struct tt_role_need {
    const char *role;      /* "target", …, TT_ROLE_IMAGES */
    uint32_t capabilities; /* TT_CAP_… */
} tt_role_need;

/* What an attack declares for its parameters. Strings live until destroy. */
typedef struct tt_attack_plan {
    uint32_t size;
    tt_role_need roles[TT_ATTACK_MAX_ROLES];
    uint32_t n_roles; /* 0: neither models nor images, captions alone */
    bool needs_captions;
    bool can_fit;                /* fit does something: calibration may be shadow or split */
    uint32_t n_columns;          /* features of a sample */
    const char *const *columns;  /* their names: "L", "D_1", … */
    const char *paper_reduction; /* "mean" or "sum": how the paper reduces what we store as a mean; or NULL */
    uint32_t predictions;        /* queries a sample, attributed */
    const char
        *measure_identity; /* text that fixes what measure computes: attacks with equal text and roles share
                              stored rows. NULL: plugin name, revision and the parameters without SCORE */
    const char *services[TT_ATTACK_MAX_SERVICES]; /* names under `services` in the spec */
    uint32_t n_services;
    uint32_t min_words; /* words that each caption must have; 0: as may be */
} tt_attack_plan;

typedef struct tt_sample {
    uint64_t id;         /* opaque, shuffled; says nothing about membership */
    const char *caption; /* NULL where the threat model withholds it */
} tt_sample;

typedef struct tt_measure {
    uint32_t size;
    tt_model *const *models; /* one for each role of the plan, in its order */
    uint64_t seed;
    tt_service *const *services; /* one for each service of the plan, in its order */
} tt_measure;

/* n rows of n_columns doubles. NaN marks a failed feature and fails the step: never average it away. */
typedef struct tt_rows {
    size_t n, n_columns;
    const double *values;
} tt_rows;

typedef struct tt_attack_plugin {
    uint32_t size;
    tt_status (*create)(const tt_params *params, void **attack, tt_error *err);
    void (*destroy)(void *attack);
    tt_status (*plan)(void *attack, tt_attack_plan *plan, tt_error *err);
    /* Label-blind; rows [n][n_columns] are the caller's. */
    tt_status (*measure)(void *attack, const tt_measure *context, uint32_t n, const tt_sample *samples,
                         double *rows, tt_error *err);
    /* Calibration rows with labels (1 = member) → bytes from host->alloc, taken over by the caller. NULL:
     * nothing to fit. */
    tt_status (*fit)(void *attack, const tt_rows *rows, const uint8_t *member, uint8_t **state,
                     size_t *state_size, tt_error *err);
    /* Higher = member, always. state is what fit gave, or NULL (calibration: none). scores [rows->n]. */
    tt_status (*score)(void *attack, const tt_rows *rows, const uint8_t *state, size_t state_size,
                       double *scores, tt_error *err);
    /* A line for people on what fit chose ("alpha 0.6"), or NULL; text is the caller's buffer. */
    tt_status (*explain)(void *attack, const uint8_t *state, size_t state_size, char *text, size_t text_size,
                         tt_error *err);
} tt_attack_plugin;

/* ------------------------------------------------------------------ target
 * -------------------------------------- */

/* A model in its host. The runtime above it knows samples, noise, batching, handles, access and meters; the
 * target only computes. Latents, noise and predictions are flat C,H,W floats, n after one another; latents
 * are scaled (multiplied by the VAE's scaling factor). A function that the model lacks is NULL. */
typedef struct tt_target_context {
    uint32_t size;
    const tt_backend *backend;
    tt_device_options device;
} tt_target_context;

/* Bytes of one kind of memory: upper bounds. */
typedef struct tt_memory_amounts {
    uint64_t weights;                 /* for as long as the model is open */
    uint64_t predict, encode, decode; /* beside them, once such a call was made at the size of its batches */
    uint64_t evaluation;              /* kept to the end of a batch of samples, of each evaluation in it */
} tt_memory_amounts;

/* What the host of a model will need, beside what the backend takes for itself. */
typedef struct tt_memory_need {
    uint32_t size;
    uint32_t batch;           /* predictions computed at once */
    tt_memory_amounts host;   /* memory of the process's own (mapped files are not) */
    tt_memory_amounts device; /* of a device that has its own (backend.h: `memory`); else zeros */
} tt_memory_need;

typedef struct tt_target_plugin {
    uint32_t size;
    tt_status (*open)(const tt_params *params, const tt_target_context *context, void **target,
                      tt_error *err);
    void (*close)(void *target);
    /* Pointers live until close. */
    tt_status (*info)(void *target, tt_model_info *info, tt_error *err);
    /* Digest of everything that results depend on (weights, configs, tokenizer), lower-case hex; `open` not
     * needed. */
    tt_status (*digest)(const tt_params *params, char hex[65], tt_error *err);
    /* images are resolution × resolution; noise NULL or [n][latent]: mean or sample. */
    tt_status (*encode)(void *target, uint32_t n, const tt_pixels *images, const float *noise, float *latents,
                        tt_error *err);
    tt_status (*decode)(void *target, uint32_t n, const float *latents,
                        tt_pixels *images /* rgb from host->alloc */, tt_error *err);
    /* A condition may cache what depends on the text alone (cross-attention keys and values). */
    tt_status (*text)(void *target, uint32_t n, const tt_text *texts, void **conditions, tt_error *err);
    tt_status (*condition_get)(void *target, void *condition, float *values, size_t n_values, tt_error *err);
    void (*condition_free)(void *target, void *condition);
    /* eps [n][latent]: ε at (inputs, timesteps, conditions); n ≤ info.batch. */
    tt_status (*predict)(void *target, uint32_t n, const float *inputs, const int32_t *timesteps,
                         void *const *conditions, float *eps, tt_error *err);
    /* text to image; image to image and in-painting when request->init is set. rgb from host->alloc. */
    tt_status (*generate)(void *target, const tt_generate *request, tt_pixels *images,
                          void (*progress)(void *user, uint32_t step, uint32_t steps), void *user,
                          tt_error *err);
    /* Behind all that older targets have. */
    tt_status (*condition_put)(void *target, const float *values, size_t n_values, void **condition,
                               tt_error *err);
    /* As tt_model.spans. */
    tt_status (*spans)(void *target, const tt_text *text, uint32_t *first, tt_error *err);
    /* predict with the same ε; maps [n][text_tokens][latent_height][latent_width] as of tt_model.attend. */
    tt_status (*attend)(void *target, uint32_t n, const float *inputs, const int32_t *timesteps,
                        void *const *conditions, float *eps, float *maps, tt_error *err);
    /* From configs and the sizes of weights, for the device of `context`; `open` not needed. */
    tt_status (*memory)(const tt_params *params, const tt_target_context *context, tt_memory_need *need,
                        tt_error *err);
} tt_target_plugin;

/* ------------------------------------------------------------------ data
 * ---------------------------------------- */

/* One image with what is known of it. Exactly one of path, encoded, pixels is set. Pointers live until the
 * next call of item or close. */
typedef struct tt_item {
    uint32_t size;
    const char *id;         /* stable name within the data set, e.g. the path inside the folder */
    const char *path;       /* a file on disk */
    const uint8_t *encoded; /* a JPEG, PNG or WebP in memory */
    size_t encoded_size;
    tt_pixels pixels;
    const char *caption;  /* NULL: none */
    const char *identity; /* person, or NULL */
    const char *extra;    /* JSON object with more facts (boxes, attributes), or NULL */
} tt_item;

typedef struct tt_data_plugin {
    uint32_t size;
    /* Decides the splits, from `seed` alone; reads no image. */
    tt_status (*open)(const tt_params *params, uint64_t seed, void **data, tt_error *err);
    void (*close)(void *data);
    uint32_t (*n_splits)(void *data);
    const char *(*split_name)(void *data, uint32_t split);
    uint64_t (*split_size)(void *data, uint32_t split);
    tt_status (*item)(void *data, uint32_t split, uint64_t index, tt_item *item, tt_error *err);
} tt_data_plugin;

/* ------------------------------------------------------------------ transform
 * ----------------------------------- */

typedef struct tt_transform_plugin {
    uint32_t size;
    tt_status (*create)(const tt_params *params, void **transform, tt_error *err);
    void (*destroy)(void *transform);
    /* `seed` is the sample's own. out->rgb from host->alloc. NULL: does nothing to images. */
    tt_status (*image)(void *transform, uint64_t seed, const tt_pixels *in, tt_pixels *out, tt_error *err);
    /* *out from host->alloc. NULL: does nothing to captions. */
    tt_status (*caption)(void *transform, uint64_t seed, const char *in, char **out, tt_error *err);
    /* Of the n captions of a split together, behind all transforms of single samples: the i-th of them
     * becomes the from[i]-th. from: [n], filled with 0..n-1. NULL: leaves captions where they are. */
    tt_status (*exchange)(void *transform, uint64_t seed, uint64_t n, uint64_t *from, tt_error *err);
} tt_transform_plugin;

/* ------------------------------------------------------------------ service
 * ------------------------------------- */

/* A model that belongs to the attacker, with a meter of its own. A function that it lacks is NULL. */
typedef struct tt_box {
    float x, y, width, height, score;
} tt_box;

typedef struct tt_service_plugin {
    uint32_t size;
    tt_status (*open)(const tt_params *params, const tt_target_context *context, void **service,
                      tt_error *err);
    void (*close)(void *service);
    tt_status (*caption)(void *service, const tt_pixels *image, char **text /* host->alloc */, tt_error *err);
    tt_status (*embed_image)(void *service, const tt_pixels *image, float **values, size_t *n, tt_error *err);
    tt_status (*embed_text)(void *service, const char *text, float **values, size_t *n, tt_error *err);
    tt_status (*detect)(void *service, const tt_pixels *image, tt_box **boxes, size_t *n, tt_error *err);
    tt_status (*weigh_words)(void *service, const char *text, char ***words, double **weights, size_t *n,
                             tt_error *err);
    /* As tt_target_plugin.digest. A service that measuring may ask needs it. */
    tt_status (*digest)(const tt_params *params, char hex[65], tt_error *err);
    /* As tt_service.weigh; *evaluations: how often a network was evaluated for one text, the same for each.
     */
    tt_status (*weigh)(void *service, uint32_t n, const tt_text *texts, double *const *weights,
                       uint64_t *evaluations, tt_error *err);
    /* Where in the image a word is seen: side of the maps that the weights come from; 0: from none. */
    uint32_t (*map_side)(void *service);
    /* As weigh, and maps[i], [texts[i].n_pieces][side][side], row by row, at least 0. */
    tt_status (*weigh_maps)(void *service, uint32_t n, const tt_text *texts, double *const *weights,
                            float *const *maps, uint64_t *evaluations, tt_error *err);
} tt_service_plugin;

#ifdef __cplusplus
}
#endif
#endif
