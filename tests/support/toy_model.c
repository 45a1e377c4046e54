#include "support/toy_model.h"
#include "plugin/registry.h"
#include "support/test.h"

#include <math.h>
#include <string.h>

static const float latent[4] = {0.5f, -1.0f, 0.25f, 2.0f};
enum { THINGS_MAX = 256 };
static float things[THINGS_MAX][4]; /* handle h is things[h − 1]; the first is the latent */
static size_t n_things;
static double alpha_bar[1000];
static double weights[64];
static size_t n_weights;
static uint64_t predictions;

static const double *noise_at(int32_t timestep)
{
    static const double n440[4] = {.1, -.2, .3, -.4}, n450[4] = {1, .5, -.5, -1},
                        n460[4] = {-.3, .6, .9, -1.2};
    ck_assert_msg(timestep == 440 || timestep == 450 || timestep == 460, "no noise is given at t = %d",
                  timestep);
    return timestep == 440 ? n440 : timestep == 450 ? n450 : n460;
}

static tt_status encode(tt_model *m, uint32_t n, const tt_encode *requests, tt_handle *latents, tt_error *err)
{
    (void)m, (void)err;
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_str_eq(requests[i].noise.role, "vae");
        ck_assert_int_eq(requests[i].noise.timestep, -1);
        latents[i] = 1;
    }
    return TT_OK;
}

static tt_handle keep(const float values[4])
{
    ck_assert_uint_lt(n_things, THINGS_MAX);
    memcpy(things[n_things], values, sizeof things[0]);
    return ++n_things;
}

static tt_status put(tt_model *m, uint32_t channels, uint32_t height, uint32_t width, const float *values,
                     tt_handle *handle, tt_error *err)
{
    (void)m, (void)err;
    ck_assert_uint_eq(channels * height * width, 4);
    *handle = keep(values);
    return TT_OK;
}

static tt_status get(tt_model *m, tt_handle handle, float *values, size_t n_values, tt_error *err)
{
    (void)m, (void)err;
    ck_assert(handle >= 1 && handle <= n_things);
    ck_assert_uint_eq(n_values, 4);
    memcpy(values, things[handle - 1], sizeof things[0]);
    return TT_OK;
}

static tt_status release(tt_model *m, uint32_t n, const tt_handle *handles, tt_error *err)
{
    (void)m, (void)err;
    for (uint32_t i = 0; i < n; i++)
        ck_assert(handles[i] >= 1 && handles[i] <= n_things);
    return TT_OK;
}

static double weight_of(const char *text)
{
    static const struct {
        const char *text;
        double weight;
    } known[] = {{TOY_CAPTION, .30}, {"ab", .28}, {"cd", .27}, {"ef", .26}, {"", .25}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i].text) == 0) return known[i].weight;
    ck_abort_msg("the toy knows no text '%s'", text);
    return 0;
}

static tt_status text(tt_model *m, uint32_t n, const tt_text *texts, tt_handle *conditions, tt_error *err)
{
    (void)m, (void)err;
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_uint_eq(texts[i].n_pieces, 1);
        ck_assert_uint_lt(n_weights, 64);
        weights[n_weights] = weight_of(texts[i].pieces[0].text);
        conditions[i] = ++n_weights;
    }
    return TT_OK;
}

/* without noise: ε at the state as it is */
static tt_status predict_plain(const tt_predict *r, tt_prediction *result)
{
    float eps[4];
    ck_assert(r->latent >= 1 && r->latent <= n_things);
    ck_assert_uint_eq(r->want, TT_WANT_PREDICTION);
    for (int k = 0; k < 4; k++)
        eps[k] =
            (float)(weights[r->condition - 1] * (double)things[r->latent - 1][k] + 0.1 * r->timestep / 1000);
    *result = (tt_prediction){(double)NAN, keep(eps)};
    predictions++;
    return TT_OK;
}

