#include "experiment/services.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>
#include <string.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for services");
}

typedef struct tt_service_host {
    struct tt_service_host *next;
    tt_buf request; /* to open it: what it is known by */
    tt_child child;
    tt_error unusable; /* why it could not open its service; code TT_OK: it could */
} service_host;

static bool put_request(const tt_spec *spec, const tt_spec_service *service, const char *maps_dir,
                        tt_buf *request)
{
    tt_buf params = {0};
    bool good = tt_params_canonical(service->plugin.params, 0, false, &params);
    tt_put_text(request, service->plugin.info->name);
    tt_put_text(request, params.data);
    tt_put_device(request, spec->backend.info->name, &spec->device);
    tt_put_text(request, maps_dir);
    tt_buf_free(&params);
    return good && !request->failed;
}

static tt_status open_service(const tt_spec_service *service, const tt_launch *launch, service_host *host,
                              tt_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "service %.48s", service->name);
    tt_reply reply;
    tt_status s = tt_child_start(launch, TT_CHILD_HOST, name, &host->child, err);
    if (s) return s;
    s = tt_child_call(&host->child, TT_MSG_HOST_OPEN_SERVICE, &host->request, -1, &reply, err);
    if (!s) tt_reply_free(&reply);
    if (s && s != TT_ERR_CRASHED) tt_fail_in(err, "services.%s", service->name);
    return s;
}

static service_host *find(const tt_services *x, const tt_buf *request)
{
    service_host *h = x->first;
    while (h &&
           (h->request.size != request->size || memcmp(h->request.data, request->data, request->size) != 0))
        h = h->next;
    return h;
}

tt_status tt_services_host(tt_services *x, const tt_spec *spec, const tt_launch *launch, const char *name,
                           const char *maps_dir, tt_child **host, tt_error *err)
{
    const tt_spec_service *service = tt_spec_service_of(spec, name);
    if (!service) return tt_fail(err, TT_ERR_INTERNAL, "no service is called %s", name);
    tt_buf request = {0};
    bool good = put_request(spec, service, maps_dir, &request);
    service_host *h = good ? find(x, &request) : NULL;
    if (good && !h) {
        h = tt_alloc_zero(sizeof *h);
        if (h) {
            h->request = request;
            request = (tt_buf){0};
            h->next = x->first;
            x->first = h;
            open_service(service, launch, h, &h->unusable);
        }
    }
    tt_buf_free(&request);
    if (!h) return no_memory(err);
    if (h->unusable.code) return tt_fail(err, h->unusable.code, "%s", h->unusable.message);
    *host = &h->child;
    return TT_OK;
}

void tt_services_stop(tt_services *x)
{
    for (service_host *h = x->first, *next; h; h = next) {
        next = h->next;
        tt_child_memory held;
        tt_error gone = {0};
        tt_child_ask_memory(&h->child, &held, &gone); /* its peak is kept for run.json */
        tt_child_stop(&h->child);
        tt_buf_free(&h->request);
        tt_free(h);
    }
    x->first = NULL;
}
