/* What the machinery costs beside the work: a scoring step with next to nothing to compute, in a warm worker
 * and with a worker that must be started, journal included; and one prediction asked through the process of a
 * host, of a model that computes next to nothing. Medians. bench_step [TIMES] */
#include "base/file.h"
#include "base/mem.h"
#include "formats/image.h"
#include "runtime/journal.h"
#include "runtime/protocol.h"
#include "runtime/spawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE = 7, SIDE = 32 };

static tt_error err;
static char dir[] = "/tmp/bench-step-XXXXXX";

static void must(tt_status s)
{
    if (!s) return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, rising);
    return values[n / 2];
}

static void tell(tt_child *child, uint16_t type, tt_buf *request)
{
    tt_reply reply;
    must(tt_child_call(child, type, request, -1, &reply, &err));
    tt_reply_free(&reply);
    tt_buf_free(request);
}

/* ---- a step ---- */

static void open_loss(tt_child *worker)
{
    tt_buf b = {0};
    tt_put_text(&b, "loss");
    tt_put_text(&b, "{}");
    tt_put_u64(&b, 1);
    tt_put_i32(&b, 1);
    tell(worker, TT_MSG_WORKER_OPEN, &b);
}

static tt_status no_record(void *user, const void *data, size_t size, tt_error *e)
{
    (void)user, (void)data, (void)size, (void)e;
    return TT_OK;
}

static void score_two_rows(tt_child *worker, size_t number)
{
    static const double values[2] = {0.25, 0.75};
    char folder[128], file[160];
    snprintf(folder, sizeof folder, "%s/score-%zu", dir, number);
    snprintf(file, sizeof file, "%s/journal", folder);
    tt_journal *journal;
    must(tt_dir_create(folder, &err));
    must(tt_journal_open(file, "{}", no_record, NULL, &journal, &err));
    tt_buf b = {0};
    tt_put_u32(&b, 2);
    tt_put_bytes(&b, values, sizeof values);
    tt_put_u8(&b, false);
    tt_put_bytes(&b, NULL, 0);
    tell(worker, TT_MSG_WORKER_SCORE, &b);
    must(tt_journal_append(journal, values, sizeof values, &err));
    tt_journal_close(journal);
}

static void bench_steps(const tt_launch *launch, size_t n, double *warm_s, double *cold_s)
{
    double *times = tt_alloc_array(n, sizeof *times);
    tt_child worker;
    if (!times) exit(1);
    must(tt_child_start(launch, TT_CHILD_WORKER, "warm", &worker, &err));
    open_loss(&worker);
    for (size_t i = 0; i < n; i++) {
        double start = now_s();
        open_loss(&worker);
        score_two_rows(&worker, i);
        times[i] = now_s() - start;
    }
    tt_child_stop(&worker);
    *warm_s = median(times, n);
    size_t few = n < 20 ? n : 20;
    for (size_t i = 0; i < few; i++) {
        double start = now_s();
        must(tt_child_start(launch, TT_CHILD_WORKER, "cold", &worker, &err));
        open_loss(&worker);
        score_two_rows(&worker, n + i);
        tt_child_stop(&worker);
        times[i] = now_s() - start;
    }
    *cold_s = median(times, few);
    tt_free(times);
}

/* ---- a prediction ---- */

static void open_toy(tt_child *host, const char *image)
{
    static uint8_t rgb[SIDE * SIDE * 3];
    tt_pixels p = {SIDE, SIDE, rgb};
    must(tt_image_write_png(image, &p, &err));
    tt_digest digest = tt_image_digest(&p);
    tt_buf b = {0};
    tt_put_text(&b, "toy");
    tt_put_text(&b, "{\"weight\": 0.25}");
    tt_put_device(&b, "reference", &(tt_device_options){.threads = 1});
    tt_put_u64(&b, 1);
    tt_put_u8(&b, false);
    tell(host, TT_MSG_HOST_OPEN, &b);
    tt_put_u32(&b, 1);
    tt_put_u64(&b, SAMPLE);
    tt_put_text(&b, image);
    tt_put_digest(&b, &digest);
    tell(host, TT_MSG_HOST_SAMPLES, &b);
}

static tt_model *connect_model(tt_child *host)
{
    int fds[2];
    tt_buf b = {0};
    tt_reply reply;
    tt_model *model = NULL;
    must(tt_channel_pair(fds, &err));
    tt_put_u32(&b, TT_CAP_ENCODE | TT_CAP_TEXT | TT_CAP_PREDICT);
    must(tt_child_call(host, TT_MSG_HOST_CONNECT, &b, fds[0], &reply, &err));
    tt_reply_free(&reply);
    tt_buf_free(&b);
    close(fds[0]);
    tt_port *port = tt_port_over_channel(fds[1], "toy");
    if (!port) exit(1);
    must(tt_model_client_create(port, "target", &model, &err));
    return model;
}

/* One prediction a call, each of another timestep and noise: nothing is shared. */
static double bench_predictions(const tt_launch *launch, size_t n)
{
    char image[160];
    snprintf(image, sizeof image, "%s/image.png", dir);
    tt_child host;
    must(tt_child_start(launch, TT_CHILD_HOST, "toy", &host, &err));
    open_toy(&host, image);
    tt_model *m = connect_model(&host);
    tt_encode encode = {.sample = SAMPLE};
    tt_text_piece piece = {.text = "a portrait"};
    tt_text text = {.pieces = &piece, .n_pieces = 1};
    tt_handle latent, condition;
    must(m->encode(m, 1, &encode, &latent, &err));
    must(m->text(m, 1, &text, &condition, &err));
    double *times = tt_alloc_array(n, sizeof *times);
    if (!times) exit(1);
    for (size_t i = 0; i < n; i++) {
        tt_predict ask = {latent,       condition, (int32_t)(i % 1000),
                          TT_WANT_LOSS, SAMPLE,    {"eps", (int32_t)(i % 1000), (uint32_t)(i / 1000)},
                          false};
        tt_prediction answer;
        double start = now_s();
        must(m->predict(m, 1, &ask, &answer, &err));
        times[i] = now_s() - start;
    }
    double middle = median(times, n);
    tt_free(times);
    tt_model_client_destroy(m);
    tt_child_stop(&host);
    return middle;
}

int main(int argc, char **argv)
{
    static const char *const dirs[] = {TT_BUILD_DIR "/tests/fixtures"};
    tt_launch launch = {.program = TT_BUILD_DIR "/telltale", .plugin_dirs = dirs, .n_plugin_dirs = 1};
    size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 200;
    if (n == 0 || !mkdtemp(dir)) return 2;
    double warm_s, cold_s;
    bench_steps(&launch, n, &warm_s, &cold_s);
    double predict_s = bench_predictions(&launch, 20 * n);
    printf("a step in a warm worker: %.2f ms; with a worker of its own: %.1f ms\n"
           "a prediction through the host: %.1f us\n",
           1e3 * warm_s, 1e3 * cold_s, 1e6 * predict_s);
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