static tt_status predict(tt_model *m, uint32_t n, const tt_predict *requests, tt_prediction *results,
                         tt_error *err)
{
    (void)m, (void)err;
    for (uint32_t i = 0; i < n; i++) {
        const tt_predict *r = &requests[i];
        if (!r->noise.role) {
            predict_plain(r, &results[i]);
            continue;
        }
        ck_assert_str_eq(r->noise.role, "eps");
        ck_assert_int_eq(r->noise.timestep, r->timestep); /* keyed by the timestep's value */
        ck_assert_uint_eq(r->noise.draw, 0);
        ck_assert_uint_eq(r->latent, 1);
        const double *noise = noise_at(r->timestep);
        double a = alpha_bar[r->timestep], sum = 0;
        for (int k = 0; k < 4; k++) {
            double x = sqrt(a) * (double)latent[k] + sqrt(1 - a) * noise[k];
            double eps = weights[r->condition - 1] * x + 0.1 * r->timestep / 1000;
            sum += (noise[k] - eps) * (noise[k] - eps);
        }
        results[i] = (tt_prediction){sum / 4, 0};
        predictions++;
    }
    return TT_OK;
}

tt_model *toy_model(void)
{
    static tt_model model = {.size = sizeof model,
                             .role = "target",
                             .encode = encode,
                             .text = text,
                             .predict = predict,
                             .put = put,
                             .get = get,
                             .release = release};
    double product = 1;
    for (int i = 0; i < 1000; i++) {
        double r = sqrt(0.00085) + (sqrt(0.012) - sqrt(0.00085)) * i / 999;
        product *= 1 - r * r;
        alpha_bar[i] = product;
    }
    model.info = (tt_model_info){.size = sizeof model.info,
                                 .train_timesteps = 1000,
                                 .alpha_bar = alpha_bar,
                                 .latent_channels = 1,
                                 .latent_height = 2,
                                 .latent_width = 2};
    n_weights = n_things = 0;
    keep(latent);
    predictions = 0;
    return &model;
}

uint64_t toy_predictions(void)
{
    return predictions;
}

static tt_registry *registry;

/* what toy_teardown gives back */
static toy_attack opened[64];
static tt_params *params_of[64];
static void *kept[64];
static size_t n_opened, n_params, n_kept;

void toy_keep(void *state)
{
    ck_assert_uint_lt(n_kept, 64);
    kept[n_kept++] = state;
}

void toy_teardown(void)
{
    for (size_t i = 0; i < n_opened; i++)
        opened[i].table->destroy(opened[i].attack);
    for (size_t i = 0; i < n_params; i++)
        tt_params_free(params_of[i]);
    for (size_t i = 0; i < n_kept; i++)
        tt_free(kept[i]);
    tt_registry_close(registry);
    registry = NULL;
    n_opened = n_params = n_kept = 0;
}

static tt_status open_attack(const char *name, const char *yaml, toy_attack *a, tt_error *err)
{
    tt_arena *arena = tt_arena_create(0);
    tt_node *map;
    const tt_registered *found;
    tt_params *params;
    if (!registry) tt_ok(tt_registry_open(NULL, 0, &registry, err), err);
    tt_ok(tt_registry_find(registry, TT_KIND_ATTACK, name, &found, err), err);
    tt_ok(tt_yaml_parse(arena, "test", yaml, strlen(yaml), &map, err), err);
    tt_status s = tt_params_parse(found->info, map, name, "/", NULL, 0, &params, err);
    tt_arena_destroy(arena);
    if (s) return s;
    *a = (toy_attack){.table = found->table};
    ck_assert_uint_lt(n_params, 64);
    params_of[n_params++] = params;
    s = a->table->create(params, &a->attack, err);
    if (s) return s;
    opened[n_opened++] = *a;
    a->plan.size = sizeof a->plan;
    return a->table->plan(a->attack, &a->plan, err);
}

toy_attack toy_attack_open(const char *name, const char *yaml)
{
    toy_attack a;
    tt_error err = {0};
    tt_ok(open_attack(name, yaml, &a, &err), &err);
    return a;
}

tt_status toy_attack_try(const char *name, const char *yaml, tt_error *err)
{
    toy_attack a;
    return open_attack(name, yaml, &a, err);
}
