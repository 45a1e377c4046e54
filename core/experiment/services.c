#include "experiment/services.h"
#include "plugin/params.h"
#include "runtime/protocol.h"

#include <stdio.h>

static tt_status no_memory(tt_error *err)
{
    return tt_fail(err, TT_ERR_MEMORY, "out of memory for services");
}

static tt_status begin(tt_services *x, const tt_spec *spec, tt_error *err)
{
    if (x->hosts) return TT_OK;
    x->hosts = tt_alloc_zero(spec->n_services * sizeof *x->hosts);
    x->started = tt_alloc_zero(spec->n_services * sizeof *x->started);
    x->unusable = tt_alloc_zero(spec->n_services * sizeof *x->unusable);
    x->n = spec->n_services;
    return x->hosts && x->started && x->unusable ? TT_OK : no_memory(err);
}

static tt_status open_service(const tt_spec *spec, const tt_launch *launch, const tt_spec_service *service,
                              tt_child *host, tt_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "service %.48s", service->name);
    tt_buf params = {0}, request = {0};
    if (!tt_params_canonical(service->plugin.params, 0, false, &params)) {
        tt_buf_free(&params);
        return no_memory(err);
    }
    tt_put_text(&request, service->plugin.info->name);
    tt_put_text(&request, params.data);
    tt_put_text(&request, spec->backend.info->name);
    tt_put_i32(&request, spec->threads);
    tt_put_i32(&request, spec->device_index);
    tt_buf_free(&params);
    tt_reply reply;
    tt_status s = tt_child_start(launch, TT_CHILD_HOST, name, host, err);
    if (!s) {
        s = tt_child_call(host, TT_MSG_HOST_OPEN_SERVICE, &request, -1, &reply, err);
        if (!s) tt_reply_free(&reply);
        if (s && s != TT_ERR_CRASHED) tt_fail_in(err, "services.%s", service->name);
    }
    tt_buf_free(&request);
    return s;
}

tt_status tt_services_host(tt_services *x, const tt_spec *spec, const tt_launch *launch, const char *name,
                           tt_child **host, tt_error *err)
{
    const tt_spec_service *service = tt_spec_service_of(spec, name);
    if (!service) return tt_fail(err, TT_ERR_INTERNAL, "no service is called %s", name);
    tt_status s = begin(x, spec, err);
    if (s) return s;
    size_t i = (size_t)(service - spec->services);
    if (!x->started[i]) {
        x->started[i] = true;
        open_service(spec, launch, service, &x->hosts[i], &x->unusable[i]);
    }
    if (x->unusable[i].code) return tt_fail(err, x->unusable[i].code, "%s", x->unusable[i].message);
    *host = &x->hosts[i];
    return TT_OK;
}

void tt_services_stop(tt_services *x)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->started && x->started[i]) tt_child_stop(&x->hosts[i]);
    tt_free(x->hosts);
    tt_free(x->started);
    tt_free(x->unusable);
    *x = (tt_services){0};
}
