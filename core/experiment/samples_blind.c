#include "experiment/samples.h"

#include <string.h>

/* Of equal images (rare) the n-th has the n-th id. */
static bool id_is_of_content(uint64_t seed, const tt_universe *u, const tt_sample_ref *ref)
{
    if (ref->id == tt_samples_id(seed, ref->item, 0)) return true;
    uint32_t equal = 0;
    for (size_t i = 0; i < u->n; i++)
        equal += memcmp(&u->refs[i].item->digest, &ref->item->digest, sizeof(tt_digest)) == 0;
    for (uint32_t again = 1; again < equal; again++)
        if (ref->id == tt_samples_id(seed, ref->item, again)) return true;
    return false;
}

tt_status tt_samples_check_blind(uint64_t seed, const tt_universe *u, tt_error *err)
{
    for (size_t i = 0; i < u->n; i++) {
        const tt_sample_ref *ref = &u->refs[i];
        if (!id_is_of_content(seed, u, ref))
            return tt_fail(err, TT_ERR_INTERNAL,
                           "label blindness: the id of %s.%s (%s) is not that of its content, and could tell "
                           "a worker who is a member",
                           ref->data, ref->item->split, ref->item->id);
        if (i && ref->id <= ref[-1].id)
            return tt_fail(err, TT_ERR_INTERNAL,
                           "label blindness: %s.%s (%s) is not where its id puts it; the order of samples "
                           "could tell a worker who is a member",
                           ref->data, ref->item->split, ref->item->id);
    }
    return TT_OK;
}
